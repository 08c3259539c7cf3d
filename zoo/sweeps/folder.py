"""A sweep's folder: what it was asked for, a run's folder for each trial, and the table.

sweep.toml      the sweep, every field written out; recipe.toml beside it is its recipe
trials/007/     a run's folder (`zoo train`), and trial.json: how the trial ended
trials/007.log  what the trial's process said
sweep.csv       a row for each trial
plots/*.png     where matplotlib is installed
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from zoo.errors import RecipeError, SourceError
from zoo.folder.config import read_text
from zoo.io.files import write_atomically
from zoo.io.locks import locked
from zoo.sweeps.outcome import OUTCOME, Outcome, read_outcome, write_outcome
from zoo.sweeps.plan import Plan, Trial, read_sweep
from zoo.sweeps.settings import Sweep
from zoo.sweeps.table import csv_text

SWEEP, RECIPE, TRIALS, TABLE, LOCK = "sweep.toml", "recipe.toml", "trials", "sweep.csv", ".lock"


@dataclass(frozen=True)
class SweepFolder:
    """A sweep's folder, held by this process alone."""

    path: Path
    plan: Plan
    lock: int
    """File descriptor: whoever holds it keeps others out."""

    def of(self, trial: Trial) -> Path:
        """A trial's folder."""
        return self.path / TRIALS / trial.name

    def left(self) -> list[Trial]:
        """The trials that have not ended, and those that failed: they are tried again."""
        outcomes = read_outcomes(self.plan, self.path)
        return [
            t
            for t in self.plan.trials
            if getattr(outcomes[t.number], "state", "failed") == "failed"
        ]

    @contextmanager
    def log(self, trial: Trial) -> Iterator[IO[bytes]]:
        """The file of what a trial's process says, empty."""
        (self.path / TRIALS).mkdir(exist_ok=True)
        with open(self.path / TRIALS / f"{trial.name}.log", "wb") as file:
            yield file

    def begin(self, trial: Trial) -> None:
        """Forgets how an earlier try of this trial ended."""
        (self.of(trial) / OUTCOME).unlink(missing_ok=True)

    def end(self, trial: Trial, outcome: Outcome) -> None:
        """Keeps how a trial ended, and writes the table."""
        if read_outcome(self.of(trial)) != outcome:
            write_outcome(self.of(trial), outcome)
        self.write_table()

    def write_table(self) -> None:
        """The table of what has ended so far."""
        outcomes = read_outcomes(self.plan, self.path)
        write_atomically(self.path / TABLE, csv_text(self.plan, outcomes))

    def put_files(self, trial: Trial, files: dict[str, bytes]) -> None:
        """A trial's folder from what another machine gave back, trial.json last."""
        shutil.rmtree(self.of(trial), ignore_errors=True)
        for name in sorted(files, key=lambda name: name == OUTCOME):
            write_atomically(self.of(trial) / name, files[name])

    def take_files(self, trial: Trial) -> dict[str, bytes]:
        """What is in a trial's folder, for another machine to go on with."""
        return files_in(self.of(trial))


def model_of(folder: Path, trial: int) -> Path:
    """The model's folder of a trial, by its number."""
    return folder / TRIALS / f"{trial:03}" / "model"


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file under a folder by its relative name; nothing of one that is not there."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def read_outcomes(plan: Plan, folder: Path) -> list[Outcome | None]:
    """How each trial ended, in their order. Raises ZooError for a damaged file."""
    return [read_outcome(folder / TRIALS / trial.name) for trial in plan.trials]


@contextmanager
def opened(plan: Plan, path: Path) -> Iterator[SweepFolder]:
    """The folder of this very sweep, new or gone on with, which no other process may have meanwhile.

    Raises SourceError for a folder of something else or that is in use, RecipeError for one of
    another sweep.
    """
    if path.exists() and not path.is_dir():
        raise SourceError(f"{str(path)!r} is a file; a sweep needs a folder.")
    if path.is_dir() and not (path / SWEEP).exists() and set(os.listdir(path)) - {LOCK, RECIPE}:
        raise SourceError(f"{str(path)!r} is not empty and holds no sweep. Choose another --out.")
    in_use = (
        f"Another process runs the sweep in {str(path)!r}. Wait for it, or choose another --out."
    )
    with locked(path / LOCK, in_use, SourceError) as lock:
        _say_or_compare(plan, path)
        yield SweepFolder(path, plan, lock)


def _say_or_compare(plan: Plan, path: Path) -> None:
    here = plan.sweep.model_copy(update={"recipe": RECIPE})
    if not (path / SWEEP).exists():
        write_atomically(path / RECIPE, plan.base.to_toml())
        write_atomically(path / SWEEP, _toml(here))  # last: with it the folder is a sweep's
        return
    text = read_text(path / RECIPE)
    if read_sweep(path / SWEEP) != here or text is None or not plan.base.matches(text):
        raise RecipeError(
            f"{str(path)!r} holds another sweep than this one; see its {SWEEP} and {RECIPE}. "
            "Choose another --out."
        )


def _toml(sweep: Sweep) -> str:
    import tomli_w

    return tomli_w.dumps(sweep.model_dump(mode="json", exclude_none=True))
