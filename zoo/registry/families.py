"""The families that can be built here: built in, registered in this process, or an installed package's."""

from __future__ import annotations

import contextlib
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
from zoo.plugins.guards import blamed
from zoo.registry.family import Family
from zoo.specs.base import Spec
from zoo.specs.info import Provider
from zoo.version import DISTRIBUTION, __version__

if TYPE_CHECKING:
    from zoo.models.interface import Autoencoder

STAMP = "__zoo_family__"
"""Attribute of a class that was registered or a plugin's: its own `Family`, which no subclass inherits."""

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
    """Names of every family that can be built here and of the presets, sorted. Imports no plugin."""
    from_plugins = (plugin.name for plugin in plugins.installed("family") if not plugin.problem)
    return sorted(fnmatch.filter({*BUILT_IN, *PRESETS, *_registered, *from_plugins}, pattern))


def get(name: str) -> Family:
    """The family of that name; its package is imported when its class is asked for.

    Raises UnknownNameError for an unknown family and for a preset, PluginError for one that several
    packages claim.
    """
    if not isinstance(name, str):
        raise InputError(f"A family is given by its name or a Spec, not {name!r}.")
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
            f"Families here: {', '.join(known)}.",
            name=name,
            known=known,
        )
    return _of_package(plugin)


def expanded(name: str, fields: Mapping[str, Any] | None = None) -> tuple[Family, dict[str, Any]]:
    """The family that a user's name means, and the fields that are set: a preset's, then those given.

    Raises as `get`.
    """
    preset = PRESETS.get(name) if isinstance(name, str) else None
    family = get(preset.family if preset else name)
    return family, {**(preset.fields if preset else {}), **(fields or {})}


def summary(name: str) -> str:
    """What a family or a preset is, in some words. Raises as `get`."""
    return PRESETS[name].summary if name in PRESETS else get(name).summary


def presets_of(family: str, spec: Spec) -> list[Preset]:
    """The presets of a family that describe a Spec."""
    own = (preset for preset in PRESETS.values() if preset.family == family)
    return [preset for preset in own if preset.describes(spec)]


def of(thing: Autoencoder | type[Autoencoder] | Spec) -> Family:
    """The family of a model, of a class or of a Spec.

    A class belongs to the family that it was registered or loaded as, whatever it is called.
    Raises PluginError for one that is neither built in nor registered nor a package's, InputError
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
    """Raises PluginError for a model whose class was replaced by one with other methods.

    Running an unchanged cell again replaces the class by one that does the same.
    """
    family = of(model)
    current = _registered.get(family.name)
    if family.provider is None and current and _code_of(current) != _code_of(type(model)):
        raise PluginError(
            f"{family.title} was registered again since this model was made, and its name means the new "
            "class now. Save a model of that class: zoo.build(...), then "
            "load_state_dict(model.state_dict()) if the network is the same."
        )


def _code_of(cls: type) -> dict[str, object]:
    """What the methods of a class do, wherever its lines stand."""

    def of_code(code: CodeType) -> tuple[object, ...]:
        consts = (of_code(one) if isinstance(one, CodeType) else one for one in code.co_consts)
        return code.co_code, code.co_names, tuple(consts)

    methods = {name: getattr(one, "__code__", None) for name, one in vars(cls).items()}
    return {name: of_code(code) for name, code in methods.items() if code}


def title_of(model: Autoencoder) -> str:
    """What to call a model's family in an error; its class's name if it is not registered."""
    try:
        return of(model).title
    except PluginError:
        return type(model).__name__


def guarded(model: Autoencoder, doing: str) -> contextlib.AbstractContextManager[None]:
    """Makes a PluginError that names the package of what a model of somebody else's raises."""
    ours = type(model).__module__.startswith("zoo.")
    return contextlib.nullcontext() if ours else blamed(title_of(model), doing)


def register(name: str) -> Callable[[ModelClass], ModelClass]:
    """Class decorator that gives a family a name in this process, for notebooks and scripts.

    Packages use the entry-point group `autoencoder_zoo.families` instead. Running the cell again
    replaces the class; under another name it adds a family. Such a model is saved with no provider:
    run the same code before loading it. Raises InputError for a bad name, PluginError for a name
    that is taken and for a class that has one already.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"A family's name is lower-case words joined by '-', not {name!r}.")

    def decorate(cls: ModelClass) -> ModelClass:
        from zoo.models.contract import check_class

        check_class(cls, f"Family {name!r}")
        if owner := _taken(name, cls):
            raise PluginError(f"The family name {name!r} is taken by {owner}. Choose another.")
        if other := _other_name(cls, name):
            raise PluginError(
                f"{cls.__name__} is {other} already, and a class has one name. Register a subclass, "
                "or run the cell that defines the class again."
            )
        _registered[name] = cls
        return _stamped(cls, _of_this_program(name))

    return decorate


def load(plugin: Plugin) -> type[Autoencoder]:
    """The class that a plugin names, if it satisfies the contract. Raises PluginError."""
    from zoo.models.contract import check_class

    found = plugin.load()
    with blamed(str(plugin), "cannot be used"):
        cls = check_class(found, str(plugin))
    family = _of_package(plugin)
    known = vars(cls).get(STAMP, family)
    if cls.__module__.startswith("zoo.") or known.name != family.name:
        other = "the zoo's own" if cls.__module__.startswith("zoo.") else f"{known.title} already"
        raise PluginError(
            f"{plugin} cannot be used: {cls.__name__} is {other}. Give it a subclass."
        )
    return _stamped(cls, family)


def _of_this_program(name: str) -> Family:
    cls = _registered[name]
    return Family(name, f"Family {name!r}", None, lambda: cls, "from this program")


def _of_package(plugin: Plugin) -> Family:
    # metadata may say anything: what config.json says is checked when it is read
    provider = Provider.model_construct(distribution=plugin.distribution, version=plugin.version)
    return Family(plugin.name, str(plugin), provider, lambda: load(plugin), f"from {plugin.owner}")


def _stamped(cls: ModelClass, family: Family) -> ModelClass:
    """A class that now knows the family that it is."""
    setattr(cls, STAMP, family)
    return cls


def _of_packages_near(cls: type) -> Iterator[Family]:
    """The packages' families that a class or a Spec may belong to: those imported already."""
    top = cls.__module__.partition(".")[0]
    for plugin in plugins.installed("family"):
        is_near = plugin.module in sys.modules or plugin.module.partition(".")[0] == top
        if is_near and not plugin.problem:
            yield _of_package(plugin)


def _with_spec(cls: type[Spec]) -> Family:
    """The family whose Specs are of that type."""
    own = [family for family in BUILT_IN.values() if family.spec_class is cls]
    found = {family.name: family for family in own}
    if not found:
        for family in (*map(_of_this_program, _registered), *_of_packages_near(cls)):
            with contextlib.suppress(PluginError):
                if family.spec_class is cls:
                    found[family.name] = family
    if not found:
        raise PluginError(f"No family here has {cls.__name__} for its Spec.")
    if len(found) > 1:
        names = " and ".join(map(repr, sorted(found)))
        raise InputError(
            f"{cls.__name__} is the Spec of families {names}: build by name and fields, such as "
            f"zoo.build({min(found)!r}, ...)."
        )
    return next(iter(found.values()))


def _other_name(cls: type[Autoencoder], name: str) -> str:
    """The family that a class is, if that has another name; or nothing."""
    with contextlib.suppress(PluginError):
        family = of(cls)
        is_gone = family.provider is None and _registered.get(family.name) is not cls
        if family.name != name and not is_gone:
            return family.title
    return ""


def _taken(name: str, cls: type[Autoencoder]) -> str:
    """Who else has the name of a class that is being registered, or nothing."""
    if name in BUILT_IN or name in PRESETS:
        return "the zoo"
    if name in _registered:
        known = _registered[name]
        place = f"{known.__module__}.{known.__qualname__}"
        return (
            "" if place == f"{cls.__module__}.{cls.__qualname__}" else place
        )  # "": the cell again
    owners = [p.owner for p in plugins.installed("family") if p.name == name and not p.problem]
    return f"an entry point of {' and '.join(owners)}" if owners else ""
