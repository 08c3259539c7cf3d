"""A recipe trained with several seeds: what `zoo bench --seeds N --json FILE` writes. No torch here."""

from __future__ import annotations

import statistics
from typing import Any

from pydantic import Field

from zoo.specs.metrics import METRICS, Metrics, Seeds, Spread
from zoo.specs.validation import Strict


class SeedRun(Strict):
    """One training and its numbers."""

    seed: int
    sha256: str = Field(description="of the weights")
    measured: tuple[Metrics, ...] = Field(description="an entry for each protocol")


class SeedRuns(Strict):
    """All trainings of a recipe, which differ in the seed alone. Nothing is chosen among them."""

    recipe: str = Field(description="its name, or its file's")
    recipe_toml: str = Field(description="every setting, with the first seed")
    versions: dict[str, Any] = Field(description="of the zoo, torch and Python; machine, threads")
    runs: tuple[SeedRun, ...] = Field(min_length=2)
    seeds: tuple[Seeds, ...] = Field(description="mean and spread of each number")


def spreads_of(runs: tuple[SeedRun, ...]) -> tuple[Seeds, ...]:
    """Mean and spread of every number that all runs have, for each protocol."""
    found = []
    for place, first in enumerate(runs[0].measured):
        same = [run.measured[place] for run in runs]
        names = [*METRICS, *first.own]
        numbers = {name: spread for name in names if (spread := _spread(name, same))}
        found.append(
            Seeds(
                dataset=first.dataset,
                split=first.split,
                protocol=first.protocol,
                protocol_id=first.protocol_id,
                reconstruction_id=first.reconstruction_id,
                n_examples=first.n_examples,
                dataset_sha256=first.dataset_sha256,
                seed=first.seed,
                nll_samples=first.nll_samples,
                nll_n_examples=first.nll_n_examples,
                seeds=tuple(run.seed for run in runs),
                numbers=numbers,
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
        error=statistics.fmean(errors) if errors else None,
    )
