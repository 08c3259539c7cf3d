"""Whether the plugins that are installed work: each tried in a process apart.

Whatever a package does when it is imported, to its process, to its output or for how long, the one
that asks goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.data import plugins as datasets
from zoo.errors import PluginError
from zoo.registry import families, index, plugins
from zoo.registry.plugins import Plugin

SECONDS = 60.0
"""How long the packages may take to be imported, torch among them, before the slow one is given up."""


@dataclass(frozen=True)
class PluginStatus:
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


def try_plugins() -> list[PluginStatus]:
    """Every installed plugin, tried. Nothing of theirs is imported into this process."""
    found = [plugin for kind in plugins.GROUPS for plugin in plugins.installed(kind)]
    problems = {plugin: _known(plugin, found) for plugin in found}
    waiting = [p for p in found if p.kind != "registry" and not problems[p]]
    while waiting:
        said, why = _try(waiting)
        for plugin, problem in zip(waiting, said, strict=False):
            problems[plugin] = problem
        waiting = waiting[len(said) :]
        if waiting:  # the process ended at this one
            problems[waiting[0]] = f"{waiting[0]} failed to load: {why}."
            waiting = waiting[1:]
    everything = index.survey()
    return [
        _registry(plugin, everything)
        if plugin.kind == "registry" and not problems[plugin]
        else PluginStatus(plugin, problems[plugin])
        for plugin in found
    ]


def _known(plugin: Plugin, found: Sequence[Plugin]) -> str:
    """What is wrong with a plugin by its metadata alone, or nothing."""
    of_kind = {"family": families.problem, "dataset": datasets.problem}
    said = of_kind[plugin.kind](plugin) if plugin.kind in of_kind else plugin.problem
    if said:
        return f"{plugin} cannot be used: {said}."
    owners = [p.owner for p in found if (p.kind, p.name) == (plugin.kind, plugin.name)]
    if plugin.kind != "registry" and len(owners) > 1:
        return plugins.claimed_by(plugin.kind, plugin.name, owners)
    return ""


def _registry(plugin: Plugin, everything: list[index.RegistryContents]) -> PluginStatus:
    try:
        held = index.contents_of(index.registry_of(plugin))
    except PluginError as wrong:
        return PluginStatus(plugin, str(wrong))
    return PluginStatus(plugin, note="; ".join([str(held), *index.clashes(held, everything)]))


def _try(waiting: Sequence[Plugin]) -> tuple[list[str], str]:
    """What a process apart says of each in turn, as far as it comes, and why it came no further."""
    with tempfile.TemporaryDirectory(prefix="zoo-plugins-") as folder:
        asked, answers = Path(folder, "asked"), Path(folder, "answers")
        asked.write_text(json.dumps([asdict(plugin) for plugin in waiting]), encoding="utf-8")
        answers.touch()
        path = os.pathsep.join(os.path.abspath(place) for place in sys.path)
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "zoo.testing.probe", str(asked), str(answers)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        why = "the process ended while it was imported"
        try:
            child.wait(SECONDS)
        except subprocess.TimeoutExpired:
            why = f"it is still being imported after {SECONDS:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError, AttributeError):  # no groups on Windows
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
            child.wait()
        return [json.loads(line) for line in answers.read_text("utf-8").splitlines()], why


def main(asked: str, answers: str) -> None:
    """The process apart: says of each plugin what is wrong, as a line of JSON."""
    own_pid = os.getpid()
    waiting = [Plugin(**fields) for fields in json.loads(Path(asked).read_text("utf-8"))]
    for plugin in waiting:
        load = families.load if plugin.kind == "family" else datasets.load
        try:
            load(plugin)
            problem = ""
        except PluginError as wrong:
            problem = str(wrong)
        if os.getpid() != own_pid:
            os._exit(0)  # a copy that a package made of this process
        with open(answers, "a", encoding="utf-8") as file:
            file.write(json.dumps(problem) + "\n")
    os._exit(0)  # whatever threads a package left running


if __name__ == "__main__":
    main(*sys.argv[1:])
