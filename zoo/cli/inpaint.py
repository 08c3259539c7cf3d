"""`zoo inpaint`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli import complete
from zoo.cli.output import as_json, device_option
from zoo.cli.pictures import (
    Job,
    check_targets,
    do_all,
    facts_of,
    numbered,
    out_option,
    overwrite_option,
    pictures_in,
    read,
    seed_option,
    steps_option,
    write,
)
from zoo.specs.restoration import FILLINGS


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
    default=FILLINGS,
    show_default=True,
    help="Fillings of each picture.",
)
@steps_option
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
    import zoo.api.restoration
    from zoo.errors import InputError
    from zoo.restoration.denoise import is_by_channel
    from zoo.restoration.pictures import read_mask

    loaded = zoo.api.restoration.variational_of(model, device)
    jobs = pictures_in(files, out)

    def targets(job: Job) -> list[Path]:
        return [numbered(out / job.name, number, samples) for number in range(samples)]

    def one(job: Job) -> dict[str, Any]:
        picture, x = read(job)
        if is_by_channel(loaded, x.shape[1]):
            raise InputError("the picture is in color, and the model is of gray images.")
        missing = read_mask(_mask_for(job, masks), (x.shape[2], x.shape[3]))
        filled = zoo.api.restoration.inpaint(
            loaded, x, missing[None], samples=samples, steps=steps, seed=seed, device=device
        )
        for path, some in zip(targets(job), filled, strict=True):
            write(path, picture, some[0])
        outputs = [str(path) for path in targets(job)]
        return {"missing": int(missing.sum()), "out": outputs, **facts_of(picture)}

    check_targets(jobs, [path for job in jobs for path in targets(job)], overwrite)
    do_all(jobs, one, out, json_)


def _mask_for(job: Job, masks: Path) -> Path:
    """The mask of a picture: the file, or the one of its name in the folder. Raises DataError."""
    from zoo.data.sources.image_files import SUFFIXES
    from zoo.errors import DataError

    if not masks.is_dir():
        return masks
    below = masks / job.name.parent
    there = sorted(below.iterdir()) if below.is_dir() else []
    found = [p for p in there if p.stem == job.name.stem and p.name.lower().endswith(SUFFIXES)]
    if len(found) != 1:
        some = "no mask" if not found else f"{len(found)} masks"
        raise DataError(
            f"{str(masks)!r} has {some} for {str(job.name)!r}, by the name without its extension."
        )
    return found[0]
