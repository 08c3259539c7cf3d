"""`Kinds`: settings classes selected by their `kind`, built in, registered, or from installed packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel

from zoo.errors import PluginError, UnknownNameError, did_you_mean
from zoo.plugins import entry_points as plugins
from zoo.plugins.entry_points import NAME, Kind, Plugin

ClassT = TypeVar("ClassT", bound=BaseModel)


class Kinds(Generic[ClassT]):
    """The classes available in this process under one kind of plugin, by the value of their `kind`.

    Args:
        what: the kind of plugin, which is also the noun in messages.
        base: the class that all of them extend.
        problem: what a class with a valid `kind` lacks; empty if it is complete.
    """

    def __init__(
        self, what: Kind, base: type[ClassT], problem: Callable[[type[ClassT]], str]
    ) -> None:
        self.what: Kind = what
        self.base, self.problem = base, problem
        self._built_in: dict[str, type[ClassT]] = {}
        self._registered: dict[str, type[ClassT]] = {}
        self._loaded: dict[Plugin, type[ClassT]] = {}

    def add_built_in(self, cls: type[ClassT]) -> None:
        """Adds a built-in class and reserves its kind."""
        self._built_in[kind_of(cls)] = cls
        plugins.reserve(self.what, [kind_of(cls)])

    def register(self, cls: type[ClassT]) -> None:
        """Registers a class in this process. Raises PluginError if it is incomplete or its kind is taken."""
        kind = kind_of(cls) if isinstance(cls, type) and issubclass(cls, self.base) else ""
        name = kind or getattr(cls, "__name__", str(cls)[:60])
        self.check_class(cls, f"{self.what.capitalize()} {name!r}")
        if owner := self._owner(kind, cls):
            raise PluginError(
                f"The {self.what} kind {kind!r} is already registered by {owner}. Choose another."
            )
        self._registered[kind] = cls

    def get(self, kind: str) -> type[ClassT]:
        """The class of a kind; imports its package.

        Raises UnknownNameError for an unknown kind, PluginError if several packages claim it or its
        package fails.
        """
        if found := self._built_in.get(kind) or self._registered.get(kind):
            return found
        plugin = plugins.named(self.what, kind)
        if plugin is None:
            known = self.names()
            raise UnknownNameError(
                f"Unknown {self.what} {kind[:100]!r}.{did_you_mean(kind, known)} "
                f"Available: {', '.join(known)}.",
                name=kind,
                known=known,
            )
        return self.load(plugin)

    def names(self) -> list[str]:
        """All available kinds, built-in ones first. Imports no plugin."""
        others = {plugin.name for plugin in plugins.installed(self.what) if not plugin.problem}
        return [*self._built_in, *sorted({*self._registered, *others})]

    def at_hand(self) -> dict[str, type[ClassT]]:
        """The classes imported so far, by kind."""
        loaded = {plugin.name: cls for plugin, cls in self._loaded.items()}
        return {**self._built_in, **self._registered, **loaded}

    def title_of(self, cls: type[ClassT]) -> str:
        """The name of a class in messages: `Plugin 'laplace' of acme-laplace 0.3`."""
        owners = (str(plugin) for plugin, known in self._loaded.items() if known is cls)
        return next(owners, f"{self.what.capitalize()} {kind_of(cls)!r}")

    def load(self, plugin: Plugin) -> type[ClassT]:
        """A plugin's class. Raises PluginError if it is incomplete."""
        if plugin not in self._loaded:
            cls = self.check_class(plugin.load(), str(plugin))
            if kind_of(cls) != plugin.name:
                raise PluginError(
                    f"{plugin} cannot be used: {cls.__name__} has kind {kind_of(cls)!r}. Rename the "
                    "entry point to match."
                )
            self._loaded[plugin] = cls
        return self._loaded[plugin]

    def check_class(self, cls: Any, title: str) -> type[ClassT]:
        """The object registered under a kind, if it is a complete class. Raises PluginError, which starts with `title`."""
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            found = getattr(cls, "__name__", None) or repr(cls)[:60]
            raise PluginError(
                f"{title} is {found}, which is not a subclass of zoo.{self.base.__name__}."
            )
        if problem := _kind_problem(cls) or self.problem(cls):
            raise PluginError(f"{title}: {problem}.")
        return cls

    def _owner(self, kind: str, cls: type[ClassT]) -> str:
        """The other owner of the kind of a class being registered; empty if the kind is free."""
        if kind in self._built_in:
            return "the zoo"
        if known := self._registered.get(kind):
            place = f"{known.__module__}.{known.__qualname__}"
            is_same_cell = place == f"{cls.__module__}.{cls.__qualname__}"
            return "" if is_same_cell else place
        installed = plugins.installed(self.what)
        owners = [p.owner for p in installed if p.name == kind and not p.problem]
        return f"an entry point of {' and '.join(owners)}" if owners else ""


def kind_of(cls: type[BaseModel]) -> str:
    """A class's `kind`; empty for a class without one."""
    kind = cls.model_fields.get("kind")
    return str(kind.default) if kind else ""


def _kind_problem(cls: type[BaseModel]) -> str:
    """What is wrong with a class's `kind`; empty if nothing is."""
    kind = cls.model_fields.get("kind")
    if kind is None or get_args(kind.annotation) != (kind.default,):
        return f'{cls.__name__} has no kind. Add `kind: Literal["a-name"] = "a-name"`'
    name = kind_of(cls)
    if not NAME.fullmatch(name) or len(name) > 100:
        return f"kind must be lower-case words joined by '-', not {name[:100]!r}"
    return ""
