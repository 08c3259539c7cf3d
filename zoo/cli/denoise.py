"""`zoo denoise` and `zoo reconstruct`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import complete
from zoo.cli.output import as_json, device_option
from zoo.cli.pictures import out_option, overwrite_option, restore_pictures
from zoo.specs.restoration import TILE

if TYPE_CHECKING:
    from torch import Tensor

tile_option = click.option(
    "--tile",
    type=click.IntRange(64),
    default=TILE,
    show_default=True,
    help="Side in pixels of the parts that are computed at once; each sees what it needs around it.",
)


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.argument("files", nargs=-1, required=True)
@out_option
@click.option(
    "--sigma",
    help="Standard deviation of the noise, such as 25/255, for --samples: other models find it by themselves.  "
    "[default: estimated from each picture]",
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="From 0, the picture itself, to 1, all of the noise removed.",
)
@click.option(
    "--samples",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Posterior mean over this many codes instead of one reconstruction, for variational models.",
)
@tile_option
@overwrite_option
@as_json
@device_option
def denoise(
    model: str,
    files: tuple[str, ...],
    out: Path,
    sigma: str | None,
    strength: float,
    samples: int,
    tile: int,
    overwrite: bool,
    json_: bool,
    device: str,
) -> None:
    """Remove the noise of pictures with a MODEL: image files, or folders of them, of any size.

    Names, subfolders and formats are kept; so are transparency, EXIF and the color profile. Pictures are
    turned upright. A gray MODEL runs on each channel of a color picture.
    """
    from zoo.api.models import model_of
    from zoo.restoration.denoise import denoised
    from zoo.restoration.inputs import parsed_sigma
    from zoo.restoration.noise import estimate_sigma

    given = None if sigma is None else parsed_sigma(sigma)
    loaded = model_of(model, device)

    def restored(x: Tensor) -> tuple[Tensor, dict[str, Any]]:
        level = float(estimate_sigma(x)[0]) if given is None else given
        clean = denoised(loaded, x, sigma=level, strength=strength, samples=samples, tile=tile)
        return clean, {"sigma": level if level == level else None, "estimated": given is None}

    restore_pictures(loaded, files, out, restored, overwrite, json_)


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.argument("files", nargs=-1, required=True)
@out_option
@tile_option
@overwrite_option
@as_json
@device_option
def reconstruct(
    model: str,
    files: tuple[str, ...],
    out: Path,
    tile: int,
    overwrite: bool,
    json_: bool,
    device: str,
) -> None:
    """Write a MODEL's reconstructions of pictures: `decode(encode(x))`, as `zoo denoise` writes its own."""
    from zoo.api.models import model_of
    from zoo.restoration.denoise import denoised

    loaded = model_of(model, device)
    restore_pictures(
        loaded, files, out, lambda x: (denoised(loaded, x, tile=tile), {}), overwrite, json_
    )
