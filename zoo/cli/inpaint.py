"""`zoo inpaint`"""

from __future__ import annotations

import glob
import time
from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import as_json, device_option, progress_shown
from zoo.cli.pictures import (
    Job,
    check_targets,
    numbered,
    out_option,
    overwrite_option,
    pictures_in,
    read,
    seed_option,
    tell,
    write,
)


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--mask",
    "masks",
    required=True,
    type=click.Path(path_type=Path),
    help="A picture, white where pixels are missing; or a folder with one of each picture's name.",
)
@out_option
@click.option(
    "--samples",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Fillings of each picture.",
)
@click.option(
    "--steps", type=click.IntRange(2), default=100, show_default=True, help="Of the chain of each."
)
@seed_option
@overwrite_option
@as_json
@device_option
def inpaint(
    model: str,
    files: tuple[str, ...],
    masks: Path,
    out: Path,
    samples: int,
    steps: int,
    seed: int,
    overwrite: bool,
    json_: bool,
    device: str,
) -> None:
    """Fill in missing pixels of pictures by a variational MODEL, several times each: NAME.1.png, NAME.2.png, ..."""
    import zoo.restoring
    from zoo.restoration.denoise import is_by_channel
    from zoo.restoration.pictures import read_mask

    loaded = zoo.restoring.variational_of(model, device)
    jobs = pictures_in(files)
    targets = [[numbered(out / job.name, n, samples) for n in range(samples)] for job in jobs]
    check_targets(jobs, [one for some in targets for one in some], overwrite)
    begun, facts = time.monotonic(), []
    with progress_shown(len(jobs), "pictures") as on_progress:
        for done, (job, own) in enumerate(zip(jobs, targets, strict=True), 1):
            picture, x = read(job)
            if is_by_channel(loaded, x.shape[1]):
                raise click.UsageError(
                    f"{str(job.source)!r} is in color, and the model is of gray images."
                )
            missing = read_mask(_mask_for(job, masks), (x.shape[2], x.shape[3]))
            filled = zoo.restoring.inpaint(
                loaded, x, missing[None], samples=samples, steps=steps, seed=seed, device=device
            )
            for path, one in zip(own, filled, strict=True):
                write(path, picture, one[0])
            facts.append(
                {
                    "file": str(job.source),
                    "missing": int(missing.sum()),
                    "out": [str(p) for p in own],
                }
            )
            on_progress(done)
    tell(facts, out, begun, json_)


def _mask_for(job: Job, masks: Path) -> Path:
    """The mask of a picture: the file, or the one of its name in the folder. Raises DataError."""
    from zoo.errors import DataError

    if not masks.is_dir():
        return masks
    below = masks / job.name.parent
    found = sorted(below.glob(f"{glob.escape(job.name.stem)}.*")) if below.is_dir() else []
    if len(found) != 1:
        some = "no mask" if not found else f"{len(found)} masks"
        raise DataError(
            f"{str(masks)!r} has {some} for {str(job.name)!r}, by the name without its extension."
        )
    return found[0]
