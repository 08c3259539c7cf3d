"""Available likelihoods: built in, registered in this process, or from an installed package."""

from __future__ import annotations

from typing import TypeVar, get_args

from zoo.likelihoods.base import Likelihood
from zoo.plugins.kinds import Kinds
from zoo.specs.domains import KINDS
from zoo.specs.protocols import Protocol

LikelihoodClass = TypeVar("LikelihoodClass", bound=type[Likelihood])


def _problem(cls: type[Likelihood]) -> str:
    """What a class lacks; empty if it is complete."""
    if cls.distribution is Likelihood.distribution:
        return f"{cls.__name__} does not implement distribution"
    if not _are_known(cls.domains, KINDS):
        return f"domains must be a tuple of {', '.join(map(repr, KINDS))}, not {cls.domains!r}"
    of_images = tuple(known for known in get_args(Protocol) if known != "real")
    if "image" in cls.domains and not _are_known(cls.protocols, of_images):
        known = ", ".join(map(repr, of_images))
        return f"protocols of an image likelihood must be a tuple of {known}, not {cls.protocols!r}"
    return ""


def _are_known(chosen: object, known: tuple[str, ...]) -> bool:
    return isinstance(chosen, tuple) and bool(chosen) and set(chosen) <= set(known)


LIKELIHOODS = Kinds("likelihood", Likelihood, _problem)


def register_likelihood(cls: LikelihoodClass) -> LikelihoodClass:
    """Class decorator that registers a likelihood in this process, for notebooks and scripts.

    It is registered under its `kind`. Packages use the entry-point group
    `autoencoder_zoo.likelihoods` instead. Rerunning a cell replaces the class. Run the same code
    before loading a saved model that uses it. Raises PluginError for an incomplete class and for a
    kind that is already registered.
    """
    LIKELIHOODS.register(cls)
    return cls
