"""Progress of a training: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoo.runtime import processes
from zoo.training.loop import Update
from zoo.training.recipe import Recipe

SECONDS_PER_LINE = 30.0


@contextmanager
def progress_shown(recipe: Recipe) -> Iterator[Callable[[Update], None]]:
    """Yields a callback that displays updates on standard error."""
    if not processes.is_first():
        yield lambda update: None
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(),
        TextColumn("{task.fields[losses]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        epochs = recipe.training.epochs
        bar = bars.add_task("", total=None, epoch=1, epochs=epochs, losses="")

        def on_progress(update: Update) -> None:
            done = (update.epoch - 1) * update.steps_per_epoch + update.step
            total = update.epochs * update.steps_per_epoch
            bars.update(
                bar, completed=done, total=total, epoch=update.epoch, losses=losses_text(update)
            )

        yield on_progress


class _Lines:
    """A line after the first and the last epoch, and one every SECONDS_PER_LINE in between."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self, update: Update) -> None:
        required = update.ended and update.epoch in (1, update.epochs)
        if not required and time.monotonic() - self.last < SECONDS_PER_LINE:
            return
        self.last = time.monotonic()
        step = "" if update.ended else f" step {update.step}/{update.steps_per_epoch}"
        print(
            f"epoch {update.epoch}/{update.epochs}{step}: {losses_text(update)}",
            file=sys.stderr,
            flush=True,
        )


def log_line(line: str) -> None:
    """Prints a line to standard error, in the first process only."""
    if processes.is_first():
        print(line, file=sys.stderr, flush=True)


def losses_text(update: Update) -> str:
    """The loss terms of this epoch so far, in nats per image."""
    text = " + ".join(f"{name} {value:.2f}" for name, value in update.terms.items())
    if update.validation is not None:
        text += f" (validation {update.validation:.2f})"
    return f"{text} nats"
