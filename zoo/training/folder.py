"""A run's folder: its files, how far its run is, and one process at a time in it.

recipe.toml             the recipe as it is run
checkpoint.safetensors  from the training's first step until its model is measured and saved
history.jsonl           a line for each epoch, written as it ends
model/                  the model's own folder
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import RecipeError, SourceError
from zoo.folder import layout
from zoo.folder.config import read_text
from zoo.io.files import with_home, write_atomically, writing
from zoo.io.locks import locked
from zoo.runtime import processes
from zoo.training.recipe import Recipe

CHECKPOINT, HISTORY, MODEL, LOCK = "checkpoint.safetensors", "history.jsonl", "model", ".lock"


@dataclass(frozen=True)
class RunFolder:
    """Where a run is, whatever state it is in."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as it is run."""
        return self.path / layout.RECIPE

    @property
    def checkpoint(self) -> Path:
        """There from the first step on, until all is done."""
        return self.path / CHECKPOINT

    @property
    def history(self) -> Path:
        """A line of JSON for each epoch."""
        return self.path / HISTORY

    @property
    def model(self) -> Path:
        """The model's own folder."""
        return self.path / MODEL

    @property
    def is_finished(self) -> bool:
        """Whether its model is trained, measured and saved."""
        return (self.model / layout.CONFIG).exists() and not self.checkpoint.exists()

    def is_of(self, recipe: Recipe) -> bool:
        """Whether a run of this recipe was begun here."""
        with suppress(RecipeError):
            text = read_text(self.recipe)
            return text is not None and recipe.is_said_by(text)
        return False


class History:
    """history.jsonl, which can be read while the run goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Makes it say these epochs and no others: a run goes back to its checkpoint."""
        write_atomically(self.path, "".join(map(_line, records)))

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds an epoch. Raises ZooError where the disk fails."""
        with writing(self.path), open(self.path, "ab", buffering=0) as file:
            file.write(_line(record).encode())


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


@contextmanager
def claimed(recipe: Recipe, out: str | Path | None, resume: bool, name: str) -> Iterator[RunFolder]:
    """The folder of a run, which no other process may have until it ends.

    Args:
        recipe: what is trained.
        out: the folder, new or empty; or, to resume, that of a run of this recipe. None is
            `runs/<name>` or the next free `runs/<name>-2`, ..., created at once, so that a run that
            is started beside this one takes another; to resume, the latest run of this recipe.
        resume: continue the run that is there.
        name: of the recipe.

    A new folder in which nothing was written is removed at the end. Raises SourceError for a folder
    that is in use or of something else, RecipeError for a run of another recipe.
    """
    first = Path("runs") / name
    with ExitStack() as held:

        def claim() -> Path:
            if resume:
                path = _latest(first, recipe) if out is None else with_home(out)
                _check_resumable(path, recipe)
            else:
                path = next_free(first) if out is None else with_home(out)
                _check_empty(path)
                if out is None or not path.exists():
                    held.callback(_remove_if_empty, path, *[path.parent] * (out is None))
            in_use = (
                f"Another process trains in {str(path)!r}. Wait for it, or choose another --out."
            )
            held.enter_context(locked(path / LOCK, in_use, SourceError))
            if not resume:
                _check_empty(path)  # another process may have had it until now
            return path

        yield RunFolder(processes.from_first(claim))


def next_free(folder: Path) -> Path:
    """Creates the folder, or if it is there the first free one of `folder-2`, `folder-3`, ..."""
    for place in _numbered(folder):
        with writing(place):
            if _created(place):
                return place
    raise AssertionError("there are numbers without end")


def _created(place: Path) -> bool:
    """Whether the folder is there now and was not before."""
    for last in (False, False, True):
        try:
            os.makedirs(place)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:  # whoever leaves nothing in the folder above it removes that too
            if last:
                raise
    return False


def _latest(first: Path, recipe: Recipe) -> Path:
    """The last run of this recipe that is not finished, else the last one of it, or of any."""
    there = [RunFolder(place) for place in itertools.takewhile(Path.exists, _numbered(first))]
    begun = [run for run in there if run.recipe.exists()]
    own = [run for run in begun if run.is_of(recipe)]
    unfinished = [run for run in own if not run.is_finished]
    return (unfinished or own or begun or [RunFolder(first)])[-1].path


def _numbered(folder: Path) -> Iterator[Path]:
    yield folder
    yield from (folder.with_name(f"{folder.name}-{n}") for n in itertools.count(2))


def _check_empty(path: Path) -> None:
    _check_folder(path)
    if path.is_dir() and set(os.listdir(path)) - {LOCK}:
        raise SourceError(
            f"{str(path)!r} is not empty. Choose another --out, or --resume the run that is there."
        )


def _check_resumable(path: Path, recipe: Recipe) -> None:
    _check_folder(path)
    text = read_text(path / layout.RECIPE)
    if text is None:
        raise SourceError(f"There is no run to resume in {str(path)!r}.")
    if not recipe.is_said_by(text):
        raise RecipeError(
            f"The run in {str(path)!r} has another recipe than this one; see its {layout.RECIPE}. "
            "Resume it with the same settings, or choose another --out."
        )


def _check_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise SourceError(f"{str(path)!r} is a file; a run needs a folder.")


def _remove_if_empty(*folders: Path) -> None:
    with suppress(OSError):  # there is something in it
        for folder in folders:
            folder.rmdir()
