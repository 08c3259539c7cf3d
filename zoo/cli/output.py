"""How every verb prints: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

from zoo.io.text import printable

if TYPE_CHECKING:
    from zoo.evaluation.report import Check

MODEL = "model"
"""What a run's folder calls its model's."""
SECONDS_PER_LINE = 30.0
"""Between lines of progress."""

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON instead.")
device_option = click.option(
    "--device", default="auto", show_default=True, help="cpu, cuda, mps, ..., or auto."
)

max_damaged_option = click.option(
    "--max-damaged",
    type=click.IntRange(0),
    metavar="N",
    help="Leave out up to N examples that cannot be read.  [default: as the model's recipe does, else 0]",
)
column_option = click.option(
    "--column",
    help="The column of images of parquet files; of tar shards the extension, as seg.png.",
)
limit_option = click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Measure on the first N examples only.",
)
nll_samples_option = click.option(
    "--nll-samples",
    type=click.IntRange(0),
    metavar="K",
    default=0,
    show_default=True,
    help="K of the importance-weighted bound.",
)
extractor_option = click.option(
    "--extractor",
    help="What more distances are taken by: lpips-vgg, lpips-alex, lpips-squeeze or inception, whose "
    "weights are fetched, or taken from a file, as lpips-vgg=FILE@SHA256; or a model of the zoo's.",
)


def print_json(value: Any) -> None:
    """Indented JSON on standard output."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None
) -> None:
    """A table without markup; columns after the first are as wide as they need."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE_HEAD,
        title=Text(title) if title else None,
        title_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        table.add_column(Text(printable(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(table)


def print_checks(checks: Iterable[Check]) -> None:
    """What was asked and found, one a line."""
    for check in checks:
        say(f"  {check.result:<12}  {check.what}: {check.detail}")


def say(text: str) -> None:
    """A line on standard output, control characters escaped."""
    click.echo(printable(text))


def plus_minus(error: float | None, digits: str) -> str:
    """A standard error behind its number; nothing where there is none."""
    return "" if error is None else f" ± {error:{digits}}"


def npy_bytes(values: Any) -> bytes:
    """An array as a .npy file."""
    import io

    import numpy as np

    data = io.BytesIO()
    np.save(data, values)
    return data.getvalue()


def name_for(model: str) -> str:
    """What to call files about a MODEL: by its name, its folder's, or a run's where that is `model`."""
    name = PurePath(model.partition("@")[0]).name
    if os.path.isdir(model):
        folder = Path(os.path.abspath(model))
        name = folder.parent.name if folder.name == MODEL else folder.name
    return name or MODEL


def program() -> str:
    """How this command is started again from a shell: `zoo`, unless that is not on the PATH or another."""
    here = Path(sys.argv[0])
    if here.name != "zoo":
        return "python -m zoo"
    found = shutil.which("zoo")
    return "zoo" if found and Path(found).samefile(here) else str(here)


def check_order(images: Iterable[str]) -> None:
    """Raises UsageError where a published model is given for images: the two have changed places."""
    from zoo.registry import published

    for name in images:
        if not os.path.lexists(name) and published.known(name):
            raise click.UsageError(
                f"{name!r} is a model, and images were expected: MODEL comes first."
            )


@contextmanager
def progress_shown(count: int, nouns: str) -> Iterator[Callable[[int], None]]:
    """Gives what is called with the number of examples done: a bar on a terminal, else lines."""
    if not sys.stderr.isatty():
        yield _lines(count, nouns)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("", total=count)
        yield lambda done: bars.update(bar, completed=done)


def _lines(count: int, nouns: str) -> Callable[[int], None]:
    """A line in so many seconds, so that a short run prints none."""
    last = time.monotonic()

    def on_progress(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_PER_LINE:
            last = time.monotonic()
            print(f"{done:,} of {count:,} {nouns}", file=sys.stderr, flush=True)

    return on_progress
