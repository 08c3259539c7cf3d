"""The table of a sweep: a row for each trial, in their order, the same wherever they ran. No torch here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from zoo.specs.metrics import METRICS
from zoo.sweeps.outcome import Outcome
from zoo.sweeps.plan import Plan

Row = dict[str, Any]


def rows(plan: Plan, outcomes: Sequence[Outcome | None]) -> list[Row]:
    """Each trial's settings and what came of it; None where nothing is known. All have the same keys.

    `state` is waiting, finished, stopped or failed; the sweep's metric comes before other numbers.
    """
    measured = {name: None for outcome in outcomes if outcome for name in outcome.metrics}
    numbers = [
        plan.sweep.metric,
        *(name for name in _in_order(measured) if name != plan.sweep.metric),
    ]
    found = []
    for trial, outcome in zip(plan.trials, outcomes, strict=True):
        ended = outcome or Outcome(state="failed")
        found.append(
            {
                "trial": trial.number,
                **trial.settings,
                "seed": trial.seed,
                "state": outcome.state if outcome else "waiting",
                "epochs": ended.epochs,
                **{name: ended.metrics.get(name) for name in numbers},
                "validation_loss": ended.validation_loss,
                "weights_sha256": ended.weights_sha256 or None,
                "error": ended.error or None,
            }
        )
    return found


def _in_order(measured: dict[str, None]) -> list[str]:
    """The zoo's numbers as they are always shown, then families' own by name."""
    zoo = [key for name in METRICS for key in (name, f"{name}_se") if key in measured]
    return zoo + sorted(measured.keys() - set(zoo))


def csv_text(plan: Plan, outcomes: Sequence[Outcome | None]) -> str:
    """sweep.csv: numbers in all their digits, lists and tables as JSON, nothing where nothing is known."""
    table = rows(plan, outcomes)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in table)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def best_first(plan: Plan, table: Sequence[Row]) -> list[Row]:
    """The rows by the sweep's metric; those without come last, in their order."""
    metric, sign = plan.sweep.metric, -1 if plan.sweep.higher_is_better else 1
    return sorted(table, key=lambda row: (row[metric] is None, sign * (row[metric] or 0.0)))
