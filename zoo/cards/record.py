"""`metrics.json`: built from measurements, and formatted as text in one way everywhere. No torch."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from zoo.io.text import number, with_error
from zoo.specs.domains import Domain
from zoo.specs.ground import table_ground
from zoo.specs.metrics import METRICS, OF_FACTORS, Metrics
from zoo.specs.record import Ending, Measured, Record
from zoo.version import __version__


def record_of(
    measured: Sequence[Metrics],
    *,
    subset: Sequence[Metrics] = (),
    baselines: Mapping[str, Metrics] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Record:
    """The content of metrics.json.

    Args:
        measured: the model's metrics, one `zoo.Metrics` per split and protocol.
        subset: the same on the first images only, for a quick `zoo verify`.
        baselines: metrics of other models measured for comparison, by description.
        training: how the training ended.
    """
    return Record(
        format="autoencoder-zoo-metrics/1",
        measured=tuple(map(_entry, measured)),
        subset=tuple(map(_entry, subset)),
        baselines={what: _entry(one) for what, one in (baselines or {}).items()},
        training=Ending.model_validate(dict(training or {})),
        environment=environment(),
    )


def environment() -> dict[str, Any]:
    """What metrics depend on besides the model: versions, machine, threads and precision."""
    import torch

    return {
        "autoencoder-zoo": __version__,
        "torch": torch.__version__.partition("+")[0],
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "precision": "float32",
    }


def _entry(metrics: Metrics) -> Measured:
    return Measured.model_validate_json(metrics.model_dump_json())


def record_text(record: Record) -> str:
    """The text of metrics.json: floats unrounded, no NaN."""
    return json.dumps(record.as_json(), indent=2, allow_nan=False) + "\n"


class Row(NamedTuple):
    """One measured value."""

    name: str
    value: float
    text: str
    """The value, rounded by its standard error, and that error."""
    unit: str


def rows(metrics: Metrics) -> list[Row]:
    """All measured values, the family's own metrics last."""
    found, nouns = [], Domain(metrics.domain, ()).nouns
    for name, metric in METRICS.items():
        value, error = metrics.value_of(name), metrics.error_of(name)
        unit = metric.unit_of(metrics.domain)
        if value is None:
            continue
        text = with_error(value, error)
        if name == "nll":
            unit = f"nats (K = {metrics.nll_samples}, first {metrics.nll_n_examples:,} {nouns})"
        if name in OF_FACTORS and metrics.factors:
            unit = f"{len(metrics.factors)} factors, {metrics.factors_n_examples:,} {nouns}"
        found.append(Row(name, value, text, unit))
    own = metrics.own.items()
    return found + [Row(name, one.value, number(one.value), one.unit) for name, one in own]


def heading(metrics: Metrics) -> str:
    """What it was measured on: dataset, split, number of examples, protocol and seed."""
    return str(table_ground(metrics, metrics.protocol))


def summary(record: Record | None) -> list[str]:
    """Lines with all measured values."""
    if record is None or not record.measured:
        return ["No measured numbers."]
    lines = []
    for metrics in record.measured:
        lines.append(f"Measured on {heading(metrics)}:")
        lines += lines_of(metrics)
    return lines


def lines_of(metrics: Metrics) -> list[str]:
    """One line per value."""
    found = rows(metrics)
    width = max([15, *(len(row.name) for row in found)])
    return [f"  {row.name:<{width}} {row.text} {row.unit}".rstrip() for row in found]
