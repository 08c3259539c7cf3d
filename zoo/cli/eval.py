"""`zoo eval`"""

from __future__ import annotations

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
    device: str,
    json_: bool,
) -> None:
    """Measure a MODEL on images."""
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
        device=device,
    )
    if json_:
        print_json(metrics.model_dump(mode="json"))
        return
    say(f"{model} on {heading(metrics)}:")
    for line in lines_of(metrics):
        say(line)
