"""`zoo bench`"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli import complete
from zoo.cli.output import device_option, limit_option, nll_samples_option, say
from zoo.cli.standings import print_results
from zoo.runtime import processes

if TYPE_CHECKING:
    from zoo.bench.entries import Entry


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete.models)
@nll_samples_option
@limit_option
@click.option(
    "--json", "json_", type=click.Path(path_type=Path), help="Also write all numbers to a file."
)
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw plots into a folder.")
@click.option(
    "--html", type=click.Path(path_type=Path), help="Also write tables, plots, pictures: one file."
)
@click.option(
    "--seeds",
    type=click.IntRange(min=2),
    help="Train the recipes NAMES with so many seeds instead, and measure the spread.",
)
@click.option("--runs", type=click.Path(path_type=Path), help="Keep the runs of --seeds here.")
@device_option
def bench(
    names: tuple[str, ...],
    nll_samples: int,
    limit: int | None,
    json_: Path | None,
    plot: Path | None,
    html: Path | None,
    seeds: int | None,
    runs: Path | None,
    device: str,
) -> None:
    """Measure published models (all, or NAMES) on their test sets, beside their published numbers.

    Models share a table where they saw the same examples under the same protocol; the best stands
    first, and what differs by less than two standard errors shares a rank. A model whose data are
    not here is named, and not measured; where that is so of all of them, the command fails. What was trained already in the folder of --runs is not
    trained again.
    """
    if seeds is None:
        if runs is not None:
            raise click.UsageError("--runs keeps the runs of --seeds N.")
        _measure(names, nll_samples, limit, json_, plot, html, device)
        return
    if not names:
        raise click.UsageError("--seeds trains recipes: say which, such as vae-digits-8.")
    if plot is not None or html is not None:
        raise click.UsageError("--plot and --html are of published models, not of --seeds.")
    from zoo.cli.seeds import train_seeds

    train_seeds(names, seeds, nll_samples, limit, json_, runs, device)


def _measure(
    names: tuple[str, ...],
    nll_samples: int,
    limit: int | None,
    json_: Path | None,
    plot: Path | None,
    html: Path | None,
    device: str,
) -> None:
    from zoo.bench.entries import measure_models
    from zoo.folder import store
    from zoo.hub.find import EVERYTHING, find
    from zoo.io.files import with_home, write_atomically
    from zoo.registry import published

    chosen = list(names) or published.list_models()
    for name in chosen:
        published.line(name)  # misspelled names before any work
    if plot is not None or html is not None:
        from zoo.bench.charts import check_matplotlib

        check_matplotlib()
    if plot is not None:
        _check_shared(names)
    results = measure_models(
        chosen,
        nll_samples,
        limit,
        device,
        on_progress=lambda text: click.echo(text, err=True),
        load=lambda name: store.load_source(find(name, EVERYTHING)),
        draw=html is not None,
    )
    if processes.is_first():
        print_results(results)
    failed = [one.model for one in results if one.error]
    if not failed and not any(one.measured for one in results):
        raise click.ClickException("nothing was measured, for no model's data are here: see above.")
    if processes.is_first():
        if json_ is not None:
            entries = [one.as_json() for one in results]
            write_atomically(with_home(json_), json.dumps(entries, indent=2) + "\n")
            say(f"All numbers: {json_}")
        if plot is not None:
            _plot(results, with_home(plot))
        if html is not None:
            command = _command(names, nll_samples, limit, html)
            _write_page(results, command, nll_samples, device, with_home(html))
    if failed:
        raise click.ClickException(f"{', '.join(failed)}: not measured; see above.")


def _check_shared(names: tuple[str, ...]) -> None:
    """Raises InputError where several models were named to be plotted and none compares with another."""
    from zoo.errors import InputError
    from zoo.folder.config import read_info
    from zoo.registry import published
    from zoo.specs.ground import Ground, table_ground
    from zoo.specs.record import Record

    if len(set(names)) < 2:
        return
    grounds: dict[str, set[Ground]] = {}
    for name in dict.fromkeys(names):
        line = published.line(name)
        if not line.folder.is_dir():
            return  # on the Hub: what it was measured on is not known yet
        record = read_info(line.folder, name, line).metrics or Record()
        grounds[name] = {table_ground(one, one.protocol) for one in record.measured}
    everything = [ground for own in grounds.values() for ground in own]
    if len(everything) > len(set(everything)):
        return
    told = "; ".join(
        f"{name}: {' or '.join(sorted(f'{one.dataset}, {one.protocol}' for one in own))}"
        for name, own in grounds.items()
    )
    raise InputError(
        f"These models share no dataset and protocol, so their numbers do not compare ({told}). "
        "Plot each by itself, or name models that share one."
    )


def _plot(results: list[Entry], folder: Path) -> None:
    from zoo.bench.charts import charts_of
    from zoo.bench.ranks import standings
    from zoo.io.files import write_atomically

    taken: set[Path] = set()
    for standing in standings(results):
        for chart in charts_of(standing):
            path = folder / f"{chart.name}.png"
            if path in taken:  # other images of the same dataset
                path = path.with_stem(f"{chart.name}-{standing.ground.sha256[:8]}")
            taken.add(path)
            write_atomically(path, chart.draw("png"))
            say(f"{path}")


def _write_page(
    results: list[Entry], command: str, nll_samples: int, device: str, path: Path
) -> None:
    from zoo.bench.page import render_page
    from zoo.cards.record import environment
    from zoo.io.files import write_atomically
    from zoo.runtime.devices import find_device

    settings = {
        "K of nll": f"{nll_samples:,}" if nll_samples else "nll was not measured",
        "device": find_device(device).type,
        **environment(),
    }
    write_atomically(path, render_page(results, command, settings))
    say(f"The page: {path}")


def _command(names: tuple[str, ...], nll_samples: int, limit: int | None, html: Path) -> str:
    """What was typed, without folders of this machine."""
    words = ["zoo", "bench", *names]
    words += ["--nll-samples", str(nll_samples)] if nll_samples else []
    words += ["--limit", str(limit)] if limit is not None else []
    return shlex.join([*words, "--html", html.name])
