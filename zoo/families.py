"""Family name -> class: built in, registered in this process, or from an installed package.

Names of installed families come from package metadata (entry-point group
`autoencoder_zoo.families`); a package is imported when its family is used and not before.
"""

from __future__ import annotations

import fnmatch
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypeVar

from zoo import specs
from zoo.errors import InputError, PluginError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from zoo.models import Autoencoder

GROUP = "autoencoder_zoo.families"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


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
    names = {*BUILT_IN, *_registered, *(point.name for point in _entry_points())}
    return sorted(fnmatch.filter(names, pattern))


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
    points = [point for point in _entry_points() if point.name == family]
    if not points:
        if not isinstance(family, str):
            raise InputError(f"A family is given by its name or a Spec, not {family!r}.")
        known = list_families()
        raise UnknownNameError(
            f"No family named {family!r}.{did_you_mean(family, known)} "
            f"Families here: {', '.join(known)}."
        )
    if len(points) > 1:
        owners = " and ".join(sorted(_owner(point) for point in points))
        raise PluginError(f"Family {family!r} is provided by {owners}. Uninstall one.")
    return _import(points[0])


def is_variational(family: str) -> bool:
    """Whether a family's models have a prior, and so samples and a bound. Errors as `spec_class`."""
    if family in BUILT_IN:
        return issubclass(BUILT_IN[family].spec, specs.VAESpec)
    from zoo.models import VariationalAutoencoder

    return issubclass(family_class(family), VariationalAutoencoder)


def name_of(cls: type[Autoencoder]) -> str:
    """The family name under which this very class is known here.

    Raises PluginError for a class that is neither built in nor registered nor an entry point.
    """
    for name, family in BUILT_IN.items():
        if cls.__module__.startswith("zoo.models") and cls.__name__ == family.class_name:
            return name
    for name, known in _registered.items():
        if known is cls:
            return name
    for point in _entry_points():
        if point.value == f"{cls.__module__}:{cls.__qualname__}" or point.load() is cls:
            return point.name
    raise PluginError(
        f"{cls.__name__} is not a registered family. Put @zoo.register('a-name') above the class."
    )


def of_spec(spec: specs.Spec) -> str:
    """The family that a Spec belongs to. Raises PluginError if none here has that type."""
    for name, family in BUILT_IN.items():
        if type(spec) is family.spec:
            return name
    for name in list_families():
        if name not in BUILT_IN and family_class(name).Spec is type(spec):
            return name
    raise PluginError(f"No family here has {type(spec).__name__} for its Spec.")


def provider(family: str) -> dict[str, str] | None:
    """`{"distribution", "version"}` of the package that provides a family; None if registered here."""
    if family in BUILT_IN:
        from zoo.version import __version__

        return {"distribution": "autoencoder-zoo", "version": __version__}
    for point in _entry_points():
        if point.name == family and point.dist is not None and family not in _registered:
            return {"distribution": point.dist.name, "version": point.dist.version}
    return None


def register(name: str) -> Callable[[ModelClass], ModelClass]:
    """Class decorator that gives a family a name in this process, for notebooks and scripts.

    Packages use the entry-point group `autoencoder_zoo.families` instead. Running the cell again
    replaces the class. Raises InputError for a bad name, PluginError for one that is taken.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"A family's name is lower-case words joined by '-', not {name!r}.")

    def decorate(cls: ModelClass) -> ModelClass:
        taken = _registered.get(name)
        again = taken is not None and taken.__qualname__ == cls.__qualname__
        if not again and name in list_families():
            raise PluginError(f"The family name {name!r} is taken. Choose another.")
        _check(cls, f"Family {name!r}")
        _registered[name] = cls
        return cls

    return decorate


def _entry_points() -> list[EntryPoint]:
    return [point for point in entry_points(group=GROUP) if point.name not in BUILT_IN]


def _owner(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _import(point: EntryPoint) -> type[Autoencoder]:
    what = f"Plugin {point.name!r} of {_owner(point)}"
    try:
        cls = point.load()
    except (
        Exception,
        SystemExit,
    ) as failure:  # a plugin may fail in any way; it takes nobody with it
        cause = f"{type(failure).__name__}: {failure}"
        raise PluginError(
            f"{what} failed to load: {cause}. Other families are unaffected."
        ) from failure
    _check(cls, what)
    return cls


def _check(cls: object, what: str) -> None:
    from zoo.models import Autoencoder

    if not (isinstance(cls, type) and issubclass(cls, Autoencoder)):
        raise PluginError(f"{what} is {cls!r}, which is not a subclass of zoo.Autoencoder.")
    spec = getattr(cls, "Spec", None)
    if not (isinstance(spec, type) and issubclass(spec, specs.Spec)):
        raise PluginError(f"{what} has no Spec. Add `Spec = ...`, a subclass of zoo.Spec.")
