"""Whether the plugins that are installed work: each tried in a process apart.

Whatever a package does when it is imported, to its process, to its output or for how long, the one
that asks goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

from zoo.errors import PluginError
from zoo.registry import families, index, plugins
from zoo.registry.plugins import Plugin

SECONDS = 60.0
"""How long one package may take to be imported; torch before the first."""


@dataclass(frozen=True)
class Tried:
    """A plugin, and what is wrong with it."""

    plugin: Plugin
    problem: str = ""
    """A sentence; empty if it is ready."""
    note: str = ""
    """What else there is to know: what a registry holds, which of its names others win."""

    @property
    def state(self) -> str:
        """In a word."""
        return "broken" if self.problem else "ready"


def try_plugins() -> list[Tried]:
    """Every installed plugin, tried. Nothing of theirs is imported into this process."""
    found = [plugin for kind in plugins.GROUPS for plugin in plugins.installed(kind)]
    known = {plugin: _known(plugin, found) for plugin in found}
    answers = dict(_answers([p for p in found if p.kind != "registry" and not known[p]]))
    everything = index.survey()
    return [
        _tried_registry(plugin, everything)
        if plugin.kind == "registry" and not known[plugin]
        else Tried(plugin, known[plugin] or answers[plugin])
        for plugin in found
    ]


def _known(plugin: Plugin, found: Sequence[Plugin]) -> str:
    """What is wrong with a plugin by its metadata alone, or nothing."""
    from zoo.data import plugins as datasets

    said = families.problem(plugin) if plugin.kind == "family" else plugin.problem
    said = datasets.problem(plugin) if plugin.kind == "dataset" else said
    if said:
        return f"{plugin} cannot be used: {said}."
    owners = [p.owner for p in found if (p.kind, p.name) == (plugin.kind, plugin.name)]
    if plugin.kind != "registry" and len(owners) > 1:
        return plugins.claimed_by(plugin.kind, plugin.name, owners)
    return ""


def _tried_registry(plugin: Plugin, everything: list[index.RegistryContents]) -> Tried:
    try:
        held = index.contents_of(index.registry_of(plugin))
    except PluginError as wrong:
        return Tried(plugin, str(wrong))
    return Tried(plugin, note="; ".join([str(held), *index.clashes(held, everything)]))


def _answers(waiting: list[Plugin]) -> Iterator[tuple[Plugin, str]]:
    """What a process apart says of each; a new one goes on where one ended or did not answer."""
    while waiting:
        with _child(waiting) as (child, lines):
            said: dict[str, str] | str = {}
            while waiting and isinstance(said, dict):
                plugin, *waiting = waiting
                said = _next(child, lines)
                if isinstance(said, str):
                    yield plugin, f"{plugin} failed to load: {said}."
                else:
                    yield plugin, said["problem"]


def _next(child: subprocess.Popen[str], lines: queue.Queue[str]) -> dict[str, str] | str:
    """The process's next answer, or why there is none."""
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up:
        ended = child.poll() is not None
        with contextlib.suppress(queue.Empty):
            return json.loads(lines.get(timeout=0.2))
        if ended:
            return "the process ended while it was imported"
    return f"it is still being imported after {SECONDS:.0f} s"


@contextlib.contextmanager
def _child(waiting: Sequence[Plugin]) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[str]]]:
    """A process that tries plugins in turn, and its answers, a line for each."""
    path = os.pathsep.join(os.path.abspath(place) for place in sys.path)
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "zoo.testing.probe"],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    lines: queue.Queue[str] = queue.Queue()

    def listen(stream: TextIO) -> None:  # what a package started may keep the stream open for ever
        for line in stream:
            lines.put(line)

    threading.Thread(target=listen, args=(child.stdout,), daemon=True).start()
    try:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps([asdict(plugin) for plugin in waiting]))
            child.stdin.close()
        yield child, lines
    finally:
        with contextlib.suppress(ProcessLookupError, AttributeError):  # no groups on Windows
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.wait()


def main() -> None:
    """The process apart: reads plugins, says of each what is wrong, as a line of JSON."""
    from zoo.data import plugins as datasets

    own_pid = os.getpid()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_RDWR)
    waiting = [Plugin(**fields) for fields in json.load(sys.stdin)]
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    for plugin in waiting:
        load = families.load if plugin.kind == "family" else datasets.load
        try:
            load(plugin)
            problem = ""
        except PluginError as wrong:
            problem = str(wrong)
        if os.getpid() != own_pid:
            os._exit(0)  # a copy that a package made of this process
        answers.write(json.dumps({"problem": problem}) + "\n")
        answers.flush()
    os._exit(0)  # whatever threads a package left running


if __name__ == "__main__":
    main()
