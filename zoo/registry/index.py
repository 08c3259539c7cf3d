"""Registries: folders of published models and recipes, the zoo's own and those of installed packages.

A registry is data: `index.toml`, a folder for each model, and recipes. The zoo's own are in
`registry/` and `recipes/`, which ship inside the wheel as `zoo/_registry` and `zoo/_recipes`; a
checkout reads them in place. A package's are in one of its folders, with recipes in a subfolder
`recipes/`; its index is the root of trust for its names, as the zoo's is for the zoo's. No torch,
and no package is imported.
"""

from __future__ import annotations

import functools
import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import PluginError
from zoo.io.files import read_regular
from zoo.plugins import entry_points as plugins
from zoo.plugins.entry_points import Plugin
from zoo.plugins.guards import cause
from zoo.version import DISTRIBUTION, __version__

INDEX = "index.toml"
NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
"""Names of models and recipes: `family-dataset-latent[.tag]`."""
MOST_BYTES = 1_000_000
_FORMS = {
    "family": (str, r".{1,100}"),
    "license": (str, r".{0,200}"),
    "bytes": (int, r"\d{1,15}"),
    "parameters": (int, r"[1-9]\d{0,9}"),
    "hub": (str, r".{0,200}"),
}
"""The keys of an index line besides hashes: the type of each value and its pattern as text. Not a
Pydantic model, whose import would take longer than the rest of `zoo list`."""
CONFIG, WEIGHTS = "config.json", "model.safetensors"
HASHES, MOST_FILES = "sha256", 100
_FILE = re.compile(r"(figures/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,104}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Registry:
    """The folders of published models and their recipes."""

    owner: str
    """The distribution and its version."""
    models: Path
    """Contains the index, and a folder for each model that ships with the package."""
    recipes: Path

    @property
    def distribution(self) -> str:
        """The owner without its version."""
        return self.owner.partition(" ")[0]


@dataclass(frozen=True)
class IndexLine:
    """One model's line in a registry's index, which is the root of trust for its names."""

    name: str
    family: str
    license: str
    bytes: int
    """Size of model.safetensors."""
    parameters: int
    """Their number, so that listing builds no model."""
    sha256: Mapping[str, str] = field(hash=False)
    """Of every file in its folder, by name, including config.json and model.safetensors."""
    registry: Registry
    hub: str | None = None
    """`org/repo@commit` on the Hub, or None."""

    @property
    def folder(self) -> Path:
        """Its folder, which exists only if the model ships with its package."""
        return self.registry.models / self.name

    @property
    def config_sha256(self) -> str:
        return self.sha256[CONFIG]

    @property
    def weights_sha256(self) -> str:
        return self.sha256[WEIGHTS]


@dataclass(frozen=True)
class RegistryContents:
    """The contents of a registry."""

    registry: Registry
    models: Mapping[str, IndexLine]
    recipes: Collection[str]

    def __str__(self) -> str:
        counts = (len(self.models), "model"), (len(self.recipes), "recipe")
        return ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts)


@dataclass(frozen=True)
class Survey:
    """The contents of all registries."""

    own: RegistryContents
    of_packages: Mapping[Plugin, RegistryContents]
    """The usable registries of installed packages."""
    problems: Mapping[Plugin, str]
    """Why the others cannot be used, one sentence each."""

    @property
    def contents(self) -> list[RegistryContents]:
        """The contents of all usable registries, the zoo's own first."""
        return [self.own, *self.of_packages.values()]

    def clashes(self, plugin: Plugin) -> list[str]:
        """Names in a package's registry that others use too: the zoo's take precedence, other packages' do not."""
        here = self.of_packages[plugin]
        return [
            f"{what} {name!r} is also in "
            + ("the zoo, which has precedence" if held is self.own else held.registry.owner)
            for held in self.contents
            if held is not here
            for what, theirs, ours in (
                ("model", held.models, here.models),
                ("recipe", held.recipes, here.recipes),
            )
            for name in sorted(set(theirs) & set(ours))
        ]


def survey() -> Survey:
    """The contents of all registries; no package is imported."""
    found, problems = {}, {}
    for plugin in plugins.installed("registry"):
        try:
            folder = plugin.folder()
            found[plugin] = contents_of(Registry(plugin.owner, folder, folder / "recipes"))
        except PluginError as wrong:
            problems[plugin] = str(wrong)
    return Survey(contents_of(own_registry()), found, problems)


def contents_of(registry: Registry) -> RegistryContents:
    """The contents of a registry. Raises PluginError for an index that cannot be used."""
    stems = (path.stem for path in registry.recipes.glob("*.toml"))
    return RegistryContents(
        registry, read_index(registry), {stem for stem in stems if NAME.fullmatch(stem)}
    )


def read_index(registry: Registry) -> dict[str, IndexLine]:
    """All lines of a registry's index, by name; none if it has recipes only.

    Raises PluginError for an index that cannot be used.
    """
    path = registry.models / INDEX
    if not os.path.lexists(path):
        return {}
    what = f"The index of {registry.owner}, {str(path)!r},"
    try:
        lines = tomllib.loads(read_regular(path, MOST_BYTES, PluginError).decode("utf-8"))
    except PluginError as strange:
        raise PluginError(f"{what} cannot be used: {strange}") from None
    except (ValueError, RecursionError) as broken:
        raise PluginError(f"{what} cannot be read: {cause(broken)}.") from None
    for name, entry in lines.items():
        if problem := _problem(name, entry):
            raise PluginError(f"{what} cannot be used: {name[:100]!r} {problem}.")
    return {name: IndexLine(name=name, registry=registry, **entry) for name, entry in lines.items()}


def _problem(name: str, entry: Any) -> str:
    """The problem with a line of an index, or ""."""
    if not NAME.fullmatch(name) or len(name) > 100:
        return "is not a valid name for a model"
    if not isinstance(entry, dict):
        return "is not a table"
    keys = {*_FORMS, HASHES}
    if wrong := keys - {"hub"} - entry.keys() or entry.keys() - keys:
        known = "no" if wrong <= keys else "an unknown"
        return f"has {known} {', '.join(sorted(wrong))[:100]!r}"
    for key, (kind, form) in _FORMS.items():
        value = entry.get(key, "-")
        if type(value) is not kind or not re.fullmatch(form, str(value)):
            return f"has {key} = {repr(value)[:60]}"
    return _problem_of_hashes(entry[HASHES])


def _problem_of_hashes(entry: Any) -> str:
    """The problem with the hashes of a line of an index, or ""."""
    if not isinstance(entry, dict) or len(entry) > MOST_FILES:
        return f"has {HASHES} = {repr(entry)[:60]}"
    for name in (CONFIG, WEIGHTS):
        if name not in entry:
            return f"has no {HASHES} of {name}"
    for name, value in entry.items():
        if not _FILE.fullmatch(name):
            return f"has the {HASHES} of {name[:100]!r}, which is not a model's file"
        if not isinstance(value, str) or not _SHA256.fullmatch(value):
            return f"has {value!r:.60} as the {HASHES} of {name}"
    return ""


@functools.cache
def own_registry() -> Registry:
    """The zoo's own models and recipes: the checkout's if this is a checkout, else the packaged ones.

    An editable install leaves behind a packaged copy that goes stale: it is never preferred.
    """
    package = Path(__file__).resolve().parent.parent
    if _is_our_checkout(package.parent):
        models, recipes = package.parent / "registry", package.parent / "recipes"
    else:
        models, recipes = package / "_registry", package / "_recipes"
    return Registry(f"{DISTRIBUTION} {__version__}", models, recipes)


def _is_our_checkout(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False
    return project.get("project", {}).get("name") == DISTRIBUTION
