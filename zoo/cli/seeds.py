"""`zoo bench --seeds N`"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.output import print_table, say
from zoo.io.text import number
from zoo.runtime import processes

if TYPE_CHECKING:
    from zoo.specs.record import SeedRuns


def train_seeds(
    names: tuple[str, ...],
    count: int,
    nll_samples: int,
    limit: int | None,
    json_: Path | None,
    runs: Path | None,
    device: str,
) -> None:
    """Trains recipes with several seeds; prints mean and spread of each number."""
    from zoo.bench.seeds import train_with_seeds
    from zoo.io.files import with_home, write_atomically
    from zoo.training.recipe import load_recipe

    if processes.are_many():
        raise click.UsageError(
            "zoo bench --seeds trains in one process: start it without a launcher."
        )
    for name in names:
        load_recipe(name)  # mistakes before any work
    found = []
    with ExitStack() as stack:
        if runs is not None:
            folder = with_home(runs)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zoo-seeds-")))
        for name in names:
            one = train_with_seeds(
                name,
                count,
                folder,
                nll_samples=nll_samples,
                limit=limit,
                device=device,
                say=lambda text: click.echo(text, err=True),
            )
            found.append(one)
            _print(one)
    say(
        "over seeds: standard deviation of trainings that differ in the seed alone; over examples:\n"
        "standard error of one of them. Nothing was chosen: every seed counts."
    )
    if json_ is not None:
        entries = [one.model_dump(mode="json", exclude_none=True) for one in found]
        write_atomically(with_home(json_), json.dumps(entries, indent=2) + "\n")
        say(f"Each seed's numbers: {json_}")


def _print(one: SeedRuns) -> None:
    from zoo.specs.domains import Domain
    from zoo.specs.metrics import METRICS

    for part in one.seeds:
        nouns = Domain(part.domain, ()).nouns
        seeds = f"seeds {part.seeds[0]} to {part.seeds[-1]}"
        say(
            f"{one.recipe}, {seeds}: {part.dataset}, {part.split} split, {part.n_examples:,} {nouns}, "
            f"{part.protocol} protocol"
        )
        lines = []
        for name, spread in part.metrics.items():
            unit = METRICS[name].unit_of(part.domain) if name in METRICS else ""
            if name == "nll":
                unit += f" (K = {part.nll_samples:,}, first {part.nll_n_examples:,} {nouns})"
            errors = (number(error, error) for error in (spread.std, spread.se))
            lines.append((name, number(spread.mean, spread.std), *errors, unit))
        print_table(("number", "mean", "over seeds", f"over {nouns}", "unit"), lines)
