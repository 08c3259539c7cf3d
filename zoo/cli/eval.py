"""`zoo eval`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import as_json, device_option, print_json, say


@click.command("eval")
@click.argument("model", shell_complete=complete.models)
@click.option(
    "--dataset",
    help="A name, a folder of images, a .npy or .npz.  [default: its recipe's]",
    shell_complete=complete.datasets,
)
@click.option("--split", default="test", show_default=True, help="train, validation or test.")
@click.option("--protocol", help="binarised, dequantised, levels or grey.  [default: its recipe's]")
@click.option(
    "--nll-samples", default=0, show_default=True, help="K of the importance-weighted bound."
)
@click.option("--limit", type=int, help="Measure on the first so many images only.")
@click.option("--seed", default=0, show_default=True, help="Of the posterior's draws.")
@click.option(
    "--factors",
    type=click.UNPROCESSED,  # True stays what it is
    is_flag=False,
    flag_value=True,
    default=False,
    metavar="[FILE]",
    help="Score codes against the factors of each image: a CSV file's, or those that the dataset "
    "knows, as sprites does.",
)
@device_option
@as_json
def evaluate(
    model: str,
    dataset: str | None,
    split: str,
    protocol: str | None,
    nll_samples: int,
    limit: int | None,
    seed: int,
    factors: bool | str,
    device: str,
    json_: bool,
) -> None:
    """Measure a MODEL on images. What stands behind `--factors` is its file, so MODEL comes first."""
    import zoo
    from zoo.folder.record import heading, lines_of

    metrics = zoo.evaluate(
        model,
        dataset,
        split=split,
        protocol=protocol,  # pyright: ignore[reportArgumentType]  # checked there
        nll_samples=nll_samples,
        limit=limit,
        seed=seed,
        factors=Path(factors) if isinstance(factors, str) else factors,
        device=device,
    )
    if json_:
        print_json(metrics.model_dump(mode="json"))
        return
    say(f"{model} on {heading(metrics)}:")
    for line in lines_of(metrics):
        say(line)
