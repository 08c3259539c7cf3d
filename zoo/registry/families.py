"""The available families: built in, registered in this process, or from an installed package."""

from __future__ import annotations

import contextlib
import copy
import fnmatch
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.errors import InputError, PluginError, UnknownNameError, did_you_mean
from zoo.families import ROWS
from zoo.families.rows import Preset, Row
from zoo.plugins import entry_points as plugins
from zoo.plugins.entry_points import NAME, Plugin
from zoo.plugins.guards import plugin_errors
from zoo.registry.family import Family
from zoo.specs.base import Spec
from zoo.specs.info import Provider
from zoo.version import DISTRIBUTION, __version__

if TYPE_CHECKING:
    from zoo.models.interface import Autoencoder

STAMP = "__zoo_family__"
"""Attribute of a registered or plugin class: its `Family`, which subclasses do not share."""

_registered: dict[str, type[Autoencoder]] = {}

ModelClass = TypeVar("ModelClass", bound="type[Autoencoder]")


def _built_in(row: Row) -> Family:
    def load() -> type[Autoencoder]:
        module, _, class_name = row.path.partition(":")
        return getattr(importlib.import_module(module), class_name)

    provider = Provider(distribution=DISTRIBUTION, version=__version__)
    return Family(row.name, f"Family {row.name!r}", provider, load, row.summary, row)


BUILT_IN = {row.name: _built_in(row) for row in ROWS if isinstance(row, Row)}
PRESETS = {row.name: row for row in ROWS if isinstance(row, Preset)}
plugins.reserve("family", [*BUILT_IN, *PRESETS])


def list_families(pattern: str = "*") -> list[str]:
    """Names of all available families and presets, sorted. Imports no plugin."""
    from_plugins = (plugin.name for plugin in plugins.installed("family") if not plugin.problem)
    return sorted(fnmatch.filter({*BUILT_IN, *PRESETS, *_registered, *from_plugins}, pattern))


def get(name: str) -> Family:
    """The family of that name; its package is imported when its class is first used.

    Raises UnknownNameError for an unknown family and for a preset, PluginError for a name that
    several packages claim.
    """
    if not isinstance(name, str):
        raise InputError(f"A family is given by its name or a Spec; got {name!r}.")
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name in _registered:
        return _of_this_program(name)
    if name in PRESETS:
        preset = PRESETS[name]
        raise UnknownNameError(
            f"{name!r} is a preset of family {preset.family!r}, not a family.",
            name=name,
            known=list_families(),
        )
    plugin = plugins.named("family", name)
    if plugin is None:
        known = list_families()
        raise UnknownNameError(
            f"No family named {name[:100]!r}.{did_you_mean(name, known)} "
            f"Available: {', '.join(known)}.",
            name=name,
            known=known,
        )
    return _of_package(plugin)


def expanded(name: str, fields: Mapping[str, Any] | None = None) -> tuple[Family, dict[str, Any]]:
    """The family of a family's or preset's name, and its fields: the preset's, updated by the given ones.

    Raises as `get`.
    """
    preset = PRESETS.get(name) if isinstance(name, str) else None
    family = get(preset.family if preset else name)
    defaults = copy.deepcopy(dict(preset.fields)) if preset else {}  # callers may set keys in them
    return family, {**defaults, **(fields or {})}


def summary(name: str) -> str:
    """A short description of a family or preset. Raises as `get`."""
    return PRESETS[name].summary if name in PRESETS else get(name).summary


def presets_of(family: str, spec: Spec) -> list[Preset]:
    """The presets of a family that match a Spec."""
    own = (preset for preset in PRESETS.values() if preset.family == family)
    return [preset for preset in own if preset.describes(spec)]


def of(thing: Autoencoder | type[Autoencoder] | Spec) -> Family:
    """The family of a model, a class or a Spec.

    A class belongs to the family that it was registered or loaded as, whatever its name.
    Raises PluginError for a class that is not built in, registered or from a package, InputError
    for a Spec that several families share.
    """
    cls = thing if isinstance(thing, type) else type(thing)
    if issubclass(cls, Spec):
        return _with_spec(cls)
    for family in BUILT_IN.values():
        if family.row and family.row.path == f"{cls.__module__}:{cls.__qualname__}":
            return family
    for family in () if STAMP in vars(cls) else _of_packages_near(cls):
        with contextlib.suppress(PluginError):  # another family of that package is broken
            family.load()
    if STAMP in vars(cls):
        return vars(cls)[STAMP]
    raise PluginError(
        f"{cls.__name__} is not a registered family. Put @zoo.register('a-name') above the class."
    )


def check_current(model: Autoencoder) -> None:
    """Raises PluginError for a model whose class was replaced by one with different methods.

    Rerunning an unchanged cell is allowed: the new class has the same code.
    """
    family = of(model)
    current = _registered.get(family.name)
    if family.provider is None and current and _code_of(current) != _code_of(type(model)):
        raise PluginError(
            f"{family.title} was registered again after this model was built, so its name now means the "
            "new class. Save a model of that class: zoo.build(...), then "
            "load_state_dict(model.state_dict()) if the network is the same."
        )


def _code_of(cls: type) -> dict[str, object]:
    """The code of a class's methods, without line numbers."""

    def of_code(code: CodeType) -> tuple[object, ...]:
        consts = (of_code(one) if isinstance(one, CodeType) else one for one in code.co_consts)
        return code.co_code, code.co_names, tuple(consts)

    methods = {name: getattr(one, "__code__", None) for name, one in vars(cls).items()}
    return {name: of_code(code) for name, code in methods.items() if code}


def title_of(model: Autoencoder) -> str:
    """The title of a model's family for errors; the class name if it is not registered."""
    try:
        return of(model).title
    except PluginError:
        return type(model).__name__


def guarded(model: Autoencoder, doing: str) -> contextlib.AbstractContextManager[None]:
    """Turns any error of a plugin's model into a PluginError that names the package."""
    ours = type(model).__module__.startswith("zoo.")
    return contextlib.nullcontext() if ours else plugin_errors(title_of(model), doing)


def register(name: str) -> Callable[[ModelClass], ModelClass]:
    """Class decorator that registers a family in this process, for notebooks and scripts.

    Packages use the entry-point group `autoencoder_zoo.families` instead. Rerunning the cell
    replaces the class; under another name it adds a family. Its models are saved without a provider:
    run the same code before loading them. Raises InputError for an invalid name, PluginError for a
    name that is taken and for a class that already has a name.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"A family's name is lower-case words joined by '-'; got {name!r}.")

    def decorate(cls: ModelClass) -> ModelClass:
        from zoo.models.contract import check_class

        check_class(cls, f"Family {name!r}")
        if owner := _taken(name, cls):
            raise PluginError(f"The family name {name!r} is taken by {owner}. Choose another.")
        if other := _other_name(cls, name):
            raise PluginError(
                f"{cls.__name__} is already registered as {other}. Register a subclass, or rerun the "
                "cell that defines the class."
            )
        _registered[name] = cls
        return _stamped(cls, _of_this_program(name))

    return decorate


def load(plugin: Plugin) -> type[Autoencoder]:
    """A plugin's class, if it satisfies the contract. Raises PluginError."""
    from zoo.models.contract import check_class

    found = plugin.load()
    with plugin_errors(str(plugin), "cannot be used"):
        cls = check_class(found, str(plugin))
    family = _of_package(plugin)
    known = vars(cls).get(STAMP, family)
    if cls.__module__.startswith("zoo.") or known.name != family.name:
        other = "the zoo's own" if cls.__module__.startswith("zoo.") else f"already {known.title}"
        raise PluginError(f"{plugin} cannot be used: {cls.__name__} is {other}. Use a subclass.")
    return _stamped(cls, family)


def _of_this_program(name: str) -> Family:
    cls = _registered[name]
    return Family(name, f"Family {name!r}", None, lambda: cls, "from this program")


def _of_package(plugin: Plugin) -> Family:
    # not validated: metadata may contain anything; config.json is checked when it is read
    provider = Provider.model_construct(distribution=plugin.distribution, version=plugin.version)
    return Family(plugin.name, str(plugin), provider, lambda: load(plugin), f"from {plugin.owner}")


def _stamped(cls: ModelClass, family: Family) -> ModelClass:
    """Stores its family on a class, and returns the class."""
    setattr(cls, STAMP, family)
    return cls


def _of_packages_near(cls: type) -> Iterator[Family]:
    """The families of imported packages, and of its own package, that a class or a Spec may belong to."""
    top = cls.__module__.partition(".")[0]
    for plugin in plugins.installed("family"):
        is_near = plugin.module in sys.modules or plugin.module.partition(".")[0] == top
        if is_near and not plugin.problem:
            yield _of_package(plugin)


def _with_spec(cls: type[Spec]) -> Family:
    """The family with that Spec class."""
    own = [family for family in BUILT_IN.values() if family.spec_class is cls]
    found = {family.name: family for family in own}
    if not found:
        for family in (*map(_of_this_program, _registered), *_of_packages_near(cls)):
            with contextlib.suppress(PluginError):
                if family.spec_class is cls:
                    found[family.name] = family
    if not found:
        raise PluginError(f"No available family has {cls.__name__} as its Spec.")
    if len(found) > 1:
        names = " and ".join(map(repr, sorted(found)))
        raise InputError(
            f"{cls.__name__} is the Spec of families {names}: build by name and fields, such as "
            f"zoo.build({min(found)!r}, ...)."
        )
    return next(iter(found.values()))


def _other_name(cls: type[Autoencoder], name: str) -> str:
    """The title of a class's family if it is registered under another name, else ""."""
    with contextlib.suppress(PluginError):
        family = of(cls)
        is_gone = family.provider is None and _registered.get(family.name) is not cls
        if family.name != name and not is_gone:
            return family.title
    return ""


def _taken(name: str, cls: type[Autoencoder]) -> str:
    """The owner of a name if it is taken by another class, else ""."""
    if name in BUILT_IN or name in PRESETS:
        return "the zoo"
    if name in _registered:
        known = _registered[name]
        place = f"{known.__module__}.{known.__qualname__}"
        return (
            "" if place == f"{cls.__module__}.{cls.__qualname__}" else place
        )  # "": the cell was rerun
    owners = [p.owner for p in plugins.installed("family") if p.name == name and not p.problem]
    return f"an entry point of {' and '.join(owners)}" if owners else ""
