"""Published models and recipes, by name. Our names win a clash with those of installed packages."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Literal

from zoo.datasets import NAMED
from zoo.errors import PluginError, UnknownNameError, did_you_mean
from zoo.plugins import entry_points as plugins
from zoo.registry import index
from zoo.registry.index import IndexLine, Registry, RegistryContents, Survey


def list_models(pattern: str = "*") -> list[str]:
    """Names of every published model, sorted. Reads the indexes, opens no folder, imports nothing."""
    names = {name for held in index.survey().contents for name in held.models}
    return sorted(fnmatch.filter(names, pattern))


def list_recipes(pattern: str = "*") -> list[str]:
    """Names of every recipe that ships with the zoo or with an installed package, sorted."""
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
            f"{name!r} is not the name of a published model: `zoo list` shows all {len(names)}. A "
            "folder or a repo on the Hub is measured by `zoo eval`.",
            name=name,
            known=names,
        )
    hint = what_it_is(name) or did_you_mean(name, names)
    raise UnknownNameError(
        f"No model named {name!r}.{hint} `zoo list` shows all {len(names)}. (A folder is "
        f"written ./{name}.)",
        name=name,
        known=names,
    )


def what_it_is(name: str) -> str:
    """What a name that is no model's is, as a sentence; else nothing."""
    if name in list_recipes():
        return f" It is a recipe: zoo train {name}."
    if name in NAMED:
        return f" It is a dataset: `zoo list '*{name}*'` lists models of it."
    if name.endswith(".toml"):
        return " A recipe's file goes to `zoo train`, a sweep's to `zoo sweep`."
    return ""


def lines(found: Survey, pattern: str = "*") -> list[IndexLine]:
    """The index lines of all models, by name: of a name that packages share with the zoo, the zoo's."""
    theirs = [line for held in found.of_packages.values() for line in held.models.values()]
    lines = [*found.own.models.values(), *(x for x in theirs if x.name not in found.own.models)]
    return sorted((x for x in lines if fnmatch.fnmatch(x.name, pattern)), key=lambda x: x.name)


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
    holder = _holder("recipe", name)
    return holder.registry if holder else None


def _holder(what: Literal["model", "recipe"], name: str) -> RegistryContents | None:
    """The one registry with a model or recipe of that name, or None. Raises PluginError."""

    def has(contents: RegistryContents) -> bool:
        return name in (contents.models if what == "model" else contents.recipes)

    own = index.contents_of(index.own_registry())
    if has(own):  # no package is looked at for the sake of a name of ours
        return own
    holders = [contents for contents in index.survey().contents if has(contents)]
    if len(holders) > 1:
        raise PluginError(plugins.claimed_by(what, name, [h.registry.owner for h in holders]))
    return holders[0] if holders else None
