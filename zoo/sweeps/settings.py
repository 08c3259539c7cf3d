"""`Sweep`: what sweep.toml says, as validated, immutable data. No torch here."""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from zoo.errors import did_you_mean
from zoo.specs.metrics import METRICS, OF_FACTORS
from zoo.specs.validation import Strict, checked
from zoo.training.recipe import SECTIONS

MAX_TRIALS = 10_000
SEED = "training.seed"
DIGITS = 6
"""Digits of a number that is drawn: mathematical libraries differ in the last ones."""
HIGHER_IS_BETTER = ("psnr", "ssim", "active_units")

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Range(Strict):
    """Numbers to draw from; whole ones if both ends are."""

    low: int | float = Field(description="the least")
    high: int | float = Field(description="the greatest, which may be drawn too")
    log: bool = Field(default=False, description="whether each factor is as likely, not each step")


class Random(Strict):
    """Settings drawn at random, each from a range or a list."""

    trials: int = Field(ge=1, le=MAX_TRIALS, description="draws; each is run with every seed")
    seed: Seed = Field(default=0, description="of the draws")
    settings: dict[str, JsonValue] = Field(
        min_length=1, description="a setting's name to {low, high, log} or to a list of values"
    )


class Asha(Strict):
    """Trials with a worse validation loss than others are stopped early (Li et al. 2020)."""

    grace: int = Field(default=1, ge=1, description="epochs that every trial is given")
    reduction: int = Field(default=3, ge=2, description="of so many trials, one goes on")


class Resources(Strict):
    """What each trial computes with. It is part of what its bits depend on."""

    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="cuda: a GPU for each trial at a time"
    )
    threads: int = Field(default=1, ge=1, le=1024, description="threads of each trial")


class Sweep(Strict):
    """A recipe, what is changed in it, and what it is judged by."""

    recipe: str = Field(description="a published name, or a TOML file beside this one")
    metric: str = Field(description="a metric of the validation split")
    seeds: tuple[Seed, ...] = Field(default=(0,), description="training.seed of each run")
    overrides: dict[str, JsonValue] = Field(default={}, description="the same for every trial")
    grid: dict[str, tuple[JsonValue, ...]] = Field(
        default={}, description="a setting's name to its values; all combinations are run"
    )
    random: Random | None = None
    asha: Asha | None = None
    resources: Resources = Resources()

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the settings in which trials differ, as they are written, beside the seed."""
        return tuple(self.random.settings) if self.random else tuple(self.grid)

    @property
    def count(self) -> int:
        """Number of trials."""
        draws = self.random.trials if self.random else math.prod(map(len, self.grid.values()))
        return draws * len(self.seeds)

    @property
    def higher_is_better(self) -> bool:
        """Whether the best trial is the one with the highest metric."""
        return self.metric in HIGHER_IS_BETTER

    def contradictions(self) -> list[str]:
        """A line for everything that is wrong, whatever the recipe."""
        found = []
        if self.metric == "nll":
            found.append("metric: a training does not measure the nll; neg_elbo bounds it")
        elif self.metric in OF_FACTORS:
            found.append(
                f"metric: a training does not measure {self.metric}; zoo eval --factors does"
            )
        elif self.metric not in METRICS:
            known = [name for name in METRICS if name not in OF_FACTORS]
            hint = did_you_mean(self.metric, known) or f" Known: {', '.join(known)}."
            found.append(f"metric: there is no metric {self.metric!r:.60}.{hint}")
        if len(set(self.seeds)) < len(self.seeds):
            found.append("seeds: a seed stands twice")
        if not self.seeds:
            found.append("seeds: a list without values")
        if self.grid and self.random:
            found.append("grid, random: a sweep has one of them")
        names = [canonical(key) for key in (*self.overrides, *self.varied)]
        if SEED in names:
            found.append(f"{SEED}: goes into seeds = [0, 1, ...]")
        twice = sorted({name for name in names if names.count(name) > 1})
        return found + [f"{name}: is set twice" for name in twice]

    def impossible(self) -> list[str]:
        """A line for everything of which no trials can be made."""
        found = [
            f"grid.{key}: a list without values" for key, all_ in self.grid.items() if not all_
        ]
        for key, drawn in (self.random.settings if self.random else {}).items():
            found += _problems_of(f"random.settings.{key}", drawn)
        if self.count > MAX_TRIALS:
            found.append(f"{self.count:,} trials are too many; at most {MAX_TRIALS:,} are run")
        return found


def canonical(key: str) -> str:
    """A setting's whole name: a bare one is a field of [training]."""
    return key if key.partition(".")[0] in SECTIONS else f"training.{key}"


def _problems_of(where: str, drawn: JsonValue) -> list[str]:
    if isinstance(drawn, list):
        return [] if drawn else [f"{where}: a list without values"]
    if not isinstance(drawn, dict):
        return [f"{where}: should be {{low = ..., high = ...}} or a list of values"]
    range_, problems = checked(Range, drawn, where)
    if range_ is None:
        return problems
    if range_.low >= range_.high:
        return [f"{where}: low should be less than high"]
    if range_.log and range_.low <= 0:
        return [f"{where}: with log = true, low should be greater than 0, not {range_.low}"]
    return []


def draw(seed: int, trial: int, key: str, drawn: JsonValue) -> JsonValue:
    """A setting's value in one trial: it depends on nothing but these four.

    Args:
        seed: of the sweep's draws.
        trial: number of the draw.
        key: the setting's name; other settings of the sweep change nothing.
        drawn: a valid range, or a list of which each item is as likely.
    """
    digest = hashlib.sha256(f"{seed} {trial} {canonical(key)}".encode()).digest()
    u = int.from_bytes(digest[:6], "big") / 2**48  # in [0, 1), exact
    if isinstance(drawn, list):
        return drawn[int(u * len(drawn))]
    assert isinstance(drawn, dict)
    range_ = Range.model_validate(drawn)
    whole = isinstance(range_.low, int) and isinstance(range_.high, int)
    low, high = range_.low, range_.high + whole
    value = low * (high / low) ** u if range_.log else low + u * (high - low)
    if whole:
        return min(int(value), high - 1)
    return min(max(float(f"{value:.{DIGITS}g}"), range_.low), range_.high)
