"""One trial, in a process of its own: `python -m zoo.sweeps.trial FOLDER PARENT`, its job on standard input."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import sys
import traceback
from pathlib import Path

import torch

from zoo.errors import TrainingError, ZooError
from zoo.folder import layout
from zoo.folder.config import read_info
from zoo.plugins.guards import cause
from zoo.runtime.orphans import end_with_parent
from zoo.sweeps.job import Job, versions
from zoo.sweeps.outcome import Outcome, failed, numbers_of, write_outcome
from zoo.training.folder import RunFolder
from zoo.training.loop import Update
from zoo.training.recipe import Recipe
from zoo.training.run import train


def main(folder: Path, parent: int) -> None:
    """Trains, and writes how it ended; an interrupted one has not ended."""
    job = Job(**json.load(sys.stdin))
    end_with_parent(parent)
    torch.set_num_threads(job.resources["threads"])
    try:
        outcome = _run(job, folder)
    except ZooError as failure:
        outcome = failed(str(failure).replace(str(folder), job.name))
    except Exception as failure:
        traceback.print_exc()
        outcome = failed(f"{cause(failure)}.".replace(str(folder), job.name))
    if outcome is not None:
        write_outcome(folder, outcome)


def _run(job: Job, folder: Path) -> Outcome | None:
    if job.versions != (here := versions()):
        pairs = ", ".join(f"{name} {here[name]} (not {v})" for name, v in job.versions.items())
        raise TrainingError(f"Where this trial was to run is {pairs}: its bits would be others.")
    begun = (folder / layout.RECIPE).exists()
    if not begun:
        shutil.rmtree(folder, ignore_errors=True)  # killed before it had written anything whole
    recipe = dataclasses.replace(Recipe.parse(job.sections, job.recipe), changed=job.changed)
    run = train(recipe, out=folder, device=job.resources["device"], resume=begun, on_update=_report)
    return None if run.interrupted else _result(RunFolder(folder))


def _report(update: Update) -> None:
    """A line for whoever may stop this trial."""
    if update.ended:
        loss = update.validation
        known = loss is not None and math.isfinite(loss)
        line = json.dumps({"epoch": update.epoch, "validation_loss": loss if known else None})
        print(line, flush=True)


def _result(folder: RunFolder) -> Outcome:
    """What a finished run's folder says."""
    info = read_info(folder.model, str(folder.model))
    record = info.metrics
    if record is None or not record.measured:
        raise TrainingError("The trained model was not measured.")
    last = json.loads(folder.history.read_text().splitlines()[-1]).get("validation_loss")
    return Outcome(
        state="finished",
        epochs=record.training.epochs,
        validation_loss=last if last is not None and math.isfinite(last) else None,
        metrics=numbers_of(record.measured[0]),
        weights_sha256=info.sha256,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
