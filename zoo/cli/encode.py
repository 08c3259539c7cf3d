"""`zoo encode`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import (
    check_order,
    column_option,
    device_option,
    max_damaged_option,
    progress_shown,
    say,
)


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.argument("files", nargs=-1, required=True, shell_complete=complete.datasets)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="The .npy file to write."
)
@click.option(
    "--protocol",
    metavar="center-N",
    help="Resize the shorter side to N and crop the center, as `zoo compare` does; or native. With :tile=512 "
    "images are encoded in tiles of 512 x 512: memory is bounded, and codes near seams change.  [default: "
    "as the model's recipe does; without one, native where the family takes any size]",
)
@click.option("--flip", is_flag=True, help="Encode the mirror images too, to codes.flipped.npy.")
@click.option(
    "--exact", is_flag=True, help="Encode images in whole numbers: the same bits on every machine."
)
@click.option(
    "--shards",
    type=click.IntRange(1),
    metavar="N",
    help="Write them as tar shards of N examples too, codes-00000-of-00012.tar and so on, in WebDataset's layout.",
)
@max_damaged_option
@column_option
@click.option("--overwrite", is_flag=True, help="Replace codes of something else.")
@device_option
def encode(
    model: str,
    files: tuple[str, ...],
    out: Path,
    protocol: str | None,
    flip: bool,
    exact: bool,
    shards: int | None,
    max_damaged: int | None,
    column: str | None,
    overwrite: bool,
    device: str,
) -> None:
    """Encode FILES with a MODEL: images, or datasets by name, folder or file; rows and series as .npy
    files or other datasets.

    The codes go to a .npy file, float32, one code per example, in the order of the files. Beside
    codes.npy, codes.keys.jsonl has the key of each example, and codes.json the codes' mean and
    standard deviation by channel. After a stop the same command goes on.
    """
    from zoo.data import open_all
    from zoo.errors import InputError
    from zoo.evaluation.codes import check_apart, places
    from zoo.evaluation.encode import encode_images
    from zoo.evaluation.shards import shard_paths, write_shards
    from zoo.folder import store
    from zoo.hub.find import TO_MEASURE, find
    from zoo.likelihoods.fitting import accepts_missing
    from zoo.runtime import processes
    from zoo.runtime.devices import find_device
    from zoo.specs.data import FOUND, Transform, data_settings
    from zoo.specs.reconstruction import ReconstructionProtocol, parse_protocol

    if out.suffix != ".npy":
        raise click.UsageError(f"-o {str(out)!r} does not end in .npy.")
    check_order(files)
    if processes.are_many():
        raise InputError("zoo encode runs in one process: start it without a launcher.")
    where = find_device(device)
    loaded = store.load_source(find(model, TO_MEASURE))  # with its recipe, which has the transform
    recipe = loaded.info.recipe if loaded.info else None
    said = data_settings(recipe) if recipe else None
    shape, transform = loaded.spec.input_shape, said.transform if said else Transform()
    if loaded.spec.stride and said is None:
        protocol = protocol or "native"
    tile = "off"
    if protocol is not None and not loaded.spec.domain.is_image:
        raise InputError(f"{protocol} is for images; the model takes {loaded.spec.domain}.")
    if flip and not loaded.spec.domain.is_image:
        raise InputError(f"--flip is for images; the model takes {loaded.spec.domain}.")
    if protocol is not None:
        asked = parse_protocol(protocol)
        tile, transform = asked.tile, asked.transform
        if asked != ReconstructionProtocol(
            **asked.model_dump(include={"tile", *Transform.model_fields})
        ):
            raise InputError(
                f"{protocol}: codes are of images resized and cropped, and no more: "
                "encode with center-N, or native."
            )
        if asked.crop == "off" and asked.resize != "off":
            raise InputError(f"{protocol} leaves images of several sizes: encode with center-N.")
        channels = shape[0]
        shape = channels if asked.crop == "off" else (channels, asked.crop, asked.crop)
    images = open_all(
        files,
        shape=shape,
        transform=transform,
        column=column or (said.column if said else FOUND),
        max_damaged=(said.max_damaged if said else 0) if max_damaged is None else max_damaged,
        has_missing=accepts_missing(loaded.spec),
    )
    targets = (out, out.with_suffix(".flipped.npy"))[: 1 + flip]
    outputs = [path for target in targets for path in places(target)]
    outputs += shard_paths(out, len(images), shards) if shards else []
    check_apart(outputs, [*files, *images.paths()])
    for flipped, target in enumerate(targets):
        with progress_shown(len(images), images.domain.nouns) as on_progress:
            done = encode_images(
                loaded,
                images,
                target,
                device=where,
                tile=tile,
                flipped=bool(flipped),
                exact=exact,
                overwrite=overwrite,
                on_progress=on_progress,
            )
        if done < len(images):
            raise click.ClickException(
                f"interrupted after {done:,} of {len(images):,} {images.domain.nouns}. The same command goes on."
            )
        sides = " x ".join(map(str, loaded.spec.code_shape(images.shape)))
        say(f"{target}: {done:,} x {sides}, float32")
    if shards is not None:
        written = write_shards(*targets, size=shards)
        say(f"{written[0]}" + f" to {written[-1].name}" * (len(written) > 1))
