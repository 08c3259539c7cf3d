"""Whether the plugins that are installed work: each tried in a process apart.

Whatever a package does when it is imported, to its process, to its output or for how long, the one
that asks goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from zoo import families, plugins, published
from zoo.errors import PluginError
from zoo.plugins import Plugin

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
    return [
        _tried_registry(plugin)
        if plugin.kind == "registry" and not known[plugin]
        else Tried(plugin, known[plugin] or answers[plugin])
        for plugin in found
    ]


def _known(plugin: Plugin, found: Sequence[Plugin]) -> str:
    """What is wrong with a plugin by its metadata alone, or nothing."""
    from zoo.data import plugged

    said = families.problem(plugin) if plugin.kind == "family" else plugin.problem
    said = plugged.problem(plugin) if plugin.kind == "dataset" else said
    if said:
        return f"{plugin} cannot be used: {said}."
    owners = [p.owner for p in found if (p.kind, p.name) == (plugin.kind, plugin.name)]
    if plugin.kind != "registry" and len(owners) > 1:
        return plugins.claimed_by(plugin.kind, plugin.name, owners)
    return ""


def _tried_registry(plugin: Plugin) -> Tried:
    try:
        registry = published.registry_of(plugin)
        held = published.contents(registry)
    except PluginError as wrong:
        return Tried(plugin, str(wrong))
    return Tried(plugin, note="; ".join([held, *published.clashes(registry)]))


def _answers(waiting: list[Plugin]) -> Iterator[tuple[Plugin, str]]:
    """What a process apart says of each; a new one goes on where one ended or did not answer."""
    while waiting:
        with _child(waiting) as lines:
            while waiting:
                try:
                    line = lines.get(timeout=SECONDS)
                except queue.Empty:
                    line, ending = None, f"it is still being imported after {SECONDS:.0f} s"
                else:
                    ending = "the process ended while it was imported"
                plugin, *waiting = waiting
                if line is None:
                    yield plugin, f"{plugin} failed to load: {ending}."
                    break
                yield plugin, json.loads(line)


@contextlib.contextmanager
def _child(waiting: Sequence[Plugin]) -> Iterator[queue.Queue[str | None]]:
    """A process that tries plugins in turn; a line for each, then None."""
    path = os.pathsep.join(os.path.abspath(place) for place in sys.path)
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "zoo.probe"],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    assert child.stdin is not None
    assert child.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()

    def listen(stream=child.stdout) -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps([asdict(plugin) for plugin in waiting]))
            child.stdin.close()
        yield lines
    finally:
        child.kill()
        child.wait()
        listener.join(timeout=1)
        child.stdout.close()


def main() -> None:
    """The process apart: reads plugins, says of each what is wrong, as a line of JSON."""
    from zoo.data import plugged

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_RDWR)
    waiting = [Plugin(**fields) for fields in json.load(sys.stdin)]
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    for plugin in waiting:
        load = families.load if plugin.kind == "family" else plugged.load
        try:
            load(plugin)
            problem = ""
        except PluginError as wrong:
            problem = str(wrong)
        answers.write(json.dumps(problem) + "\n")
        answers.flush()
    os._exit(0)  # whatever threads a package left running


if __name__ == "__main__":
    main()
