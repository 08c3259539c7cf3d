"""metrics.json: what was measured, of which weights, and with what."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from zoo.evaluation.metrics import Metrics
from zoo.version import __version__

SUBSET = 500
"""Images that `zoo verify` measures again by default."""


def record_of(
    measured: Sequence[Metrics],
    *,
    subset: Sequence[Metrics] = (),
    beside: Mapping[str, Metrics] | None = None,
    training: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of metrics.json.

    Args:
        measured: the model's numbers, one Metrics for a split and protocol.
        subset: the same on the first images only, for a quick `zoo verify`.
        beside: numbers of other models measured for comparison, by what they are.
        training: how the training ended.
    """
    return {
        "format": "autoencoder-zoo-metrics/1",
        "measured": [one.model_dump(mode="json") for one in measured],
        "subset": [one.model_dump(mode="json") for one in subset],
        "beside": {what: one.model_dump(mode="json") for what, one in (beside or {}).items()},
        "training": dict(training or {}),
        "with": {
            "autoencoder-zoo": __version__,
            "torch": torch.__version__.partition("+")[0],
            "python": platform.python_version(),
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
            "precision": "float32",
        },
    }
