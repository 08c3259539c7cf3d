"""What installed packages bring to the zoo: families, datasets, published models.

What there is comes from package metadata, three groups of entry points; a package is imported when
what it brings is used, and not before. No failure of a package's reaches beyond what it brings.

    [project.entry-points."autoencoder_zoo.families"]
    vq = "acme_vq:VQVAE"                # a subclass of zoo.Autoencoder with its Spec
    [project.entry-points."autoencoder_zoo.datasets"]
    rings = "acme_vq.rings:rings"       # split -> uint8 images (N, C, H, W) or (N, H, W)
    [project.entry-points."autoencoder_zoo.registries"]
    acme = "acme_vq.registry"           # a folder of the package: index.toml, models, recipes/
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions, packages_distributions
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from zoo.errors import PluginError, did_you_mean
from zoo.registry.guards import cause

Kind = Literal["family", "dataset", "registry"]

GROUPS: dict[Kind, str] = {
    "family": "autoencoder_zoo.families",
    "dataset": "autoencoder_zoo.datasets",
    "registry": "autoencoder_zoo.registries",
}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Names of families, datasets and registries: lower-case words joined by '-'."""

_TARGET = re.compile(r"[A-Za-z_]\w*(\.\w+)*(\s*:\s*\w+(\.\w+)*)?")


@dataclass(frozen=True)
class Plugin:
    """One entry point: what a package says that it brings."""

    kind: Kind
    name: str
    target: str
    """`module:name`, or for a registry the folder as a dotted path."""
    distribution: str
    version: str
    problem: str = ""
    """Why it cannot be used, where its metadata alone show it."""

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

    def check(self) -> None:
        """Raises PluginError for what its metadata alone show to be unusable."""
        if self.problem:
            raise PluginError(f"{self} cannot be used: {self.problem}.")

    def load(self) -> Any:
        """The object that it names, its package imported. Raises PluginError for any failure."""
        self.check()
        try:
            return EntryPoint(self.name, self.target, GROUPS[self.kind]).load()
        except KeyboardInterrupt:
            raise
        except BaseException as failure:  # sys.exit too: a package takes nobody with it
            others = {"family": "families", "dataset": "datasets", "registry": "registries"}
            raise PluginError(
                f"{self} failed to load: {cause(failure)}. Other {others[self.kind]} are unaffected."
            ) from failure

    def folder(self) -> Path:
        """The folder that a registry names, its package not imported.

        Raises PluginError where there is none.
        """
        self.check()
        top, *rest = self.module.split(".")
        try:
            found = importlib.util.find_spec(top)
        except (ImportError, ValueError, AttributeError):  # what an unloaded parent may raise
            found = None
        for place in (found.submodule_search_locations or ()) if found else ():
            folder = Path(place, *rest)
            if os.path.isdir(folder):
                return folder
        raise PluginError(f"{self} cannot be used: its package has no folder {self.module!r}.")


def installed(kind: Kind) -> list[Plugin]:
    """Every plugin of a kind, by name and package. Imports none."""
    found = {
        Plugin(kind, one.name, one.value, *owner, _problem(kind, one))
        for one, owner in _entry_points()
        if one.group == GROUPS[kind]
    }
    return sorted(found, key=lambda plugin: (plugin.name, plugin.owner, plugin.target))


def misspelt_groups() -> list[str]:
    """A sentence for each group of entry points that is nearly, but not, one of the zoo's."""
    said = {
        f"{' '.join(owner)} has entry points {one.group!r}, which is no group."
        f"{did_you_mean(one.group, GROUPS.values())}"
        for one, owner in _entry_points()
        if one.group not in GROUPS.values()
    }
    return sorted(said)


def _entry_points() -> Iterator[tuple[EntryPoint, tuple[str, str]]]:
    """Entry points whose group begins as the zoo's do, each with its distribution and version."""
    seen = set()
    for distribution in distributions():
        try:
            if "autoencoder_zoo." not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name, version = distribution.metadata["Name"], distribution.version
            points = list(distribution.entry_points)
        except Exception:  # damaged metadata, of whatever package
            continue
        if canonical(name) not in seen:  # else one that stands earlier on the path shadows it
            seen.add(canonical(name))
            ours = (one for one in points if one.group.startswith("autoencoder_zoo."))
            yield from ((one, (name, version)) for one in ours)


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
    """The sentence on a name that several packages claim."""
    different = sorted(set(owners))
    if len(different) == 1:
        return f"{what.capitalize()} {name!r} stands twice in the metadata of {different[0]}."
    return (
        f"{what.capitalize()} {name!r} is provided by {' and '.join(different)}. Uninstall "
        f"{'one' if len(different) == 2 else 'all but one'}."
    )


def at_fault(traceback: TracebackType | None) -> tuple[str, list[str]]:
    """Which package's own code an exception came from, or nothing; and all packages in use."""
    modules = []
    while traceback is not None:
        modules.append(str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0])
        traceback = traceback.tb_next
    owners = packages_distributions()
    tops = {
        top: plugin.owner
        for plugin in (*installed("family"), *installed("dataset"))
        if (top := plugin.module.partition(".")[0]) in sys.modules
        and plugin.distribution in owners.get(top, [plugin.distribution])
    }
    frames = [tops[top] for top in modules if top in tops]
    return frames[-1] if frames else "", sorted(set(tops.values()))


def _problem(kind: Kind, point: EntryPoint) -> str:
    name, target = point.name, point.value
    if not NAME.fullmatch(name) or len(name) > 100:
        return f"a {kind} is named in lower-case words joined by '-', not {name[:100]!r}"
    if kind == "registry" and ":" in target:
        return f"its entry point is {target[:100]!r}; a folder is written with dots alone"
    if not _TARGET.fullmatch(target):
        return f"its entry point is {target[:100]!r}, not module:name"
    return ""
