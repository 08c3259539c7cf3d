"""Pictures of a command line: which are read, where their results go, what is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output import check_order, print_json, progress_shown, say
from zoo.specs.restoration import STEPS

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models import Autoencoder
    from zoo.restoration.pictures import Picture

out_option = click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="The folder to write to."
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace files of these names.")
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Seed of the draws.",
)
steps_option = click.option(
    "--steps",
    type=click.IntRange(2),
    default=STEPS,
    show_default=True,
    help="Steps of each Markov chain.",
)


@dataclass(frozen=True)
class Job:
    """A picture to read."""

    source: Path
    name: Path
    """Of its result, below the output folder."""


def pictures_in(files: Sequence[str], out: Path) -> list[Job]:
    """All pictures of files and folders, in order, but for those in `out`. Raises DataError for anything else."""
    from zoo.data.sources.folders import image_files_below
    from zoo.data.sources.image_files import is_image_file
    from zoo.errors import DataError

    check_order(files)
    jobs = []
    for file in files:
        if is_image_file(file):
            jobs.append(Job(Path(file), Path(Path(file).name)))
        elif Path(file).is_dir():
            names = image_files_below(Path(file))
            found = [Job(Path(file, name), Path(name)) for name in names]
            inner = out.resolve() if out.resolve() != Path(file).resolve() else None
            jobs += [one for one in found if not (inner and inner in one.source.resolve().parents)]
        else:
            raise DataError(f"{file!r} is neither an image file nor a folder of them.")
    return jobs


def check_targets(jobs: Sequence[Job], targets: Sequence[Path], overwrite: bool) -> None:
    """Raises an error, before any work, where a picture or an earlier result would be replaced."""
    from zoo.evaluation.codes import check_apart

    if len({*targets}) < len(targets):
        twice = next(path for path in targets if targets.count(path) > 1)
        raise click.UsageError(f"Two pictures would be written to {str(twice)!r}.")
    check_apart(targets, [str(job.source) for job in jobs])
    if not overwrite and (there := [path for path in targets if path.exists()]):
        raise click.UsageError(f"{str(there[0])!r} exists: --overwrite replaces it.")


def restore_pictures(
    model: Autoencoder,
    files: Sequence[str],
    out: Path,
    restored: Callable[[Tensor], tuple[Tensor, dict[str, Any]]],
    overwrite: bool,
    json_: bool,
) -> None:
    """Writes what `restored` makes of each picture, `(1, C, H, W)` in [0, 1], and says so."""
    from zoo.restoration.denoise import is_by_channel

    jobs = pictures_in(files, out)
    check_targets(jobs, [out / job.name for job in jobs], overwrite)

    def one(job: Job) -> dict[str, Any]:
        picture, x = read(job)
        clean, about = restored(x)
        write(out / job.name, picture, clean[0])
        about |= {"by_channel": is_by_channel(model, x.shape[1])}
        return {"out": str(out / job.name), **about, **facts_of(picture)}

    do_all(jobs, one, out, json_)


def do_all(
    jobs: Sequence[Job], do: Callable[[Job], dict[str, Any]], out: Path, json_: bool
) -> None:
    """Does each job and says what was done; those that fail are left out, and said at the end by an error."""
    from zoo.errors import ZooError

    begun, facts, failed = time.monotonic(), [], []
    with progress_shown(len(jobs), "pictures") as on_progress:
        for done, job in enumerate(jobs, 1):
            try:
                facts.append({"file": str(job.source), **do(job)})
            except ZooError as wrong:
                title = repr(str(job.source))
                failed.append(str(wrong) if title in str(wrong) else f"{title}: {wrong}")
            on_progress(done)
    if facts:
        _tell(facts, out, time.monotonic() - begun, json_)
    if failed:
        more = f" {len(failed) - 1:,} more were left out." * (len(failed) > 1)
        raise click.ClickException(failed[0] + more)


def facts_of(picture: Picture) -> dict[str, Any]:
    """What is said of a written file."""
    return {"format": picture.format, "loses_alpha": picture.loses_alpha}


def read(job: Job) -> tuple[Picture, Tensor]:
    """A picture, and its pixels as `(1, C, H, W)` in [0, 1]."""
    from zoo.restoration.pictures import read_picture

    picture = read_picture(job.source)
    return picture, picture.pixels[None].float() / 255


def write(path: Path, picture: Picture, x: Tensor) -> None:
    """A picture's file with other pixels, `(C, H, W)` in [0, 1]."""
    from zoo.io.files import make_folder, write_atomically

    make_folder(path.parent)
    write_atomically(path, picture.with_pixels(x))


def numbered(path: Path, number: int, count: int) -> Path:
    """`path` of the only result, or `NAME.1.png`, `NAME.2.png`, ... of several."""
    return path if count == 1 else path.with_suffix(f".{number + 1}{path.suffix}")


def _tell(facts: Sequence[dict[str, Any]], out: Path, seconds: float, json_: bool) -> None:
    """What was done, a line for each picture, and in sum."""
    if json_:
        print_json({"out": str(out), "seconds": round(seconds, 3), "pictures": [*facts]})
        return
    for one in facts:
        say(f"  {one['file']}{_remarks(one)}")
    say(f"{out}: {len(facts):,} picture{'s' * (len(facts) != 1)}, {seconds:.1f} s")


def _remarks(fact: dict[str, Any]) -> str:
    """Such as `: sigma 12.3/255 (estimated), each channel on its own, JPEG of quality 95`."""
    from zoo.restoration.pictures import JPEG_QUALITY

    parts = []
    if fact.get("sigma") is not None:
        how = " (estimated)" if fact["estimated"] else ""
        parts.append(f"sigma {fact['sigma'] * 255:.1f}/255{how}")
    elif "sigma" in fact:
        parts.append("too small to estimate the noise")
    if fact.get("by_channel"):
        parts.append("a gray model on each channel")
    if "missing" in fact:
        parts.append(f"{fact['missing']:,} pixels missing")
    if fact.get("format") == "JPEG":
        parts.append(f"JPEG of quality {JPEG_QUALITY}")
    if fact.get("loses_alpha"):
        parts.append(f"without its transparency, as a {fact['format']}")
    return f": {', '.join(parts)}" if parts else ""
