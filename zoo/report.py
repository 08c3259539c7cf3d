"""metrics.json in words: the same for the card, `zoo show` and `zoo eval`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.text import number

UNITS = {
    "neg_elbo": "nats",
    "nll": "nats",
    "bce_plus_kl": "nats",
    "reconstruction": "nats",
    "kl": "nats",
    "bits_per_dim": "bits",
    "active_units": "",
    "mse": "per pixel",
    "psnr": "dB",
    "ssim": "",
}


def rows(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value with its standard error, and unit of everything that was measured."""
    found = []
    for name, unit in UNITS.items():
        value, error = metrics.get(name), metrics.get(f"{name}_se")
        if value is None:
            continue
        text = number(value, error)
        text += f" ± {number(error, error)}" if error else ""
        if name == "nll":
            unit = f"nats (K = {metrics['nll_samples']}, first {metrics['nll_n_images']:,} images)"
        found.append((name, text, unit))
    return found


def heading(metrics: Mapping[str, Any]) -> str:
    """On what it was measured."""
    return (
        f"{metrics['dataset']}, {metrics['split']} split, {metrics['n_images']:,} images, "
        f"{metrics['protocol']} protocol, seed {metrics['seed']}"
    )


def summary(record: Mapping[str, Any] | None) -> list[str]:
    """Lines that say everything that was measured."""
    if not record or not record.get("measured"):
        return ["No measured numbers."]
    lines = []
    for metrics in record["measured"]:
        lines.append(f"Measured on {heading(metrics)}:")
        lines += [f"  {name:<15} {value} {unit}".rstrip() for name, value, unit in rows(metrics)]
    return lines
