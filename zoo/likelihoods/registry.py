"""The likelihoods that can be used here: built in, registered in this process, or an installed package's."""

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
    """Adds one of the zoo's own, whose kind no package can take."""
    _built_in[cls.name()] = cls
    plugins.reserve("likelihood", [cls.name()])


def register_likelihood(cls: LikelihoodClass) -> LikelihoodClass:
    """Class decorator that makes a likelihood known in this process, for notebooks and scripts.

    Its `kind` is its name. Packages use the entry-point group `autoencoder_zoo.likelihoods` instead.
    Running the cell again replaces the class. Run the same code before loading a model that was
    saved with it. Raises PluginError for a class that lacks something, and for a kind that is taken.
    """
    kind = cls.name() if isinstance(cls, type) and issubclass(cls, Likelihood) else ""
    check_class(cls, f"Likelihood {kind or getattr(cls, '__name__', str(cls)[:60])!r}")
    if owner := _taken(kind, cls):
        raise PluginError(f"The kind {kind!r} of likelihood is taken by {owner}. Choose another.")
    _registered[kind] = cls
    return cls


def get(kind: str) -> type[Likelihood]:
    """The class of a kind; its package is imported now.

    Raises UnknownNameError for an unknown kind, PluginError for one that several packages claim or
    whose package fails.
    """
    if found := _built_in.get(kind) or _registered.get(kind):
        return found
    plugin = plugins.named("likelihood", kind)
    if plugin is None:
        known = list_likelihoods()
        raise UnknownNameError(
            f"No likelihood of kind {kind[:100]!r}.{did_you_mean(kind, known)} "
            f"Kinds here: {', '.join(known)}.",
            name=kind,
            known=known,
        )
    return load(plugin)


def list_likelihoods() -> list[str]:
    """Every kind that can be used here: the zoo's own, then others. Imports no plugin."""
    others = {plugin.name for plugin in plugins.installed("likelihood") if not plugin.problem}
    return [*_built_in, *sorted({*_registered, *others})]


def at_hand() -> dict[str, type[Likelihood]]:
    """The classes that are imported already, by kind."""
    loaded = {plugin.name: cls for plugin, cls in _loaded.items()}
    return {**_built_in, **_registered, **loaded}


def title_of(cls: type[Likelihood]) -> str:
    """What to call a likelihood in an error: `Plugin 'laplace' of acme-laplace 0.3`."""
    owners = (str(plugin) for plugin, known in _loaded.items() if known is cls)
    return next(owners, f"Likelihood {cls.name()!r}")


def load(plugin: Plugin) -> type[Likelihood]:
    """The class that a plugin names, if it is complete. Raises PluginError."""
    if plugin not in _loaded:
        cls = check_class(plugin.load(), str(plugin))
        if cls.name() != plugin.name:
            raise PluginError(
                f"{plugin} cannot be used: {cls.__name__} has the kind {cls.name()!r}. Give the entry "
                "point that name."
            )
        _loaded[plugin] = cls
    return _loaded[plugin]


def check_class(cls: Any, what: str) -> type[Likelihood]:
    """The class, if it is a complete likelihood.

    Args:
        cls: what was found under a kind.
        what: what to call it in an error.

    Raises:
        PluginError: for what is not a subclass of Likelihood, and for one that lacks a kind, a
            distribution, or the domains and protocols that it fits.
    """
    if not (isinstance(cls, type) and issubclass(cls, Likelihood)):
        found = getattr(cls, "__name__", None) or repr(cls)[:60]
        raise PluginError(f"{what} is {found}, which is not a subclass of zoo.Likelihood.")
    if problem := _problem(cls):
        raise PluginError(f"{what}: {problem}.")
    return cls


def _problem(cls: type[Likelihood]) -> str:
    """What a class lacks, or nothing."""
    name, kind = cls.__name__, cls.model_fields.get("kind")
    if kind is None or get_args(kind.annotation) != (kind.default,):
        return f'{name} has no kind. Add `kind: Literal["a-name"] = "a-name"`'
    if not NAME.fullmatch(cls.name()) or len(cls.name()) > 100:
        return f"a kind is lower-case words joined by '-', not {cls.name()[:100]!r}"
    if cls.distribution is Likelihood.distribution:
        return f"{name} does not implement distribution"
    if not _some_of(cls.domains, KINDS):
        return f"domains is a tuple of {', '.join(map(repr, KINDS))}, not {cls.domains!r}"
    of_images = tuple(known for known in get_args(Protocol) if known != "real")
    if "image" in cls.domains and not _some_of(cls.protocols, of_images):
        known = ", ".join(map(repr, of_images))
        return f"protocols of a likelihood of images is a tuple of {known}, not {cls.protocols!r}"
    return ""


def _some_of(chosen: object, known: tuple[str, ...]) -> bool:
    return isinstance(chosen, tuple) and bool(chosen) and set(chosen) <= set(known)


def _taken(kind: str, cls: type[Likelihood]) -> str:
    """Who else has the kind of a class that is being registered, or nothing."""
    if kind in _built_in:
        return "the zoo"
    if known := _registered.get(kind):
        place = f"{known.__module__}.{known.__qualname__}"
        is_same_cell = place == f"{cls.__module__}.{cls.__qualname__}"
        return "" if is_same_cell else place
    owners = [p.owner for p in plugins.installed("likelihood") if p.name == kind and not p.problem]
    return f"an entry point of {' and '.join(owners)}" if owners else ""
