"""Available likelihoods: built in, registered in this process, or from an installed package."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from zoo.errors import PluginError, UnknownNameError, did_you_mean
from zoo.likelihoods.base import Likelihood
from zoo.plugins import entry_points as plugins
from zoo.plugins.entry_points import NAME, Plugin
from zoo.specs.domains import KINDS
from zoo.specs.protocols import Protocol

_built_in: dict[str, type[Likelihood]] = {}
_registered: dict[str, type[Likelihood]] = {}
_loaded: dict[Plugin, type[Likelihood]] = {}

LikelihoodClass = TypeVar("LikelihoodClass", bound=type[Likelihood])


def add_built_in(cls: type[Likelihood]) -> None:
    """Adds a built-in likelihood and reserves its kind."""
    _built_in[cls.name()] = cls
    plugins.reserve("likelihood", [cls.name()])


def register_likelihood(cls: LikelihoodClass) -> LikelihoodClass:
    """Class decorator that registers a likelihood in this process, for notebooks and scripts.

    It is registered under its `kind`. Packages use the entry-point group
    `autoencoder_zoo.likelihoods` instead. Rerunning a cell replaces the class. Run the same code
    before loading a saved model that uses it. Raises PluginError for an incomplete class and for a
    kind that is already registered.
    """
    kind = cls.name() if isinstance(cls, type) and issubclass(cls, Likelihood) else ""
    check_class(cls, f"Likelihood {kind or getattr(cls, '__name__', str(cls)[:60])!r}")
    if owner := _owner(kind, cls):
        raise PluginError(
            f"The likelihood kind {kind!r} is already registered by {owner}. Choose another."
        )
    _registered[kind] = cls
    return cls


def get(kind: str) -> type[Likelihood]:
    """The class of a kind; imports its package.

    Raises UnknownNameError for an unknown kind, PluginError if several packages claim it or its
    package fails.
    """
    if found := _built_in.get(kind) or _registered.get(kind):
        return found
    plugin = plugins.named("likelihood", kind)
    if plugin is None:
        known = list_likelihoods()
        raise UnknownNameError(
            f"Unknown likelihood {kind[:100]!r}.{did_you_mean(kind, known)} "
            f"Available: {', '.join(known)}.",
            name=kind,
            known=known,
        )
    return load(plugin)


def list_likelihoods() -> list[str]:
    """All available kinds, built-in ones first. Imports no plugin."""
    others = {plugin.name for plugin in plugins.installed("likelihood") if not plugin.problem}
    return [*_built_in, *sorted({*_registered, *others})]


def at_hand() -> dict[str, type[Likelihood]]:
    """The classes imported so far, by kind."""
    loaded = {plugin.name: cls for plugin, cls in _loaded.items()}
    return {**_built_in, **_registered, **loaded}


def title_of(cls: type[Likelihood]) -> str:
    """A likelihood's name in messages: `Plugin 'laplace' of acme-laplace 0.3`."""
    owners = (str(plugin) for plugin, known in _loaded.items() if known is cls)
    return next(owners, f"Likelihood {cls.name()!r}")


def load(plugin: Plugin) -> type[Likelihood]:
    """A plugin's class. Raises PluginError if it is incomplete."""
    if plugin not in _loaded:
        cls = check_class(plugin.load(), str(plugin))
        if cls.name() != plugin.name:
            raise PluginError(
                f"{plugin} cannot be used: {cls.__name__} has kind {cls.name()!r}. Rename the entry "
                "point to match."
            )
        _loaded[plugin] = cls
    return _loaded[plugin]


def check_class(cls: Any, what: str) -> type[Likelihood]:
    """The class, if it is a complete likelihood.

    Args:
        cls: the object registered under a kind.
        what: its name in messages.

    Raises:
        PluginError: if it is not a subclass of Likelihood, or lacks a kind, a distribution, or
            valid domains and protocols.
    """
    if not (isinstance(cls, type) and issubclass(cls, Likelihood)):
        found = getattr(cls, "__name__", None) or repr(cls)[:60]
        raise PluginError(f"{what} is {found}, which is not a subclass of zoo.Likelihood.")
    if problem := _problem(cls):
        raise PluginError(f"{what}: {problem}.")
    return cls


def _problem(cls: type[Likelihood]) -> str:
    """What a class lacks; empty if it is complete."""
    name, kind = cls.__name__, cls.model_fields.get("kind")
    if kind is None or get_args(kind.annotation) != (kind.default,):
        return f'{name} has no kind. Add `kind: Literal["a-name"] = "a-name"`'
    if not NAME.fullmatch(cls.name()) or len(cls.name()) > 100:
        return f"kind must be lower-case words joined by '-', not {cls.name()[:100]!r}"
    if cls.distribution is Likelihood.distribution:
        return f"{name} does not implement distribution"
    if not _are_known(cls.domains, KINDS):
        return f"domains must be a tuple of {', '.join(map(repr, KINDS))}, not {cls.domains!r}"
    of_images = tuple(known for known in get_args(Protocol) if known != "real")
    if "image" in cls.domains and not _are_known(cls.protocols, of_images):
        known = ", ".join(map(repr, of_images))
        return f"protocols of an image likelihood must be a tuple of {known}, not {cls.protocols!r}"
    return ""


def _are_known(chosen: object, known: tuple[str, ...]) -> bool:
    return isinstance(chosen, tuple) and bool(chosen) and set(chosen) <= set(known)


def _owner(kind: str, cls: type[Likelihood]) -> str:
    """The other owner of the kind of a class being registered; empty if the kind is free."""
    if kind in _built_in:
        return "the zoo"
    if known := _registered.get(kind):
        place = f"{known.__module__}.{known.__qualname__}"
        is_same_cell = place == f"{cls.__module__}.{cls.__qualname__}"
        return "" if is_same_cell else place
    owners = [p.owner for p in plugins.installed("likelihood") if p.name == kind and not p.problem]
    return f"an entry point of {' and '.join(owners)}" if owners else ""
