"""`zoo encode`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import device_option, say


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="The .npy file to write."
)
@device_option
def encode(model: str, files: tuple[Path, ...], out: Path, device: str) -> None:
    """Encode image FILES (or .npy arrays of uint8 images) with a MODEL.

    The codes go to a .npy file, float32, one row an image, in the order of the files.
    """
    import io

    import numpy as np
    import torch

    import zoo
    from zoo.data import as_grey
    from zoo.data.image_files import read_images_for
    from zoo.io.files import write_atomically

    if out.suffix != ".npy":
        raise click.UsageError(f"-o {str(out)!r} does not end in .npy.")
    loaded = zoo.load(model, device=device)
    pixels = read_images_for(loaded.spec.image_shape, files)
    with torch.inference_mode():
        codes = [loaded.encode(as_grey(batch)).float().cpu() for batch in pixels.split(500)]
    buffer = io.BytesIO()
    np.save(buffer, torch.cat(codes).numpy(), allow_pickle=False)
    write_atomically(out, buffer.getvalue())
    say(f"{out}: {len(pixels):,} x {' x '.join(map(str, loaded.latent_shape))}, float32")
