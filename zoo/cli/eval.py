"""`zoo eval`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli import complete
from zoo.cli.detect import as_data, parsed_score, reference_option, score_option
from zoo.cli.output import (
    as_json,
    check_order,
    column_option,
    device_option,
    extractor_option,
    limit_option,
    max_damaged_option,
    nll_samples_option,
    plus_minus,
    print_json,
    say,
)
from zoo.datasets import WITH_FACTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.detection.evaluate import Detection
    from zoo.specs.reconstruction import Reconstructions


@click.command("eval")
@click.argument("model", shell_complete=complete.models)
@click.argument("data", required=False, shell_complete=complete.datasets)
@click.option(
    "--dataset",
    help="The same as DATA.",
    shell_complete=complete.datasets,
)
@click.option(
    "--split",
    help="train, validation or test.  [default: test; all of a dataset that has no parts and is not its recipe's]",
)
@click.option(
    "--protocol",
    help="binarized, dequantized, levels or gray, and real for rows and series; or for reconstructions of images alone native, whole or "
    "center-N (see `zoo compare`).  [default: its recipe's; without one, native where the family takes any size]",
)
@nll_samples_option
@limit_option
@click.option("--seed", default=0, show_default=True, help="Of the posterior's draws.")
@click.option(
    "--factors",
    type=click.UNPROCESSED,  # True stays what it is
    is_flag=False,
    flag_value=True,
    default=False,
    metavar="[FILE]",
    help="Score codes against the factors of each example: a CSV file's, or those that the dataset "
    f"knows ({', '.join(WITH_FACTORS)}).",
)
@click.option(
    "--against",
    metavar="OUT",
    help="Measure how well a score separates the anomalies OUT, which are positive, from DATA: AUROC, AUPR, FPR at "
    "95 % TPR.",
    shell_complete=complete.datasets,
)
@click.option("--both", is_flag=True, help="With --against: also with DATA as positive.")
@score_option
@reference_option
@max_damaged_option
@column_option
@extractor_option
@device_option
@as_json
def evaluate(
    model: str,
    data: str | None,
    dataset: str | None,
    split: str | None,
    protocol: str | None,
    nll_samples: int,
    limit: int | None,
    seed: int,
    factors: bool | str,
    against: str | None,
    both: bool,
    score: str,
    reference: str | None,
    max_damaged: int | None,
    column: str | None,
    extractor: str | None,
    device: str,
    json_: bool,
) -> None:
    """Measure a MODEL on DATA: a name, a folder of images, tar shards, a .npy or .npz of images, rows or
    series; without it, on its recipe's. What stands behind `--factors` is its file, so MODEL comes first.
    """
    import zoo
    from zoo.cards.record import heading, lines_of
    from zoo.specs.reconstruction import is_reconstruction

    if data and dataset:
        raise click.UsageError("DATA and --dataset are the same: give one.")
    dataset = data or dataset
    check_order([dataset] if dataset else [])
    if against is not None:
        if dataset is None or protocol or nll_samples or factors or extractor or seed:
            raise click.UsageError(
                "--against goes with DATA, --score, --reference, --both, --split, --limit and --device alone."
            )
        found = zoo.evaluate_detection(
            model,
            as_data(dataset),
            as_data(against),
            parsed_score(score),
            split=split,
            reference=None if reference is None else as_data(reference),
            limit=limit,
            both=both,
            device=device,
        )
        _print_detection(model, found, json_)
        return
    if both or reference or score != "default":
        raise click.UsageError("--both, --score and --reference go with --against.")
    if dataset and not (protocol or nll_samples or factors):
        known = zoo.info(model)
        if known.recipe is None and known.spec.stride:
            protocol = "native"
    if protocol and is_reconstruction(protocol):
        if nll_samples or factors:
            raise click.UsageError(f"{protocol} measures reconstructions alone.")
        if dataset is None:
            raise click.UsageError(
                f"Under {protocol} say which images: a folder, or a dataset's name."
            )
        found = zoo.measure_reconstructions(
            model,
            dataset,
            protocol,
            split=split,
            limit=limit,
            extractor=extractor,
            column=column,
            max_damaged=max_damaged or 0,
            device=device,
        )
        _print_reconstructions(model, found, json_)
        return
    if extractor:
        raise click.UsageError("--extractor goes with --protocol native, whole or center-N.")
    metrics = zoo.evaluate(
        model,
        dataset,
        split=split,
        protocol=protocol,  # pyright: ignore[reportArgumentType]  # checked there
        nll_samples=nll_samples,
        limit=limit,
        seed=seed,
        factors=Path(factors) if isinstance(factors, str) else factors,
        column=column,
        max_damaged=max_damaged,
        device=device,
    )
    if json_:
        print_json(metrics.model_dump(mode="json"))
        return
    say(f"{model} on {heading(metrics)}:")
    for line in lines_of(metrics):
        say(line)


def _print_detection(model: str, found: Sequence[Detection], json_: bool) -> None:
    if json_:
        print_json([one.model_dump(mode="json") | {"identity": one.identity} for one in found])
        return
    for one in found:
        say(
            f"{model}: {one.n_anomalous:,} anomalies, {one.anomalous}, against {one.n_normal:,} normal "
            f"examples, {one.normal}:"
        )
        say(f"  score  {one.score['kind']} ({one.identity})")
        for name in ("auroc", "aupr", "fpr95"):
            value, error = getattr(one, name), getattr(one, f"{name}_se")
            say(f"  {name}  {value:.4f}{plus_minus(error, '.4f')}")


def _print_reconstructions(model: str, found: Reconstructions, json_: bool) -> None:
    if json_:
        print_json(found.model_dump(mode="json"))
        return
    say(f"{model} on {found.dataset}, {found.split}, {found.n_examples:,} images:")
    say(f"  protocol            {found.protocol.title}")
    for name, unit in (("mse", "of values in [0, 1]"), ("psnr", "dB"), ("ssim", "")):
        value, error = getattr(found, name), getattr(found, f"{name}_se")
        if value is not None:
            say(f"  {name:<18}  {value:.5g}{plus_minus(error, '.2g')} {unit}".rstrip())
    for name, (value, error) in found.distances.items():
        say(f"  {name:<18}  {value:.5g}" + plus_minus(error, ".2g"))
    if found.extractor:
        say(f"  extractor           {found.extractor}, weights {str(found.extractor_sha256)[:12]}")
    say(f"  code                {found.values_per_pixel:.3g} numbers a pixel")
    say(f"  time                {found.seconds_per_image * 1e3:.1f} ms an image, the median")
    if found.n_distinct < found.n_examples:
        say(f"  distinct            {found.n_distinct:,} of the images")
    say(found.left_out)
