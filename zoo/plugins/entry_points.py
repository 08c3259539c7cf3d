"""Plugins of installed packages: families, likelihoods, scores, datasets, registries of published models.

Packages declare them in their metadata, in five groups of entry points; a package is imported only
when one of its plugins is used. A package that fails affects only its own plugins.

    [project.entry-points."autoencoder_zoo.families"]
    vq = "acme_vq:VQVAE"                # a subclass of zoo.Autoencoder with its Spec
    [project.entry-points."autoencoder_zoo.likelihoods"]
    laplace = "acme_vq:Laplace"         # a subclass of zoo.Likelihood of that kind
    [project.entry-points."autoencoder_zoo.scores"]
    code-norm = "acme_vq:CodeNorm"      # a subclass of zoo.Score of that kind
    [project.entry-points."autoencoder_zoo.datasets"]
    rings = "acme_vq.rings:rings"       # split -> an array, as zoo.data.values says
    [project.entry-points."autoencoder_zoo.registries"]
    acme = "acme_vq.registry"           # a folder of the package: index.toml, models, recipes/
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Any, Literal

from zoo.datasets import NAMED
from zoo.errors import PluginError, did_you_mean
from zoo.plugins.guards import cause

Kind = Literal["family", "likelihood", "score", "dataset", "registry"]

GROUPS: dict[Kind, str] = {
    "family": "autoencoder_zoo.families",
    "likelihood": "autoencoder_zoo.likelihoods",
    "score": "autoencoder_zoo.scores",
    "dataset": "autoencoder_zoo.datasets",
    "registry": "autoencoder_zoo.registries",
}
_reserved: dict[Kind, set[str]] = {kind: set() for kind in GROUPS}
_reserved["dataset"].update(NAMED)
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Names of families, likelihoods, datasets and registries: lower-case words joined by '-'."""


@dataclass(frozen=True)
class Plugin:
    """One entry point of a package."""

    kind: Kind
    name: str
    target: str
    """`module:name`, or for a registry the folder as a dotted path."""
    distribution: str
    version: str
    problem: str = ""
    """Why it cannot be used, by its metadata alone; empty if it can."""

    @property
    def owner(self) -> str:
        """The package and its version: `acme-vq 0.3`."""
        return f"{self.distribution} {self.version}"

    def __str__(self) -> str:
        return f"Plugin {self.name!r} of {self.owner}"

    @property
    def module(self) -> str:
        """The module that it is imported from."""
        return self.target.partition(":")[0].strip()

    def load(self) -> Any:
        """Imports the package and returns the object. Raises PluginError for any failure."""
        self._check_metadata()
        try:
            return EntryPoint(self.name, self.target, GROUPS[self.kind]).load()
        except KeyboardInterrupt:
            raise
        except BaseException as failure:  # sys.exit too: it must not end the user's program
            others = GROUPS[self.kind].partition(".")[2]
            raise PluginError(
                f"{self} failed to load: {cause(failure)}. Other {others} are unaffected."
            ) from failure

    def folder(self) -> Path:
        """A registry's folder, found without importing its package.

        Raises PluginError if it does not exist.
        """
        self._check_metadata()
        top, *rest = self.module.split(".")
        try:
            found = importlib.util.find_spec(top)
        except ValueError:  # a module created at runtime has no spec
            found = None
        for place in (found.submodule_search_locations or ()) if found else ():
            folder = Path(place, *rest)
            if os.path.isdir(folder):
                return folder
        raise PluginError(f"{self} cannot be used: its package has no folder {self.module!r}.")

    def _check_metadata(self) -> None:
        if self.problem:
            raise PluginError(f"{self} cannot be used: {self.problem}.")


def reserve(kind: Kind, names: Iterable[str]) -> None:
    """Reserves the zoo's own names; called by the module that defines them, on import."""
    _reserved[kind].update(names)


def installed(kind: Kind) -> list[Plugin]:
    """All plugins of a kind, sorted by name and package. Imports none."""
    found = {
        Plugin(kind, point.name, point.value, *owner, _problem(kind, point.name))
        for point, owner in _entry_points()
        if point.group == GROUPS[kind]
    }
    return sorted(found, key=lambda plugin: (plugin.name, plugin.owner, plugin.target))


def misspelled_groups() -> list[str]:
    """A sentence for each unknown group of entry points `autoencoder_zoo.*`."""
    misspelled = {
        f"{' '.join(owner)} has entry points in {point.group!r}, which the zoo does not read."
        f"{did_you_mean(point.group, GROUPS.values())}"
        for point, owner in _entry_points()
        if point.group not in GROUPS.values()
    }
    return sorted(misspelled)


def canonical(distribution: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def named(kind: Kind, name: str) -> Plugin | None:
    """The one plugin of that name, or None. Raises PluginError if several packages claim it."""
    claims = [plugin for plugin in installed(kind) if plugin.name == name]
    if len(claims) > 1:
        raise PluginError(claimed_by(kind, name, [plugin.owner for plugin in claims]))
    return claims[0] if claims else None


def claimed_by(what: str, name: str, owners: Iterable[str]) -> str:
    """The message for a name that several packages claim."""
    different = sorted(set(owners))
    return (
        f"{what.capitalize()} {name!r} is provided by {' and '.join(different)}. Uninstall "
        f"{'one' if len(different) == 2 else 'all but one'}."
    )


def at_fault(failure: BaseException) -> str:
    """The package and version whose code raised an exception; "" for the zoo's own code."""
    owners = {
        top: plugin.owner
        for plugin in (
            plugin for kind in GROUPS if kind != "registry" for plugin in installed(kind)
        )
        if (top := plugin.module.partition(".")[0]) in sys.modules and top != "zoo"
    }
    frames = [frame for frame, _ in traceback.walk_tb(failure.__traceback__)]
    modules = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame in frames]
    return next((owners[module] for module in reversed(modules) if module in owners), "")


def _entry_points() -> Iterator[tuple[EntryPoint, tuple[str, str]]]:
    """Entry points in groups `autoencoder_zoo.*`, each with its package and version.

    If a package is on the path twice, the first counts: it is the one that would be imported.
    Packages whose metadata cannot be read are skipped.
    """
    seen = set()
    for distribution in distributions():
        with contextlib.suppress(Exception):
            points = [
                p for p in distribution.entry_points if p.group.startswith("autoencoder_zoo.")
            ]
            if points and canonical(distribution.name) not in seen:
                seen.add(canonical(distribution.name))
                owner = distribution.name, distribution.version or "unknown"
                yield from [(point, owner) for point in points]


def _problem(kind: Kind, name: str) -> str:
    if name in _reserved[kind]:
        return f"{name!r} is the zoo's own {kind}"
    if not NAME.fullmatch(name) or len(name) > 100:
        return f"a {kind}'s name is lower-case words joined by '-'; got {name[:100]!r}"
    return ""
