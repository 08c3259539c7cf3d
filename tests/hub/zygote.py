"""The process that has imported everything once, and forks a child for each thing to run.

`python zygote.py` reads requests from its standard input, one JSON object a line, and writes
reports to its standard output: {"ready": true}, {"id", "pid"} for a child that started, and
{"id", "returncode"} for one that ended. What a request names as "imports" is imported before the
fork, for all that follow.
"""

from __future__ import annotations

import atexit
import importlib
import json
import linecache
import os
import selectors
import signal
import sys
import threading
import time
import traceback
from typing import NoReturn

import huggingface_hub
import torch

import zoo
import zoo.cli

for module in (
    "_strptime",
    "click",
    "encodings.idna",
    "huggingface_hub._snapshot_download",
    "huggingface_hub.hf_api",
    "pydantic",
    "safetensors.torch",
    "zoo.api.models",
    "zoo.folder.store",
):
    importlib.import_module(module)  # once here rather than in each child
torch.set_num_threads(1)
sleep = time.sleep
time.sleep = lambda seconds: sleep(seconds / 20)  # waits, the zoo's and the client's, in a hurry
IMPORTED = {"huggingface_hub": huggingface_hub, "torch": torch, "zoo": zoo}


def run(request: dict) -> int:
    """Does what is asked in this process. Returns the exit code that Python would end with."""
    os.environ.update({name: value for name, value in request["env"].items() if value is not None})
    for name, value in request["env"].items():
        if value is None:
            os.environ.pop(name, None)
    if any(name.startswith("HF_") for name in request["env"]):
        importlib.reload(huggingface_hub.constants)  # it reads its variables when it is imported
    os.chdir(request["cwd"])
    try:
        if request["words"] is not None:
            sys.argv = ["zoo", *request["words"]]
            zoo.cli.main(request["words"])
        else:
            code = request["code"]
            linecache.cache["<code>"] = (len(code), None, code.splitlines(keepends=True), "<code>")
            names = {"__name__": "__main__", **IMPORTED, **request["args"]}
            exec(compile(code, "<code>", "exec"), names)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


class Zygote:
    """Forks a child for each request, and says when it ends."""

    def __init__(self) -> None:
        self.children: dict[int, int] = {}
        """Request ids by process id."""
        self.woken, wakes = os.pipe()
        for end in (self.woken, wakes):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)

    def serve(self) -> dict | None:
        """Returns the request in a child, to be run there; None in the zygote, at the end."""
        report(ready=True)
        unread = b""
        while True:
            ready = {key.fd for key, _ in self.selector.select()}
            if self.woken in ready:
                os.read(self.woken, 2**16)
            self.reap()
            if sys.stdin.fileno() not in ready:
                continue
            data = os.read(sys.stdin.fileno(), 2**16)
            if not data:
                return None
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                request = json.loads(line)
                if self.fork(request):
                    return request

    def fork(self, request: dict) -> bool:
        """Whether this is the child."""
        for module in request["imports"]:
            importlib.import_module(module)
        pid = os.fork()
        if pid == 0:
            become_child(request)
            return True
        os.setpgid(pid, pid)
        self.children[pid] = request["id"]
        report(id=request["id"], pid=pid)
        return False

    def reap(self) -> None:
        for pid in list(self.children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                report(id=self.children.pop(pid), returncode=code)


def become_child(request: dict) -> None:
    """A process group of its own, usual signals, and files for its output."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for fd, path in ((1, request["out"]), (2, request["err"])):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, fd)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def report(**what: object) -> None:
    os.write(sys.stdout.fileno(), json.dumps(what).encode() + b"\n")


def leave(returncode: int) -> NoReturn:
    """Ends a child as Python would, but without freeing each imported object, which is slow."""
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(returncode)


if __name__ == "__main__":
    asked = Zygote().serve()
    if asked is not None:
        leave(run(asked))
