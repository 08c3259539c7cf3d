"""`Job`: a trial as plain data, which travels to the process that runs it. No torch here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from zoo.sweeps.plan import Trial
from zoo.sweeps.settings import Resources
from zoo.version import __version__


def versions() -> dict[str, str]:
    """Of the programs on which a trial's bits depend."""
    return {"autoencoder-zoo": __version__, "torch": version("torch").partition("+")[0]}


@dataclass(frozen=True)
class Job:
    """A trial as plain data, which travels."""

    name: str
    """The trial's folder's name."""
    sections: dict[str, Any]
    """The recipe, every field written out."""
    recipe: str | None
    """Name of the published recipe that it came from."""
    changed: dict[str, Any]
    resources: dict[str, Any]
    """As sweep.toml has them."""
    where: str
    """Working folder, which paths in the recipe may be relative to."""
    versions: dict[str, str] = field(default_factory=versions)

    @classmethod
    def of(cls, trial: Trial, resources: Resources) -> Job:
        """The job of a trial."""
        recipe = trial.recipe
        sections, computes = recipe.sections(), resources.model_dump()
        return cls(trial.name, sections, recipe.name, recipe.changed, computes, os.getcwd())
