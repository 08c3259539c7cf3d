"""Published models and recipes, by name: the zoo's own, and those that installed packages bring.

A registry is data: `index.toml`, a folder for each model, and recipes. The zoo's own lie in
`registry/` and `recipes/`, which ship inside the wheel as `zoo/_registry` and `zoo/_recipes`; a
checkout reads them where they stand. A package's lie in one folder of its own, recipes in
`recipes/` below it; its index is the root of trust for its names as ours is for ours. Our names win
a clash. No torch here, and no package is imported.
"""

from __future__ import annotations

import fnmatch
import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from zoo import plugins
from zoo.errors import PluginError, UnknownNameError, did_you_mean
from zoo.plugins import Plugin
from zoo.version import DISTRIBUTION, __version__

INDEX = "index.toml"
NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
"""Names of models and recipes: `family-dataset-latent[.tag]`."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Registry:
    """Where published models and their recipes lie."""

    owner: str
    """The distribution and its version."""
    models: Path
    """Holds the index, and a folder for each model that ships with the package."""
    recipes: Path

    @property
    def distribution(self) -> str:
        """The owner without its version."""
        return self.owner.partition(" ")[0]


@dataclass(frozen=True)
class IndexLine:
    """What a registry's index, the root of trust for its names, says of one model."""

    name: str
    family: str
    licence: str
    bytes: int
    """Size of model.safetensors."""
    config_sha256: str
    weights_sha256: str
    registry: Registry
    hub: str | None = None
    """`org/repo@commit` on the Hub, or None."""

    @property
    def folder(self) -> Path:
        """Where its folder is, or would be if it shipped with its package."""
        return self.registry.models / self.name


def list_models(pattern: str = "*") -> list[str]:
    """Names of every published model, sorted. Reads the indexes, opens no folder, imports nothing."""
    names = {*index(own_registry()), *(name for r in _foreign() for name in _index_or_none(r))}
    return sorted(fnmatch.filter(names, pattern))


def list_recipes() -> list[str]:
    """Names of every recipe that ships with the zoo or with an installed package, sorted."""
    return sorted(
        {name for registry in (own_registry(), *_foreign()) for name in _recipes(registry)}
    )


def line(name: str) -> IndexLine:
    """The index line of a published model.

    Raises UnknownNameError if there is none, PluginError if several packages have that name.
    """
    own = index(own_registry())
    if name in own:
        return own[name]
    claims = [lines[name] for r in _foreign() if name in (lines := _index_or_none(r))]
    if len(claims) > 1:
        owners = [claim.registry.owner for claim in claims]
        raise PluginError(plugins.claimed_by("model", name, owners))
    if not claims:
        names = list_models()
        raise UnknownNameError(
            f"No model named {name!r}.{did_you_mean(name, names)} `zoo list` shows all "
            f"{len(names)}. (A folder is written ./{name}.)"
        )
    return claims[0]


def known(name: str | None) -> IndexLine | None:
    """The index line of a name, or None where no single package has it."""
    try:
        return line(name) if name else None
    except (UnknownNameError, PluginError):
        return None


def recipe_path(name: str) -> Path | None:
    """The file of a published recipe, or None. Raises PluginError if several packages have it."""
    registry = registry_with(name)
    return registry.recipes / f"{name}.toml" if registry else None


def registry_with(name: str) -> Registry | None:
    """The registry with a recipe of that name, or None. Raises PluginError if several have it."""
    if name in _recipes(own_registry()):
        return own_registry()
    having = [registry for registry in _foreign() if name in _recipes(registry)]
    if len(having) > 1:
        raise PluginError(plugins.claimed_by("recipe", name, [r.owner for r in having]))
    return having[0] if having else None


def contents(registry: Registry) -> str:
    """What a registry holds, in words. Raises PluginError for an index that cannot be read."""
    models, recipes = len(index(registry)), len(_recipes(registry))
    return (
        f"{models} model{'' if models == 1 else 's'}, {recipes} recipe{'' if recipes == 1 else 's'}"
    )


def notes() -> list[str]:
    """What is wrong with the registries of installed packages, a sentence each."""
    said = []
    for plugin in plugins.installed("registry"):
        try:
            registry = registry_of(plugin)
            index(registry)
            said += [f"{plugin}: {clash}." for clash in clashes(registry)]
        except PluginError as wrong:
            said.append(str(wrong))
    return said


def registry_of(plugin: Plugin) -> Registry:
    """The registry that a package brings. Raises PluginError where its folder is not there."""
    folder = plugin.folder()
    return Registry(plugin.owner, folder, folder / "recipes")


def clashes(registry: Registry) -> list[str]:
    """Names of a package's registry that others have too: ours win, other packages' do not."""
    own = own_registry()
    others = [r for r in _foreign() if r != registry]
    found = []
    for what, names_in in (("model", _index_or_none), ("recipe", _recipes)):
        for name in sorted(names_in(registry)):
            if name in names_in(own):
                found.append(f"{what} {name!r} is the zoo's own here")
            elif owners := [r.owner for r in others if name in names_in(r)]:
                found.append(f"{what} {name!r} is {' and '.join(owners)}'s too")
    return found


def index(registry: Registry) -> dict[str, IndexLine]:
    """Every line of a registry's index, by name. Raises PluginError if it cannot be read."""
    return _read_index(registry, _stamp(registry.models / INDEX))


@functools.cache
def own_registry() -> Registry:
    """The zoo's own models and recipes: the checkout's if this is our checkout, else the packed ones.

    An editable install leaves a packed copy behind that grows stale: it is never preferred.
    """
    package = Path(__file__).resolve().parent
    if _is_our_checkout(package.parent):
        models, recipes = package.parent / "registry", package.parent / "recipes"
    else:
        models, recipes = package / "_registry", package / "_recipes"
    return Registry(f"{DISTRIBUTION} {__version__}", models, recipes)


def _foreign() -> list[Registry]:
    """The registries of installed packages whose folders are there."""
    found = []
    for plugin in plugins.installed("registry"):
        try:
            found.append(registry_of(plugin))
        except PluginError:
            continue  # `zoo plugins` says why
    return found


def _index_or_none(registry: Registry) -> Mapping[str, IndexLine]:
    """A registry's index; an empty one if it is damaged, as `zoo plugins` says."""
    try:
        return index(registry)
    except PluginError:
        return {}


def _recipes(registry: Registry) -> set[str]:
    stems = (path.stem for path in registry.recipes.glob("*.toml"))
    return {stem for stem in stems if NAME.fullmatch(stem)}


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does: its size and the time of its last change."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=256)
def _read_index(registry: Registry, stamp: tuple[int, int]) -> dict[str, IndexLine]:
    if stamp == (0, 0):
        return {}  # recipes alone
    path = registry.models / INDEX
    what = f"The index of {registry.owner}, {str(path)!r},"
    try:
        if stamp[0] > MOST_BYTES:
            raise ValueError(f"it has {stamp[0]:,} bytes")
        lines = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as broken:
        raise PluginError(f"{what} cannot be read: {plugins.cause(broken)}.") from None
    for name, said in lines.items():
        if problem := _problem(name, said):
            raise PluginError(f"{what} cannot be used: {name[:100]!r} {problem}.")
    return {name: IndexLine(name=name, registry=registry, **said) for name, said in lines.items()}


def _problem(name: str, said: Any) -> str:
    """What is wrong with a line of an index, or nothing."""
    if not NAME.fullmatch(name) or len(name) > 100 or name == "recipes":
        return "is no model's name"
    if not isinstance(said, dict):
        return "is no table"
    given = {field.name for field in fields(IndexLine)} - {"name", "registry"}
    if wrong := (given - {"hub"}) - said.keys() or said.keys() - given:
        return f"has {'no' if wrong <= given else 'a strange'} {', '.join(sorted(wrong))[:100]!r}"
    for key in ("config_sha256", "weights_sha256"):
        if not (isinstance(said[key], str) and _SHA256.fullmatch(said[key])):
            return f"has a {key} that is none"
    texts = [said[key] for key in given - {"bytes"} if key in said]
    if not all(isinstance(text, str) for text in texts) or type(said["bytes"]) is not int:
        return "has a value of the wrong type"
    return ""


@functools.cache
def _is_our_checkout(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False
    return project.get("project", {}).get("name") == DISTRIBUTION
