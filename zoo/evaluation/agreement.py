"""Whether numbers agree: measured again on the same images, or on the first of them only."""

from __future__ import annotations

import math
from typing import Any

from zoo.specs.metrics import METRICS

RELATIVE_OWN = 0.01
"""Of a family's own number, which may count what a rounding moves."""
UNITS_APART = 0.5
"""Share of the active units by which the full number may differ from a subset's."""
ERRORS_APART = 3.0
"""Times by which the spread over all images may differ from that over a subset's."""
FAR = 6.0
"""Standard errors by which the full numbers may differ from a subset's."""


def differences(measured: dict[str, Any], published: dict[str, Any]) -> list[str]:
    """Fields that do not agree when the same images were measured with the same noise."""
    found = [
        f"{name} is {_short(value)}, published {_short(published[name])}"
        for name, value in measured.items()
        if name != "own" and not _close(name, value, published[name], measured)
    ]
    ours, theirs = measured.get("own") or {}, published.get("own") or {}
    for name in sorted(ours.keys() & theirs.keys()):
        one, other = ours[name]["value"], theirs[name]["value"]
        if not math.isclose(one, other, rel_tol=RELATIVE_OWN, abs_tol=1e-6):
            found.append(f"{name} is {_short(one)}, published {_short(other)}")
    return found


def one_sided(measured: dict[str, Any], published: dict[str, Any]) -> list[str]:
    """Names of a family's own numbers that only one side has: the family gained or lost them."""
    return sorted((measured.get("own") or {}).keys() ^ (published.get("own") or {}).keys())


def _close(name: str, measured: Any, published: Any, all_measured: dict[str, Any]) -> bool:
    if not isinstance(measured, float) and name != "active_units":
        return measured == published
    if measured is None or published is None:
        return measured is published
    base = name.removesuffix("_se")
    if base == "mse":
        return math.isclose(measured, published, rel_tol=METRICS["mse"].tolerance)
    if base == "bits_per_dim":
        nats = abs(measured - published) * _nats_per_bit(all_measured)
        return nats <= METRICS["neg_elbo"].tolerance
    return abs(measured - published) <= METRICS[base].tolerance


def _nats_per_bit(measured: dict[str, Any]) -> float:
    """Nats of an image in one bit per dimension, from the two standard errors."""
    error = measured["bits_per_dim_se"]
    return measured["neg_elbo_se"] / error if error else 1.0


def far_apart(subset: dict[str, Any], published: dict[str, Any]) -> list[str]:
    """Means that are too far from those of the first images to be the same model's."""
    found = []
    for name in METRICS:
        if not _is_comparable(name, subset):
            continue
        ours, theirs = subset[name], published[name]
        far = UNITS_APART * ours if name == "active_units" else FAR * subset[f"{name}_se"]
        if (
            theirs is None
            or not abs(ours - theirs) <= far
            or not _errors_fit(name, subset, published)
        ):
            found.append(f"{name} is {_short(theirs)}; the first images have {_short(ours)}")
    return sorted(found)


def _errors_fit(name: str, subset: dict[str, Any], published: dict[str, Any]) -> bool:
    """Whether the standard errors are those of equal images, more of them on one side."""
    ours, theirs = subset.get(f"{name}_se"), published.get(f"{name}_se")
    if not ours:
        return True
    images = [one["nll_n_images" if name == "nll" else "n_images"] for one in (subset, published)]
    spread = (theirs or 0.0) * math.sqrt(images[1]) / (ours * math.sqrt(images[0]))
    return 1 / ERRORS_APART < spread < ERRORS_APART


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def unspoken(subset: dict[str, Any], published: dict[str, Any]) -> list[str]:
    """Names of published numbers that a subset's say nothing about."""
    names = (name for name in sorted(METRICS) if published[name] is not None)
    own = sorted(published.get("own") or {})
    return [*(name for name in names if not _is_comparable(name, subset)), *own]


def _is_comparable(name: str, subset: dict[str, Any]) -> bool:
    has_error = subset.get(f"{name}_se") is not None or name == "active_units"
    return subset[name] is not None and has_error
