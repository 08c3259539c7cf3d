"""A run's folder: its files, its state, and a lock for exclusive use.

recipe.toml             the recipe, with overrides applied
checkpoint.safetensors  exists from the first step until the model is measured and saved
history.jsonl           one line per epoch, appended as it ends
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
    """The files of a run, in any state."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe, with overrides applied."""
        return self.path / layout.RECIPE

    @property
    def checkpoint(self) -> Path:
        """Exists from the first step until the run is finished."""
        return self.path / CHECKPOINT

    @property
    def history(self) -> Path:
        """One line of JSON per epoch."""
        return self.path / HISTORY

    @property
    def model(self) -> Path:
        """The model's own folder."""
        return self.path / MODEL

    @property
    def is_finished(self) -> bool:
        """Whether the model is trained, measured and saved."""
        return (self.model / layout.CONFIG).exists() and not self.checkpoint.exists()

    def is_of(self, recipe: Recipe) -> bool:
        """Whether the folder holds a run of this recipe."""
        with suppress(RecipeError):
            text = read_text(self.recipe)
            return text is not None and recipe.matches(text)
        return False


class History:
    """history.jsonl, which can be read during the run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Truncates the file to these epochs, for a run that resumes from its checkpoint."""
        write_atomically(self.path, "".join(map(_line, records)))

    def append(self, record: Mapping[str, Any]) -> None:
        """Appends an epoch. Raises ZooError on I/O errors."""
        with writing(self.path), open(self.path, "ab", buffering=0) as file:
            file.write(_line(record).encode())


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


@contextmanager
def claimed(recipe: Recipe, out: str | Path | None, resume: bool, name: str) -> Iterator[RunFolder]:
    """Locks the folder of a run for exclusive use.

    Args:
        recipe: the recipe to train.
        out: the folder, new or empty; or, to resume, the folder of a run of this recipe. None is
            `runs/<name>` or the next free `runs/<name>-2`, ..., created at once, so that concurrent
            runs use different folders; to resume, the latest run of this recipe.
        resume: resume an existing run.
        name: name of the recipe.

    A new folder is removed at the end if it is still empty. Raises SourceError for a folder that is in
    use or is not a run, RecipeError for a run of another recipe.
    """
    first = Path("runs") / name
    with ExitStack() as stack:

        def claim() -> Path:
            if resume:
                path = _latest(first, recipe) if out is None else with_home(out)
                _check_resumable(path, recipe)
            else:
                path = next_free(first) if out is None else with_home(out)
                _check_empty(path)
                if out is None or not path.exists():
                    stack.callback(_remove_if_empty, path, *[path.parent] * (out is None))
            in_use = f"Another process is training in {str(path)!r}. Wait for it, or choose another --out."
            stack.enter_context(locked(path / LOCK, in_use, SourceError))
            if not resume:
                _check_empty(path)  # again: another process may have held the lock
            return path

        yield RunFolder(processes.from_first(claim))


def next_free(folder: Path) -> Path:
    """Creates the folder, or, if it exists, the first free one of `folder-2`, `folder-3`, ..."""
    for place in _numbered(folder):
        with writing(place):
            if _created(place):
                return place
    raise AssertionError("unreachable")


def _created(place: Path) -> bool:
    """Creates the folder; False if it exists."""
    for last in (False, False, True):
        try:
            os.makedirs(place)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:  # another run may have removed the empty parent folder
            if last:
                raise
    return False


def _latest(first: Path, recipe: Recipe) -> Path:
    """The latest unfinished run of this recipe, else its latest run, else the latest run of any."""
    existing = [RunFolder(place) for place in itertools.takewhile(Path.exists, _numbered(first))]
    started = [run for run in existing if run.recipe.exists()]
    own = [run for run in started if run.is_of(recipe)]
    unfinished = [run for run in own if not run.is_finished]
    return (unfinished or own or started or [RunFolder(first)])[-1].path


def _numbered(folder: Path) -> Iterator[Path]:
    yield folder
    yield from (folder.with_name(f"{folder.name}-{n}") for n in itertools.count(2))


def _check_empty(path: Path) -> None:
    _check_folder(path)
    if path.is_dir() and set(os.listdir(path)) - {LOCK}:
        raise SourceError(
            f"{str(path)!r} is not empty. Choose another --out, or --resume the existing run."
        )


def _check_resumable(path: Path, recipe: Recipe) -> None:
    _check_folder(path)
    text = read_text(path / layout.RECIPE)
    if text is None:
        raise SourceError(f"No run to resume in {str(path)!r}.")
    if not recipe.matches(text):
        raise RecipeError(
            f"The run in {str(path)!r} was started with another recipe; see its {layout.RECIPE}. "
            "Resume it with the same settings, or choose another --out."
        )


def _check_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise SourceError(f"{str(path)!r} is a file; a run needs a folder.")


def _remove_if_empty(*folders: Path) -> None:
    with suppress(OSError):  # not empty
        for folder in folders:
            folder.rmdir()
