"""`Outcome`: how a trial ended, and its file in the trial's folder. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from zoo.errors import ZooError
from zoo.io.files import read_regular, write_atomically
from zoo.specs.metrics import METRICS, Metrics
from zoo.specs.validation import Strict, parse_json, validated

OUTCOME = "trial.json"
"""Written last of all that a trial writes: without it, the trial has not ended."""
MAX_BYTES = 1_000_000


class Outcome(Strict):
    """How a trial ended. It says no time, host or path: the same wherever the trial ran."""

    state: Literal["finished", "stopped", "failed"]
    """Stopped: another's decision, because others were better."""
    epochs: int | None = None
    """Epochs that it was trained for."""
    validation_loss: float | None = None
    """Loss on the validation split after the last epoch, in nats per image."""
    metrics: dict[str, float] = Field(default={})
    """What was measured on the validation split, standard errors as `<name>_se`."""
    weights_sha256: str = ""
    error: str = ""
    """Why it failed."""


def failed(sentence: str) -> Outcome:
    """A failure, in one line."""
    return Outcome(state="failed", error=" ".join(sentence.split()))


def numbers_of(metrics: Metrics) -> dict[str, float]:
    """Everything that was measured, the family's own numbers last."""
    found: dict[str, float] = {}
    for name in (*METRICS, *metrics.own):
        for key, value in ((name, metrics.value_of(name)), (f"{name}_se", metrics.error_of(name))):
            if value is not None:
                found[key] = float(value)
    return found


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Into the trial's folder. Raises ZooError where the disk fails."""
    write_atomically(folder / OUTCOME, outcome.model_dump_json(indent=2) + "\n")


def read_outcome(folder: Path) -> Outcome | None:
    """How the trial of that folder ended, or None. Raises ZooError for a damaged file."""
    path = folder / OUTCOME
    if not path.exists():
        return None
    fields = parse_json(read_regular(path, MAX_BYTES, ZooError), str(path))
    return validated(Outcome, fields, ZooError, repr(str(path)))
