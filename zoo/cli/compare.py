"""`zoo compare`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli import complete
from zoo.cli.output import (
    as_json,
    check_order,
    column_option,
    device_option,
    extractor_option,
    limit_option,
    max_damaged_option,
    plus_minus,
    print_json,
    print_table,
    say,
)
from zoo.runtime import processes

if TYPE_CHECKING:
    import torch

    from zoo.bench.compare import Row
    from zoo.models import Autoencoder


@click.command()
@click.argument("models", nargs=-1, required=True, shell_complete=complete.models)
@click.argument("images", shell_complete=complete.datasets)
@click.option(
    "--protocol",
    default="native",
    show_default=True,
    help="native (images as they are), whole (padded to a model's stride), center-256 (any size), each "
    "with settings that differ, such as center-256:resampler=lanczos:rounding=off. With whole:tile=512 large "
    "images are cut into tiles of 512 x 512: memory is bounded, and values near seams change.",
)
@click.option("--split", help="train, validation or test.  [default: test; all of a plain folder]")
@limit_option
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="A PNG to write: crops of typical images and the worst, the original first.",
)
@max_damaged_option
@column_option
@extractor_option
@device_option
@as_json
def compare(
    models: tuple[str, ...],
    images: str,
    protocol: str,
    split: str | None,
    limit: int | None,
    picture: Path | None,
    max_damaged: int | None,
    column: str | None,
    extractor: str | None,
    device: str,
    json_: bool,
) -> None:
    """Compare reconstructions of MODELS on IMAGES: a folder, tar shards, or a dataset's name.

    Every model sees the same images under the same protocol. A rank is shared by models whose PSNR
    differs by less than two standard errors of the difference, taken image by image. Models of rows and
    series are measured by `zoo eval`.
    """
    if picture is not None and picture.suffix.lower() != ".png":
        raise click.UsageError(f"--picture {str(picture)!r} does not end in .png.")
    check_order([images])
    from zoo.bench.compare import compare_models
    from zoo.evaluation.extractors import find_extractor
    from zoo.evaluation.prepared import prepared_images
    from zoo.folder import store
    from zoo.hub.find import find
    from zoo.io.files import with_home, write_atomically
    from zoo.runtime.devices import find_rank_device
    from zoo.specs.data import FOUND
    from zoo.specs.reconstruction import parse_protocol

    where = find_rank_device(device)

    def load(source: str) -> Autoencoder:
        return store.load_source(find(source))

    found = compare_models(
        models,
        load,
        prepared_images(
            images,
            parse_protocol(protocol),
            split=split,
            column=column or FOUND,
            max_damaged=max_damaged or 0,
        ),
        limit=limit,
        extractor=find_extractor(extractor).to(where) if extractor else None,
        device=where,
        on_progress=lambda text: click.echo(text, err=True),
    )
    if not processes.is_first():
        return
    if picture is not None:
        write_atomically(with_home(picture), found.picture)
    if json_:
        rows = [{"rank": row.rank} | row.numbers.model_dump(mode="json") for row in found.rows]
        print_json(rows)
        return
    _print(found.rows, where)
    if picture is not None:
        say(f"{picture}: {', '.join(found.shown)}; typical images, then the worst.")


def _print(rows: Sequence[Row], device: torch.device) -> None:
    import torch

    first = rows[0].numbers
    say(
        f"{first.dataset}, {first.split}: {first.n_examples:,} images "
        f"({first.images_sha256[:8]}), protocol {first.protocol.title}"
    )
    say(f"ms/image: median on {device.type}, threads: {torch.get_num_threads()}")
    own = first.distances
    print_table(
        ("rank", "model", "psnr, dB", "ssim", "mse", *own, "code/pixel", "parameters", "ms/image"),
        [
            (
                str(row.rank or ""),
                one.model,
                f"{one.psnr:.2f}" + plus_minus(one.psnr_se, ".2f"),
                "" if one.ssim is None else f"{one.ssim:.4f}" + plus_minus(one.ssim_se, ".4f"),
                f"{one.mse:.5f}",
                *(
                    f"{value:.4g}" + plus_minus(error, ".2g")
                    for value, error in one.distances.values()
                ),
                f"{one.values_per_pixel:.3g}",
                f"{one.parameters:,}",
                f"{one.seconds_per_image * 1e3:.1f}",
            )
            for row in rows
            for one in [row.numbers]
        ],
    )
    if first.extractor:
        say(f"Distances by {first.extractor}, weights {str(first.extractor_sha256)[:12]}.")
    say(first.left_out)
    if first.n_distinct < first.n_examples:
        say(f"Only {first.n_distinct:,} of the {first.n_examples:,} images are distinct.")
