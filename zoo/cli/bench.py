"""`zoo bench`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from zoo.cli.output import device_option, print_table, say


@click.command()
@click.argument("names", nargs=-1)
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
    from zoo import hub, published, store
    from zoo.evaluation.bench import measure_models
    from zoo.files import write_atomically

    chosen = list(names) or published.list_models()
    for name in chosen:
        published.line(name)  # misspelt names before any work
    results = measure_models(
        chosen,
        nll_samples,
        limit,
        device,
        tell=lambda text: click.echo(text, err=True),
        load=lambda name: store.load_source(hub.find(name, hub.EVERYTHING)),
    )
    print_results(results)
    if json_ is not None:
        write_atomically(json_, json.dumps(results, indent=2) + "\n")
        say(f"All numbers: {json_}")
    failed = [one["model"] for one in results if one.get("error")]
    if failed:
        raise click.ClickException(f"{', '.join(failed)}: not measured; see above.")


def print_results(results: list[dict[str, Any]]) -> None:
    """A table of what shares a protocol, and one of reconstructions, which all models share."""
    measured = [one for one in results if one.get("measured")]
    for one in results:
        if not one.get("measured"):
            say(f"{one['model']}: not measured. {one.get('missing') or one.get('error')}")
    if not measured:
        return
    shared = ("mse", "psnr", "ssim")
    once = list({one["model"]: one for one in measured}.values())  # the same under every protocol
    _table("Reconstruction of grey images: any protocol, decode(encode(x))", once, shared)
    for protocol in ("binarised", "dequantised", "grey"):
        rows = [one for one in measured if one["measured"]["protocol"] == protocol]
        if rows:
            names = (
                "neg_elbo",
                "bce_plus_kl",
                "reconstruction",
                "kl",
                "nll",
                "bits_per_dim",
                "active_units",
            )
            if some := [n for n in names if any(_known(one, n) for one in rows)]:
                _table(f"{protocol} protocol, nats per image", rows, some)
    for family in dict.fromkeys(one["family"] for one in once):
        rows = [one for one in once if one["family"] == family]
        if own := list(dict.fromkeys(name for one in rows for name in one["measured"]["own"])):
            _table(f"numbers of family {family}'s own", rows, own)


def _known(one: dict[str, Any], name: str) -> bool:
    from zoo.record import value_of

    published = one.get("published") or {}
    return any(value_of(numbers, name) is not None for numbers in (one["measured"], published))


def _table(title: str, rows: list[dict[str, Any]], names: Any) -> None:
    cells = [
        (
            one["model"],
            one["measured"]["dataset"],
            f"{one['measured']['n_images']:,}",
            *(_cell(one, name) for name in names),
        )
        for one in rows
    ]
    print_table(("model", "dataset", "images", *names), cells, title=title)


def _cell(one: dict[str, Any], name: str) -> str:
    from zoo.record import value_of
    from zoo.text import number

    measured, published = one["measured"], one.get("published") or {}
    now, then = value_of(measured, name), value_of(published, name)
    if now is None and then is None:
        return ""
    error = measured.get(f"{name}_se") or published.get(f"{name}_se")
    return f"{number(now, error)} ({number(then, error)})"
