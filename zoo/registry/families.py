"""The families that can be built here: built in, registered in this process, or an installed package's."""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from zoo.errors import InputError, PluginError, UnknownNameError, did_you_mean
from zoo.registry import plugins
from zoo.registry.family import Family
from zoo.registry.guards import blamed
from zoo.registry.plugins import NAME, Plugin
from zoo.specs.base import Spec
from zoo.specs.families import (
    AESpec,
    BetaTCVAESpec,
    BetaVAESpec,
    ConvAESpec,
    ConvVAESpec,
    FactorVAESpec,
    VAESpec,
)
from zoo.specs.hierarchical import HierarchicalVAESpec
from zoo.specs.info import Provider
from zoo.specs.vq_vae import VQVAESpec
from zoo.version import DISTRIBUTION, __version__

if TYPE_CHECKING:
    from zoo.models.interface import Autoencoder

_registered: dict[str, type[Autoencoder]] = {}

ModelClass = TypeVar("ModelClass", bound="type[Autoencoder]")


def _built_in(name: str, spec: type[Spec], class_name: str, summary: str) -> Family:
    def load() -> type[Autoencoder]:
        import zoo.models

        return getattr(zoo.models, class_name)

    provider = Provider(distribution=DISTRIBUTION, version=__version__)
    return Family(name, f"Family {name!r}", provider, load, summary, spec)


BUILT_IN = {
    family.name: family
    for family in (
        _built_in("ae", AESpec, "AE", "autoencoder"),
        _built_in("vae", VAESpec, "VAE", "variational autoencoder"),
        _built_in("conv-ae", ConvAESpec, "ConvAE", "autoencoder, convolutional by default"),
        _built_in("conv-vae", ConvVAESpec, "ConvVAE", "variational, convolutional by default"),
        _built_in("beta-vae", BetaVAESpec, "BetaVAE", "variational, with the KL term weighted"),
        _built_in(
            "beta-tc-vae", BetaTCVAESpec, "BetaTCVAE", "variational, its total correlation weighted"
        ),
        _built_in(
            "factor-vae", FactorVAESpec, "FactorVAE", "variational, total correlation discriminated"
        ),
        _built_in(
            "hierarchical-vae",
            HierarchicalVAESpec,
            "HierarchicalVAE",
            "variational, with groups of latents one above the other",
        ),
        _built_in("vq-vae", VQVAESpec, "VQVAE", "autoencoder whose codes are a codebook's vectors"),
    )
}


def list_families(pattern: str = "*") -> list[str]:
    """Names of every family that can be built here, sorted. Imports no plugin."""
    from_plugins = (plugin.name for plugin in plugins.installed("family") if not plugin.problem)
    return sorted(fnmatch.filter({*BUILT_IN, *_registered, *from_plugins}, pattern))


def get(name: str) -> Family:
    """The family of that name; its package is imported when its class is asked for.

    Raises UnknownNameError for an unknown family, PluginError for one that several packages claim.
    """
    if not isinstance(name, str):
        raise InputError(f"A family is given by its name or a Spec, not {name!r}.")
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name in _registered:
        return _of_this_program(name)
    plugin = plugins.named("family", name)
    if plugin is None:
        known = list_families()
        raise UnknownNameError(
            f"No family named {name[:100]!r}.{did_you_mean(name, known)} "
            f"Families here: {', '.join(known)}."
        )
    return _of_package(plugin)


def of(thing: Autoencoder | type[Autoencoder] | Spec) -> Family:
    """The family of a model, of a class or of a Spec.

    Raises PluginError for one that is neither built in nor registered nor a package's.
    """
    cls = thing if isinstance(thing, type) else type(thing)
    is_spec = issubclass(cls, Spec)
    here = itertools.chain(BUILT_IN.values(), map(_of_this_program, _registered), _near(cls))
    for family in here:
        with contextlib.suppress(PluginError):  # another family of that package is broken
            known = family.spec_class if is_spec else family.cls
            if cls is known or (not is_spec and _is_redefined(cls, known)):
                return family
    if is_spec:
        raise PluginError(f"No family here has {cls.__name__} for its Spec.")
    raise PluginError(
        f"{cls.__name__} is not a registered family. Put @zoo.register('a-name') above the class."
    )


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


def load(plugin: Plugin) -> type[Autoencoder]:
    """The class that a plugin names, if it satisfies the contract. Raises PluginError."""
    from zoo.models.contract import check_class

    found = plugin.load()
    with blamed(str(plugin), "cannot be used"):
        return check_class(found, str(plugin))


def _of_this_program(name: str) -> Family:
    cls = _registered[name]
    return Family(name, f"Family {name!r}", None, lambda: cls, "from this program")


def _of_package(plugin: Plugin) -> Family:
    # metadata may say anything: what config.json says is checked when it is read
    provider = Provider.model_construct(distribution=plugin.distribution, version=plugin.version)
    return Family(plugin.name, str(plugin), provider, lambda: load(plugin), f"from {plugin.owner}")


def _near(cls: type) -> Iterator[Family]:
    """Families whose package may hold a class; of no other is the package imported."""
    top = cls.__module__.partition(".")[0]
    for plugin in plugins.installed("family"):
        is_near = plugin.module in sys.modules or plugin.module.partition(".")[0] == top
        if is_near and not plugin.problem:
            yield _of_package(plugin)


def _is_redefined(cls: type, known: type) -> bool:
    """Whether a class is another, or an earlier definition of it, in a cell that was run again."""
    return (cls.__module__, cls.__qualname__) == (known.__module__, known.__qualname__)


def _taken(name: str, cls: type[Autoencoder]) -> str:
    """Who else has the name of a class that is being registered, or nothing."""
    if name in BUILT_IN:
        return "the zoo"
    if name in _registered:
        known = _registered[name]
        return "" if _is_redefined(cls, known) else f"{known.__module__}.{known.__qualname__}"
    owners = [p.owner for p in plugins.installed("family") if p.name == name and not p.problem]
    return f"an entry point of {' and '.join(owners)}" if owners else ""
