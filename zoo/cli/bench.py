"""`zoo bench`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli import complete
from zoo.cli.output import device_option, print_table, say
from zoo.io.text import number

if TYPE_CHECKING:
    from zoo.evaluation.bench import Entry


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete.models)
@click.option(
    "--nll-samples", default=0, show_default=True, help="K of the importance-weighted bound."
)
@click.option("--limit", type=int, help="Measure on the first so many images only.")
@click.option(
    "--json", "json_", type=click.Path(path_type=Path), help="Also write all numbers to a file."
)
@device_option
def bench(
    names: tuple[str, ...], nll_samples: int, limit: int | None, json_: Path | None, device: str
) -> None:
    """Measure published models (all, or NAMES) on their test sets, beside their published numbers.

    Every cell is what was measured now, then in brackets what was published. A model whose data
    are not here is named, and not measured.
    """
    from zoo.evaluation.bench import measure_models
    from zoo.folder import store
    from zoo.hub.find import EVERYTHING, find
    from zoo.io.files import write_atomically
    from zoo.registry import published

    chosen = list(names) or published.list_models()
    for name in chosen:
        published.line(name)  # misspelt names before any work
    results = measure_models(
        chosen,
        nll_samples,
        limit,
        device,
        on_progress=lambda text: click.echo(text, err=True),
        load=lambda name: store.load_source(find(name, EVERYTHING)),
    )
    print_results(results)
    if json_ is not None:
        entries = [one.as_json() for one in results]
        write_atomically(json_, json.dumps(entries, indent=2) + "\n")
        say(f"All numbers: {json_}")
    failed = [one.model for one in results if one.error]
    if failed:
        raise click.ClickException(f"{', '.join(failed)}: not measured; see above.")


def print_results(results: list[Entry]) -> None:
    """A table of what shares a protocol, and of what all share: reconstructions, scores against factors."""
    from zoo.specs.metrics import METRICS, OF_FACTORS

    measured = [one for one in results if one.measured]
    for one in results:
        if not one.measured:
            say(f"{one.model}: not measured. {one.missing or one.error}")
    if not measured:
        return
    shared = [name for name, metric in METRICS.items() if metric.of_grey_images]
    once = list({one.model: one for one in measured}.values())  # the same under every protocol
    _table("Reconstruction of grey images: any protocol, decode(encode(x))", once, shared)
    scored = [one for one in once if any(_cell(one, name) for name in OF_FACTORS)]
    if scored:
        _table("Codes of grey images against factors: any protocol", scored, list(OF_FACTORS))
    shared += OF_FACTORS
    for protocol in dict.fromkeys(one.measured.protocol for one in measured if one.measured):
        rows = [one for one in measured if one.measured and one.measured.protocol == protocol]
        names = [n for n in METRICS if n not in shared and any(_cell(one, n) for one in rows)]
        if names:
            _table(f"{protocol} protocol, nats per image", rows, names)
    for family in dict.fromkeys(one.family for one in once):
        rows = [one for one in once if one.family == family]
        own = dict.fromkeys(name for one in rows if one.measured for name in one.measured.own)
        if own:
            _table(f"numbers of family {family}'s own", rows, list(own))


def _table(title: str, rows: list[Entry], names: list[str]) -> None:
    cells = [
        (
            one.model,
            one.measured.dataset,
            f"{one.measured.n_images:,}",
            *(_cell(one, name) for name in names),
        )
        for one in rows
        if one.measured
    ]
    print_table(("model", "dataset", "images", *names), cells, title=title)


def _cell(one: Entry, name: str) -> str:
    """A number as it was measured now and, in brackets, as it was published; or nothing."""
    measured, published = one.measured, one.published
    now, then = (side.value_of(name) if side else None for side in (measured, published))
    if now is None and then is None:
        return ""
    errors = [side.error_of(name) for side in (measured, published) if side]
    error = next(filter(None, errors), None)
    return f"{number(now, error)} ({number(then, error)})"
