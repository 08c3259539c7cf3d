"""Family name -> class: built in, registered in this process, or from an installed package."""

from __future__ import annotations

import fnmatch
import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from zoo import plugins, specs
from zoo.errors import InputError, PluginError, UnknownNameError, did_you_mean
from zoo.guards import blamed
from zoo.plugins import NAME, Plugin
from zoo.validation import checked
from zoo.version import DISTRIBUTION, __version__

if TYPE_CHECKING:
    from zoo.models import Autoencoder


@dataclass(frozen=True)
class BuiltIn:
    """A family of the zoo's own: its Spec without torch, its class by name."""

    spec: type[specs.Spec]
    class_name: str
    summary: str


BUILT_IN = {
    "ae": BuiltIn(specs.AESpec, "AE", "autoencoder"),
    "vae": BuiltIn(specs.VAESpec, "VAE", "variational autoencoder"),
    "conv-ae": BuiltIn(specs.ConvAESpec, "ConvAE", "autoencoder, convolutional by default"),
    "conv-vae": BuiltIn(specs.ConvVAESpec, "ConvVAE", "variational, convolutional by default"),
    "beta-vae": BuiltIn(specs.BetaVAESpec, "BetaVAE", "variational, with the KL term weighed"),
}

_registered: dict[str, type[Autoencoder]] = {}

ModelClass = TypeVar("ModelClass", bound="type[Autoencoder]")


def list_families(pattern: str = "*") -> list[str]:
    """Names of every family that can be built here, sorted. Imports no plugin."""
    from_plugins = (plugin.name for plugin in plugins.installed("family") if not problem(plugin))
    return sorted(fnmatch.filter({*BUILT_IN, *_registered, *from_plugins}, pattern))


def problem(plugin: Plugin) -> str:
    """Why a family's plugin cannot be used, where that is known without importing it."""
    if plugin.name in BUILT_IN:
        return f"{plugin.name!r} is the zoo's own family"
    return plugin.problem


def spec_class(family: str) -> type[specs.Spec]:
    """The Spec type of a family; a built-in's needs no torch.

    Raises UnknownNameError for a name nobody has, PluginError for one whose package fails.
    """
    if family in BUILT_IN:
        return BUILT_IN[family].spec
    return family_class(family).Spec


def family_class(family: str) -> type[Autoencoder]:
    """The class of a family.

    Raises UnknownNameError for a name nobody has, PluginError for one whose package fails.
    """
    if family in BUILT_IN:
        return getattr(importlib.import_module("zoo.models"), BUILT_IN[family].class_name)
    if family in _registered:
        return _registered[family]
    if not isinstance(family, str):
        raise InputError(f"A family is given by its name or a Spec, not {family!r}.")
    plugin = plugins.named("family", family)
    if plugin is None:
        raise _unknown(family)
    return load(plugin)


def check_known(family: str) -> None:
    """Raises UnknownNameError for a name nobody has. Imports no plugin."""
    claimed = {plugin.name for plugin in plugins.installed("family")}
    if family not in {*BUILT_IN, *_registered, *claimed}:
        raise _unknown(family)


def _unknown(family: str) -> UnknownNameError:
    known = list_families()
    return UnknownNameError(
        f"No family named {family[:100]!r}.{did_you_mean(family, known)} "
        f"Families here: {', '.join(known)}."
    )


def load(plugin: Plugin) -> type[Autoencoder]:
    """The class that a plugin names, if it keeps the contract. Raises PluginError."""
    from zoo.models.contract import check_class, undisturbed

    if said := problem(plugin):
        raise PluginError(f"{plugin} cannot be used: {said}.")
    with undisturbed():
        found = plugin.load()
    with blamed(str(plugin), "is no family"):
        return check_class(found, str(plugin))


def known_as(family: str) -> str:
    """What to call a family in an error: the plugin and its package, or its name alone."""
    if family not in BUILT_IN and family not in _registered:
        plugin = plugins.named("family", family)
        if plugin is not None:
            return str(plugin)
    return f"Family {family!r}"


def parse_spec(
    family: str, fields: Mapping[str, Any], section: str = ""
) -> tuple[specs.Spec | None, list[str]]:
    """A family's Spec from plain fields, or None and a line for every problem.

    Raises UnknownNameError for a name nobody has, PluginError for one whose package fails, or
    whose Spec does.
    """
    cls = spec_class(family)
    if family in BUILT_IN:
        return checked(cls, fields, section)
    with blamed(known_as(family), f"failed in its {cls.__name__}"):
        spec, problems = checked(cls, fields, section)
        if spec is not None:
            specs.check_sizes(spec)
    return spec, problems


def plain_fields(family: str, spec: specs.Spec) -> dict[str, Any]:
    """A Spec's fields as config.json and recipe.toml hold them.

    Raises PluginError for a Spec that cannot be said in both, or does not come back the same.
    """
    with blamed(known_as(family), f"has a {type(spec).__name__} that cannot be saved"):
        return specs.plain_fields(spec)


def is_variational(family: str) -> bool:
    """Whether a family's models have a prior, and so samples and a bound. Errors as `spec_class`."""
    if family in BUILT_IN:
        return issubclass(BUILT_IN[family].spec, specs.VAESpec)
    from zoo.models import VariationalAutoencoder

    return issubclass(family_class(family), VariationalAutoencoder)


def own_pictures(family: str) -> Mapping[str, str]:
    """Captions of the pictures that a family draws besides the zoo's, by name."""
    return {} if family in BUILT_IN else family_class(family).own_pictures


def name_of(cls: type[Autoencoder]) -> str:
    """The family name under which this very class is known here.

    Raises PluginError for a class that is neither built in nor registered nor an entry point.
    """
    for name, family in BUILT_IN.items():
        if cls.__module__.startswith("zoo.models") and cls.__name__ == family.class_name:
            return name
    for name, known in (*_registered.items(), *_imported(cls.__module__)):
        if known is cls or (name in _registered and _is_redefined(cls, known)):
            return name
    raise PluginError(
        f"{cls.__name__} is not a registered family. Put @zoo.register('a-name') above the class."
    )


def _is_redefined(cls: type, known: type) -> bool:
    """Whether a class is an earlier definition of another, in a cell that was run again."""
    return (cls.__module__, cls.__qualname__) == (known.__module__, known.__qualname__)


def title_of(cls: type[Autoencoder]) -> str:
    """What to call a class in an error: its plugin and package, or its family, or its own name."""
    try:
        return known_as(name_of(cls))
    except PluginError:
        return cls.__name__


def guarded(cls: type[Autoencoder], doing: str) -> AbstractContextManager[None]:
    """Makes a PluginError that names the package of what a class of somebody else's raises."""
    ours = cls.__module__.startswith("zoo.")
    return nullcontext() if ours else blamed(title_of(cls), doing)


def of_spec(spec: specs.Spec) -> str:
    """The family that a Spec belongs to. Raises PluginError if none here has that type."""
    for name, family in BUILT_IN.items():
        if type(spec) is family.spec:
            return name
    for name, known in (*_registered.items(), *_imported(type(spec).__module__)):
        if known.Spec is type(spec):
            return name
    raise PluginError(f"No family here has {type(spec).__name__} for its Spec.")


def provider(family: str) -> dict[str, str] | None:
    """`{"distribution", "version"}` of the package that provides a family; None if registered here."""
    if family in BUILT_IN:
        return {"distribution": DISTRIBUTION, "version": __version__}
    plugin = None if family in _registered else plugins.named("family", family)
    return {"distribution": plugin.distribution, "version": plugin.version} if plugin else None


def register(name: str) -> Callable[[ModelClass], ModelClass]:
    """Class decorator that gives a family a name in this process, for notebooks and scripts.

    Packages use the entry-point group `autoencoder_zoo.families` instead. Running the cell again
    replaces the class. Such a model is saved with no provider: whoever loads it runs the same code
    first. Raises InputError for a bad name, PluginError for one that is taken.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"A family's name is lower-case words joined by '-', not {name!r}.")

    def decorate(cls: ModelClass) -> ModelClass:
        from zoo.models.contract import check_class

        check_class(cls, f"Family {name!r}")
        if owner := _taken(name, cls):
            raise PluginError(f"The family name {name!r} is taken by {owner}. Choose another.")
        _registered[name] = cls
        return cls

    return decorate


def _taken(name: str, cls: type[Autoencoder]) -> str:
    """Who else has the name of a class that is being registered, or nothing."""
    if name in BUILT_IN:
        return "the zoo"
    if name in _registered:
        known = _registered[name]
        return "" if _is_redefined(cls, known) else f"{known.__module__}.{known.__qualname__}"
    owners = [p.owner for p in plugins.installed("family") if p.name == name and not problem(p)]
    return f"an entry point of {' and '.join(owners)}" if owners else ""


def _imported(module: str) -> list[tuple[str, type[Autoencoder]]]:
    """Names and classes of plugins that may hold a class of that module; no other is imported."""
    top = module.partition(".")[0]
    found = []
    for plugin in plugins.installed("family"):
        near = plugin.module in sys.modules or plugin.module.partition(".")[0] == top
        if near and not problem(plugin):
            try:
                found.append((plugin.name, load(plugin)))
            except PluginError:
                continue  # another family of that package is broken
    return found
