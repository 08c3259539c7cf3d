"""Published models and recipes, by name. The zoo's names take precedence over those of packages."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import Literal

from zoo.datasets import NAMED
from zoo.errors import PluginError, UnknownNameError, did_you_mean
from zoo.plugins import entry_points as plugins
from zoo.registry import index
from zoo.registry.index import IndexLine, Registry, RegistryContents, Survey


def list_models(pattern: str = "*") -> list[str]:
    """Names of all published models, sorted. Reads only the indexes; imports no package."""
    names = {name for held in index.survey().contents for name in held.models}
    return sorted(fnmatch.filter(names, pattern))


def list_recipes(pattern: str = "*") -> list[str]:
    """Names of all recipes of the zoo and of installed packages, sorted."""
    names = {name for held in index.survey().contents for name in held.recipes}
    return sorted(fnmatch.filter(names, pattern))


def line(name: str) -> IndexLine:
    """The index line of a published model.

    Raises UnknownNameError if there is none, PluginError if several packages have that name.
    """
    if holder := _holder("model", name):
        return holder.models[name]
    names = list_models()
    if "/" in name:
        raise UnknownNameError(
            f"{name!r} is not the name of a published model: `zoo list` shows all {len(names)}. Use "
            "`zoo eval` for a folder or a repo on the Hub.",
            name=name,
            known=names,
        )
    hint = what_it_is(name) or did_you_mean(name, names)
    raise UnknownNameError(
        f"No model named {name!r}.{hint} `zoo list` shows all {len(names)}. {_folder(name)}",
        name=name,
        known=names,
    )


def _folder(name: str) -> str:
    if os.path.isdir(name):
        return f"There is a folder of that name here: it is written ./{name}."
    return f"(A folder is written ./{name}.)"


def what_it_is(name: str) -> str:
    """A sentence if the name is a recipe, a dataset or a file instead of a model; else ""."""
    if name in list_recipes():
        return f" It is a recipe: zoo train {name}."
    if name in NAMED:
        return f" It is a dataset: `zoo list '*{name}*'` lists models of it."
    if name.endswith(".toml"):
        return " Run a recipe file with `zoo train`, a sweep file with `zoo sweep`."
    return ""


def lines(found: Survey, pattern: str = "*") -> list[IndexLine]:
    """The index lines of all models, by name; the zoo's takes precedence over packages'."""
    theirs = [line for held in found.of_packages.values() for line in held.models.values()]
    lines = [*found.own.models.values(), *(x for x in theirs if x.name not in found.own.models)]
    return sorted((x for x in lines if fnmatch.fnmatch(x.name, pattern)), key=lambda x: x.name)


def known(name: str | None) -> IndexLine | None:
    """The index line of a name, or None if no package, or more than one, has it."""
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
    holder = _holder("recipe", name)
    return holder.registry if holder else None


def _holder(what: Literal["model", "recipe"], name: str) -> RegistryContents | None:
    """The one registry with a model or recipe of that name, or None. Raises PluginError."""

    def has(contents: RegistryContents) -> bool:
        return name in (contents.models if what == "model" else contents.recipes)

    own = index.contents_of(index.own_registry())
    if has(own):  # the zoo's own names do not depend on packages
        return own
    holders = [contents for contents in index.survey().contents if has(contents)]
    if len(holders) > 1:
        raise PluginError(plugins.claimed_by(what, name, [h.registry.owner for h in holders]))
    return holders[0] if holders else None
