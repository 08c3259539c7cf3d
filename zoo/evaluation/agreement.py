"""Whether numbers agree: measured again on the same images, or on the first of them only."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from zoo.specs.ground import ground_of
from zoo.specs.metrics import METRICS, Metrics

MetricsT = TypeVar("MetricsT", bound=Metrics)

RELATIVE_OWN = 0.01
"""Of a family's own number, which may count what a rounding moves."""
UNITS_APART = 0.5
"""Share of the active units by which the full number may differ from a subset's."""
FAR = 6.0
"""Standard errors by which the full numbers may differ from a subset's."""


def differences(measured: Metrics, published: Metrics) -> list[str]:
    """Fields that do not agree when the same images were measured with the same noise.

    What an earlier version did not write yet is not compared; a family's own numbers are as
    far as both sides have them.
    """
    ours, theirs = dict(measured), dict(published)
    del ours["own"]
    later = {"protocol_id", "reconstruction_id", *METRICS}
    newer = {name for name in ours if name.removesuffix("_se") in later and theirs[name] is None}
    apart = [n for n in ours if n not in newer and not _close(n, ours[n], theirs[n])]
    for name in sorted(measured.own.keys() & published.own.keys()):
        ours[name], theirs[name] = measured.own[name].value, published.own[name].value
        if not math.isclose(ours[name], theirs[name], rel_tol=RELATIVE_OWN, abs_tol=1e-6):
            apart.append(name)
    return [f"{name} is {_short(ours[name])}, published {_short(theirs[name])}" for name in apart]


def without_bound(metrics: MetricsT) -> MetricsT:
    """The same numbers but for the nll, which another K or other images make another number."""
    gone = ("nll", "nll_se", "nll_samples", "nll_n_examples")
    return metrics.model_copy(update=dict.fromkeys(gone))


def _close(name: str, ours: Any, theirs: Any) -> bool:
    base = name.removesuffix("_se")
    if base not in METRICS or ours is None or theirs is None:
        return ours == theirs
    tolerance = METRICS[base].tolerance
    if base == "mse":
        return math.isclose(ours, theirs, rel_tol=tolerance)
    return abs(ours - theirs) <= tolerance


def beside_subset(subset: Metrics, published: Metrics) -> tuple[list[str], list[str]]:
    """Compares the numbers of all examples with those of the first ones.

    Returns those that are too far off to be the same model's, and the names of those that the
    subset says nothing about.
    """
    far, unknown = [], []
    for name in METRICS:
        ours, theirs = subset.value_of(name), published.value_of(name)
        error = subset.error_of(name)
        if theirs is None:
            continue
        is_part = ground_of(subset, name).is_part_of(ground_of(published, name))
        if ours is None or not is_part or (error is None and name != "active_units"):
            unknown.append(name)
            continue
        most = UNITS_APART * ours if error is None else FAR * error
        if abs(ours - theirs) > most:
            far.append(f"{name} is {_short(theirs)}; the first images have {_short(ours)}")
    return sorted(far), sorted(unknown) + sorted(published.own)


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
