"""metrics.json: metrics of a model, their spread over seeds, and how its training ended. No torch here."""

from __future__ import annotations

import statistics
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from zoo.specs.domains import Kind
from zoo.specs.metrics import METRICS, Metrics, OwnNumbers, is_reserved
from zoo.specs.validation import Strict


class Measured(Metrics):
    """One entry of metrics.json. Another version may have written it, with more fields."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]  # pyright: ignore[reportIncompatibleVariableOverride]  # how pydantic types the rest

    protocol: str = ""  # pyright: ignore[reportIncompatibleVariableOverride]  # another version may have more of them
    dataset_sha256: str = ""

    @field_validator("own")
    @classmethod
    def _own_names_are_not_reserved(cls, own: OwnNumbers) -> OwnNumbers:
        if reserved := sorted(filter(is_reserved, own)):
            raise ValueError(f"{reserved[0]} is the name of a built-in metric")
        return own

    @model_validator(mode="after")
    def _nll_is_complete(self):
        if self.nll is not None and None in (self.nll_samples, self.nll_n_examples):
            raise ValueError("an nll needs nll_samples and nll_n_examples")
        return self


class Spread(Strict):
    """Mean and spread of a metric over trainings that differ only in the seed."""

    mean: float = Field(description="over the seeds")
    std: float = Field(description="standard deviation over the seeds")
    se: float | None = Field(
        default=None, description="standard error over examples, averaged over the seeds"
    )


class Seeds(BaseModel):
    """Metrics over several seeds, on one split and protocol. Another version may write more fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    dataset: str
    domain: Kind = "image"
    split: str
    protocol: str
    protocol_id: str | None = None
    reconstruction_id: str | None = None
    n_examples: int
    dataset_sha256: str = ""
    seed: int = 0
    """Seed of the posterior samples, equal in every run."""
    nll_samples: int | None = None
    nll_n_examples: int | None = None
    factors_n_examples: int | None = None
    factors_sha256: str | None = None
    seeds: tuple[int, ...]
    """Seeds of the trainings."""
    metrics: dict[str, Spread]


HOW_COMPUTED = frozenset({"compile", "training.compile"})
"""Overrides that change how a training is computed, not its result."""


class Ending(BaseModel):
    """How a training ended, in metrics.json."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    recipe: str | None = None
    """Name of the published recipe."""
    overrides: dict[str, Any] = {}
    """Overridden settings, by dotted name."""
    epochs: int | None = None
    max_epochs: int | None = None
    interrupted: bool = False
    best_epoch: int | None = None
    device: str | None = None
    """`cpu`, or the GPU's name."""
    threads: int | None = None
    """Number of CPU threads."""

    @property
    def unchanged_recipe(self) -> str | None:
        """Name of the published recipe if it was run without overrides, compiled or not; else None."""
        return None if self.overrides.keys() - HOW_COMPUTED else self.recipe


class Record(BaseModel):
    """All of metrics.json. Another version may write more fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    format: str = ""
    measured: tuple[Measured, ...] = ()
    """Metrics of the model, one entry per split and protocol."""
    subset: tuple[Measured, ...] = ()
    """Metrics on the first N examples, for a quick `zoo verify`."""
    baselines: dict[str, Measured] = {}
    """Metrics of baselines, by name."""
    seeds: tuple[Seeds, ...] = ()
    """Spread of the recipe's metrics over seeds."""
    training: Ending = Ending()
    environment: dict[str, Any] = {}
    """Versions, machine, threads and precision of the measurement."""

    def as_json(self) -> dict[str, Any]:
        """Plain data without fields left at their defaults."""
        return self.model_dump(mode="json", exclude_unset=True)


class SeedRun(Strict):
    """One training and its metrics."""

    seed: int
    weights_sha256: str
    measured: tuple[Metrics, ...] = Field(description="one entry per protocol")


class SeedRuns(Strict):
    """Trainings of a recipe that differ only in the seed. All are included; none was selected."""

    recipe: str = Field(description="name of the recipe or of its file")
    recipe_toml: str = Field(description="every setting, with the first seed")
    environment: dict[str, Any] = Field(description="versions, machine, threads and precision")
    runs: tuple[SeedRun, ...] = Field(min_length=2)
    seeds: tuple[Seeds, ...] = Field(description="mean and spread of each metric")


SHARED = tuple(name for name in Seeds.model_fields if name in Metrics.model_fields)
"""Fields shared by runs that differ only in the seed."""


def spreads_of(runs: tuple[SeedRun, ...]) -> tuple[Seeds, ...]:
    """Mean and spread of every metric that all runs have, for each protocol."""
    found = []
    for place, first in enumerate(runs[0].measured):
        same = [run.measured[place] for run in runs]
        names = [*METRICS, *first.own]
        metrics = {name: spread for name in names if (spread := _spread(name, same))}
        found.append(
            Seeds(
                **{name: getattr(first, name) for name in SHARED},
                seeds=tuple(run.seed for run in runs),
                metrics=metrics,
            )
        )
    return tuple(found)


def _spread(name: str, measured: list[Metrics]) -> Spread | None:
    values = [value for one in measured if (value := one.value_of(name)) is not None]
    if len(values) < len(measured):
        return None
    errors = [error for one in measured if (error := one.error_of(name)) is not None]
    return Spread(
        mean=statistics.fmean(values),
        std=statistics.stdev(values),
        se=statistics.fmean(errors) if errors else None,
    )
