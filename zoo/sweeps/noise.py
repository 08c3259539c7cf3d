"""Which settings of a sweep are as good as the best, as far as its seeds and images can tell. No torch here."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.io.text import with_error
from zoo.sweeps.plan import Plan
from zoo.sweeps.table import Row, best_first

STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14)
"""Student's t: 95 % of differences that are noise are smaller, in standard errors; by degrees of freedom, from 1."""
SURE = 2.0
"""The same for many degrees of freedom, and for errors over images."""


@dataclass(frozen=True)
class Judged:
    """The setting that a sweep found best, and those that it cannot tell from it."""

    best: Row
    """The best trial of the best setting."""
    mean: float
    """The metric, over the seeds."""
    error: float | None
    """Its standard error: over seeds where there are several, else over images; None where neither is known."""
    alike: frozenset[int]
    """Numbers of all trials of the best setting, and of those that differ from it by no more than noise."""
    others: int
    """How many settings differ by no more than noise."""
    seeds: int


def judged(plan: Plan, table: Sequence[Row]) -> Judged | None:
    """What is best, and what is as good; None where no trial has the metric.

    With several seeds a setting is its mean over them. Trainings are taken to scatter alike under all
    settings, so that the standard deviation over seeds is one number, pooled. With one seed there are
    only the standard errors over images: how much trainings scatter remains unknown.
    """
    metric = plan.sweep.metric
    settings: dict[str, list[Row]] = {}
    for row in best_first(plan, table):
        if row[metric] is not None:
            key = json.dumps([row[name] for name in plan.sweep.varied])
            settings.setdefault(key, []).append(row)
    if not settings:
        return None
    sign = -1 if plan.sweep.higher_is_better else 1
    means = {key: statistics.fmean(row[metric] for row in rows) for key, rows in settings.items()}
    first = min(means, key=lambda key: sign * means[key])
    spread, times = _spread([[row[metric] for row in rows] for rows in settings.values()])

    def error(key: str) -> float | None:
        if spread is not None:
            return spread / math.sqrt(len(settings[key]))
        return settings[key][0].get(f"{metric}_se")

    def is_noise(key: str) -> bool:
        errors = error(key), error(first)
        if None in errors:
            return False
        return abs(means[key] - means[first]) < times * math.hypot(*filter(None, errors))

    alike = [key for key in settings if key == first or is_noise(key)]
    return Judged(
        best=settings[first][0],
        mean=means[first],
        error=error(first),
        alike=frozenset(row["trial"] for key in alike for row in settings[key]),
        others=len(alike) - 1,
        seeds=len(settings[first]),
    )


def _spread(groups: Sequence[Sequence[float]]) -> tuple[float | None, float]:
    """The standard deviation over seeds, pooled, and how many standard errors are no longer noise."""
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return None, SURE
    within = sum((len(group) - 1) * statistics.variance(group) for group in groups if group[1:])
    return math.sqrt(within / freedom), (*STUDENT, SURE)[min(freedom - 1, len(STUDENT))]


def sentences(plan: Plan, judged: Judged) -> list[str]:
    """What was found, for a person."""
    name, row = plan.sweep.metric, judged.best
    settings = (
        ", ".join(f"{key} = {row[key]}" for key in plan.sweep.varied) or "the recipe as it is"
    )
    mean = f", the mean of {judged.seeds} seeds" if judged.seeds > 1 else ""
    lines = [f"Best: {settings}: {name} {with_error(judged.mean, judged.error)}{mean}."]
    if judged.error is None:
        lines.append("Which differences are noise is unknown: give it several seeds.")
        return lines
    if not plan.sweep.varied:
        return lines
    by = "between seeds" if len(plan.sweep.seeds) > 1 else "between images"
    rest = (
        "1 other setting differs"
        if judged.others == 1
        else f"{judged.others} other settings differ"
    )
    if judged.others:
        lines.append(f"{rest} from it by no more than noise {by}: marked ~ in the table.")
    else:
        lines.append(f"All other settings differ from it by more than noise {by}.")
    if len(plan.sweep.seeds) == 1:
        lines.append(
            "One seed does not show how much trainings differ by chance: try seeds = [0, 1, 2]."
        )
    return lines
