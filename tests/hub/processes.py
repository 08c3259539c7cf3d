"""Runs code and `zoo` commands in processes of their own, as a user's would be.

A fork of a process that has imported torch, huggingface_hub and zoo starts in a few milliseconds;
a new interpreter takes seconds. huggingface_hub reads its variables (HF_ENDPOINT, HF_HUB_OFFLINE)
when it is imported: where a call changes one, the fork reads them anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ZYGOTE = str(Path(__file__).with_name("zygote.py"))
START_SECONDS = 120
"""How long the imports may take on a busy machine."""


@dataclass(frozen=True)
class Done:
    """How a process ended."""

    returncode: int
    """Negative if a signal ended it."""
    out: str
    err: str
    seconds: float


class Running:
    """A process that was started. Its output so far can be read at any time."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.pid = 0
        self.out_path = folder / "out"
        self.err_path = folder / "err"
        self.timeout = timeout
        self.started = threading.Event()
        self.ended = threading.Event()
        self._start_time = time.monotonic()
        self._end_time = 0.0
        self._returncode = 0

    @property
    def out(self) -> str:
        return self.out_path.read_text(errors="replace") if self.out_path.exists() else ""

    @property
    def err(self) -> str:
        return self.err_path.read_text(errors="replace") if self.err_path.exists() else ""

    def end(self, returncode: int) -> None:
        self._returncode = returncode
        self._end_time = time.monotonic()
        self.started.set()
        self.ended.set()

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Sends a signal to the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signum)

    def wait(self, timeout: float | None = None) -> Done:
        """Waits for the end. Raises TimeoutError, and kills the process, if it takes longer."""
        seconds = self.timeout if timeout is None else timeout
        if not self.ended.wait(seconds):
            self.kill()
            self.ended.wait(START_SECONDS)
            raise TimeoutError(f"Still running after {seconds} s.\n{self.out}\n{self.err}")
        return Done(self._returncode, self.out, self.err, self._end_time - self._start_time)


class Client:
    """Users of one Hub with one HF_HOME, each call a process of its own."""

    def __init__(self, endpoint: str, home: Path, env: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.env = environment(endpoint, home) | dict(env or {})
        self.imports: list[str] = []
        """Further modules that a test needs imported, once for all processes that follow."""
        self._folder = tempfile.TemporaryDirectory(prefix="client-")
        self._errors = Path(self._folder.name, "zygote.err")
        self._numbers = count()
        self._running: dict[int, Running] = {}
        self._ready = threading.Event()
        self._lock = threading.Lock()
        with self._errors.open("wb") as errors:
            self._zygote = subprocess.Popen(
                [sys.executable, ZYGOTE],
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._folder.name,
            )
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Ends all processes."""
        for running in list(self._running.values()):
            running.kill()
        self._zygote.kill()
        self._zygote.wait()
        self._folder.cleanup()

    def run(
        self,
        code: str,
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        timeout: float = 60,
        args: Mapping[str, object] | None = None,
    ) -> Done:
        """Runs code that finds zoo, torch and huggingface_hub imported, and `args` as variables.

        `env` changes variables (None: unsets) and `args` holds what JSON can say. An exception
        prints its traceback and exits with 1.
        """
        return self.start(code, env=env, cwd=cwd, timeout=timeout, args=args).wait()

    def zoo(
        self,
        *words: str | Path,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        timeout: float = 60,
    ) -> Done:
        """Runs the command line: `client.zoo("push", "./folder", "acme/vae")`."""
        return self.start_zoo(*words, env=env, cwd=cwd, timeout=timeout).wait()

    def start(
        self,
        code: str,
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        timeout: float = 60,
        args: Mapping[str, object] | None = None,
    ) -> Running:
        """Like `run`, without waiting for the end."""
        return self._start(_request(code, None, env, cwd, args), timeout)

    def start_zoo(
        self,
        *words: str | Path,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        timeout: float = 60,
    ) -> Running:
        """Like `zoo`, without waiting for the end."""
        return self._start(_request(None, words, env, cwd, None), timeout)

    def _start(self, request: dict, timeout: float) -> Running:
        if not self._ready.wait(START_SECONDS) or self._zygote.poll() is not None:
            raise RuntimeError(f"The imports failed or took too long.\n{self._errors.read_text()}")
        number = next(self._numbers)
        folder = Path(self._folder.name, str(number))
        folder.mkdir()
        running = self._running[number] = Running(folder, timeout)
        paths = {"out": str(running.out_path), "err": str(running.err_path)}
        line = (
            json.dumps({"id": number, **paths, "imports": self.imports, **request}).encode() + b"\n"
        )
        assert self._zygote.stdin is not None
        with self._lock:
            self._zygote.stdin.write(line)
            self._zygote.stdin.flush()
        running.started.wait(START_SECONDS)
        return running

    def _listen(self) -> None:
        """Reads the zygote's reports until it ends."""
        assert self._zygote.stdout is not None
        for line in self._zygote.stdout:
            report = json.loads(line)
            if "pid" in report:
                self._running[report["id"]].pid = report["pid"]
                self._running[report["id"]].started.set()
            elif "returncode" in report:
                self._running.pop(report["id"]).end(report["returncode"])
            else:
                self._ready.set()
        self._zygote.wait()
        self._ready.set()


def environment(endpoint: str, home: Path) -> dict[str, str]:
    """This process's variables, with those of huggingface_hub as a user of the Hub has them."""
    ours = ("HF_", "HUGGING", "TRANSFORMERS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "3",
        "HF_HUB_ETAG_TIMEOUT": "3",
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }


def _request(
    code: str | None,
    words: tuple[str | Path, ...] | None,
    env: Mapping[str, str | None] | None,
    cwd: str | Path | None,
    args: Mapping[str, object] | None,
) -> dict:
    """What zygote.py is asked to do: code with its variables, or the words of a command line."""
    return {
        "code": code,
        "words": None if words is None else [str(word) for word in words],
        "env": dict(env or {}),
        "cwd": str(cwd or Path.cwd()),
        "args": dict(args or {}),
    }
