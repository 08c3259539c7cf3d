"""Showing a training's progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoo.training.loop import Report
from zoo.training.recipe import Recipe

SECONDS_PER_LINE = 30.0


@contextmanager
def progress_shown(recipe: Recipe) -> Iterator[Callable[[Report], None]]:
    """Gives what the loop calls with its reports; writes to standard error."""
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

        def tell(report: Report) -> None:
            done = (report.epoch - 1) * report.steps_per_epoch + report.step
            total = report.epochs * report.steps_per_epoch
            bars.update(
                bar, completed=done, total=total, epoch=report.epoch, losses=losses_text(report)
            )

        yield tell


class _Lines:
    """A line at an epoch's end, but not more than one in so many seconds."""

    def __init__(self) -> None:
        self.last = 0.0

    def __call__(self, report: Report) -> None:
        final = report.ended and report.epoch == report.epochs
        if not final and time.monotonic() - self.last < SECONDS_PER_LINE:
            return
        if not report.ended and self.last == 0.0:
            return
        self.last = time.monotonic()
        step = "" if report.ended else f" step {report.step}/{report.steps_per_epoch}"
        print(
            f"epoch {report.epoch}/{report.epochs}{step}: {losses_text(report)}",
            file=sys.stderr,
            flush=True,
        )


def losses_text(report: Report) -> str:
    """The loss terms of this epoch so far, in nats per image."""
    text = " + ".join(f"{name} {value:.2f}" for name, value in report.terms.items())
    if report.validation is not None:
        text += f" (validation {report.validation:.2f})"
    return f"{text} nats"
