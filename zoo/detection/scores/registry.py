"""Available scores: built in, registered in this process, or from an installed package."""

from __future__ import annotations

import contextlib
from typing import TypeVar

from zoo.detection.scores.base import Score
from zoo.plugins.guards import plugin_errors
from zoo.plugins.kinds import Kinds
from zoo.specs.domains import KINDS

ScoreClass = TypeVar("ScoreClass", bound=type[Score])


def _problem(cls: type[Score]) -> str:
    """What a class lacks; empty if it is complete."""
    if cls.values is Score.values:
        return f"{cls.__name__} does not implement values"
    if not (isinstance(cls.domains, tuple) and cls.domains and set(cls.domains) <= set(KINDS)):
        return f"domains must be a tuple of {', '.join(map(repr, KINDS))}, not {cls.domains!r}"
    return ""


SCORES = Kinds("score", Score, _problem)


def guarded(score: Score) -> contextlib.AbstractContextManager[None]:
    """Turns any error of a score that is not the zoo's into a PluginError that names it."""
    ours = type(score).__module__.startswith("zoo.")
    title = SCORES.title_of(type(score))
    return contextlib.nullcontext() if ours else plugin_errors(title, "failed to score examples")


def register_score(cls: ScoreClass) -> ScoreClass:
    """Class decorator that registers a score in this process, under its `kind`.

    Packages use the entry-point group `autoencoder_zoo.scores` instead. Raises PluginError for an
    incomplete class and for a kind that is already registered.
    """
    SCORES.register(cls)
    return cls
