"""Whether the installed plugins work: they are imported in another process, never in this one.

Whatever a package does to its process, or for how long, the one that asks goes on.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.errors import PluginError
from zoo.plugins import entry_points as plugins
from zoo.plugins.entry_points import Kind, Plugin
from zoo.registry import families, index

SECONDS = 60.0
"""How long one package may take to be imported; torch before the first."""


@dataclass(frozen=True)
class PluginStatus:
    """A plugin, and what is wrong with it."""

    plugin: Plugin
    problem: str = ""
    """A sentence; empty if it is ready."""
    state: Literal["ready", "broken"] = "ready"
    note: str = ""
    """What else there is to know: what a registry holds, which of its names others win."""


def try_plugins(seconds: float = SECONDS) -> list[PluginStatus]:
    """Every installed plugin, tried. Nothing of theirs is imported into this process."""
    found = [plugin for kind in plugins.GROUPS for plugin in plugins.installed(kind)]
    problems = {plugin: _known_problem(plugin, found) for plugin in found}
    problems |= _tried([p for p in found if p.kind != "registry" and not problems[p]], seconds)
    registries = index.survey()
    problems |= registries.problems
    notes = {
        plugin: "; ".join([str(held), *registries.clashes(plugin)])
        for plugin, held in registries.of_packages.items()
    }
    return [_status(plugin, problems[plugin], notes.get(plugin, "")) for plugin in found]


def _status(plugin: Plugin, problem: str, note: str) -> PluginStatus:
    if not problem:
        return PluginStatus(plugin, note=note)
    return PluginStatus(plugin, problem, "broken", note)


def _known_problem(plugin: Plugin, found: Sequence[Plugin]) -> str:
    """What is wrong with a plugin by its metadata alone, or nothing."""
    if plugin.problem:
        return f"{plugin} cannot be used: {plugin.problem}."
    owners = [p.owner for p in found if (p.kind, p.name) == (plugin.kind, plugin.name)]
    if plugin.kind != "registry" and len(owners) > 1:
        return plugins.claimed_by(plugin.kind, plugin.name, owners)
    return ""


def _tried(waiting: Sequence[Plugin], seconds: float) -> dict[Plugin, str]:
    """What is wrong with each once it is imported; after one that ends its process, a new one goes on."""
    problems: dict[Plugin, str] = {}
    path = os.pathsep.join(os.path.abspath(place) for place in sys.path)
    with tempfile.TemporaryDirectory(prefix="zoo-plugins-") as folder:
        while left := [plugin for plugin in waiting if plugin not in problems]:
            answers = Path(folder, f"{len(problems)}.txt")
            answers.touch()
            words = [str(answers), str(seconds), *map(_word, left)]
            subprocess.run(
                [sys.executable, "-P", "-m", "zoo.cli.probe", *words],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            problems |= dict(zip(left, answers.read_text("utf-8").splitlines(), strict=False))
            if culprit := next((plugin for plugin in left if plugin not in problems), None):
                problems[culprit] = (
                    f"{culprit} failed to load: its process ended, or took more than {seconds:.0f} s."
                )
    return problems


def _word(plugin: Plugin) -> str:
    return f"{plugin.kind}:{plugin.name}"


def main() -> None:
    """The process that imports: of each plugin, a line with what is wrong, or an empty one."""
    from zoo.data.sources import packages as datasets
    from zoo.detection.scores import SCORES
    from zoo.likelihoods.registry import LIKELIHOODS

    answers, seconds, *waiting = sys.argv[1:]
    load: dict[Kind, Callable[[Plugin], object]] = {
        "family": families.load,
        "likelihood": LIKELIHOODS.load,
        "score": SCORES.load,
        "dataset": datasets.load,
    }
    found = {_word(plugin): plugin for kind in load for plugin in plugins.installed(kind)}
    for plugin in map(found.__getitem__, waiting):
        problem = ""
        faulthandler.dump_traceback_later(float(seconds), exit=True)
        try:
            load[plugin.kind](plugin)
        except PluginError as wrong:
            problem = " ".join(str(wrong).splitlines())
        with open(answers, "a", encoding="utf-8") as file:
            file.write(f"{problem}\n")
    os._exit(0)  # whatever threads a package left running


if __name__ == "__main__":
    main()
