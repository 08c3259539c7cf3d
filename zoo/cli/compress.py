"""`zoo compress` and `zoo decompress`"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import complete
from zoo.cli.output import as_json, check_order, npy_bytes, print_json, progress_shown, say

if TYPE_CHECKING:
    from zoo.coding.file import Compressed
    from zoo.models import Autoencoder


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.argument("files", nargs=-1, required=True, shell_complete=complete.datasets)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="The .aez file to write."
)
@click.option(
    "--binarize",
    is_flag=True,
    help="Draw each pixel with its gray level as probability, by a fixed draw: the gray levels are lost.",
)
@click.option(
    "--lossy",
    is_flag=True,
    help="Compress with a vq-vae: what is restored are its reconstructions.",
)
@click.option("--split", help="Part of one dataset.  [default: all of it]")
@click.option(
    "--chunk",
    type=click.IntRange(1),
    metavar="N",
    help="Images of a chunk, which is decoded on its own.  [default: chosen so that starting a chunk takes at most 0.25 % of its bits]",
)
@as_json
def compress(
    model: str,
    files: tuple[str, ...],
    out: Path,
    binarize: bool,
    lossy: bool,
    split: str | None,
    chunk: int | None,
    json_: bool,
) -> None:
    """Compress images losslessly with a MODEL: a dataset by name, a folder, image files, tar shards, a .npy.

    After a stop, the same command resumes. Of files the names and the levels are kept; EXIF, colors of another kind and the files' own bytes are not.
    """
    import zoo
    from zoo.api.compression import compress_to, opened
    from zoo.data import StreamedExamples, load_examples, open_all
    from zoo.evaluation.codes import check_apart
    from zoo.specs.data import Transform

    check_order(files)
    loaded = zoo.load(model)
    shape = loaded.spec.input_shape
    first, *others = files
    if split and others:
        raise click.UsageError("--split is of one dataset.")
    images = (
        load_examples(first, split, shape=shape)
        if split
        else open_all(files, shape=shape, transform=Transform())
    )
    partial = out.with_name(f"{out.name}.partial")
    sources = images.paths() if isinstance(images, StreamedExamples) else []
    check_apart([out, partial], [*files, *sources])
    begun = time.monotonic()
    how = {"binarize": binarize, "lossy": lossy, "chunk": chunk}
    try:
        with progress_shown(len(images), images.domain.nouns) as on_progress:
            compress_to(out, loaded, images, **how, on_progress=on_progress)
    except KeyboardInterrupt:
        if not partial.exists():
            raise
        done = opened(partial).header.count
        raise click.ClickException(
            f"interrupted. {str(partial)!r} has the first {done:,} images; the same command resumes."
        ) from None
    facts = _facts(opened(out)) | {"seconds": round(time.monotonic() - begun, 3)}
    if json_:
        print_json({"file": str(out)} | facts)
        return
    say(f"{out}: {_sentence(facts)}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A .npy file, or a new folder of PNGs.",
)
@click.option(
    "--model", shell_complete=complete.models, help="The model, if it is no published one."
)
@click.option(
    "--only", metavar="START:STOP", help="Only these images, by number, such as 5000:5010."
)
@click.option("--skip-damaged", is_flag=True, help="Leave out the images of damaged chunks.")
@as_json
def decompress(
    file: Path, out: Path, model: str | None, only: str | None, skip_damaged: bool, json_: bool
) -> None:
    """Restore the images of a FILE that `zoo compress` wrote, the same bytes on every machine."""
    import numpy as np

    import zoo
    from zoo.api.compression import model_of, opened
    from zoo.coding.exact import exact_form
    from zoo.coding.images import decoded
    from zoo.io.files import staged, write_atomically

    is_folder = out.suffix.lower() != ".npy"
    if is_folder and out.suffix:
        raise click.UsageError(f"-o {str(out)!r} is neither a .npy file nor a folder.")
    if is_folder and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise click.UsageError(f"-o {str(out)!r} exists: give a new folder.")
    if not is_folder and out.exists() and not _is_npy(out):
        raise click.UsageError(f"-o {str(out)!r} exists and is no array: choose another name.")
    compressed_file = opened(file)
    loaded: Autoencoder = zoo.load(model) if model else model_of(compressed_file)
    wanted = _range_of(only) if only else None
    count = compressed_file.header.count if wanted is None else len(wanted)
    with progress_shown(count, "images") as on_progress:
        parts = decoded(compressed_file, exact_form(loaded), wanted, skip_damaged, on_progress)
        if is_folder:
            with staged(out) as stage:
                done = sum(
                    _draw(stage, compressed_file, places, levels) for places, levels in parts
                )
        else:
            levels = np.concatenate([levels.numpy() for _, levels in parts])
            done = len(levels)
            write_atomically(out, npy_bytes(levels))
    if json_:
        print_json({"file": str(out), "count": done})
        return
    lost = f"; {count - done:,} of damaged chunks are left out" if done < count else ""
    say(f"{out}: {done:,} images of {' x '.join(map(str, compressed_file.header.shape))}{lost}")


def show_file(file: str, json_: bool) -> None:
    """What `zoo show` says of a file."""
    from zoo.api.compression import opened

    facts = _facts(opened(file))
    if json_:
        print_json(facts)
        return
    for name, value in facts.items():
        say(f"{name:18} {value:,}" if isinstance(value, int) else f"{name:18} {value}")


def _facts(file: Compressed) -> dict[str, Any]:
    header = file.header
    total = file.header_bytes + file.payload_bytes
    damaged = [n for n, chunk in enumerate(file.chunks) if chunk is None]
    return (
        {
            "model": header.model or "one of a folder",
            "family": header.family,
            "weights_sha256": header.weights_sha256,
            "count": header.count,
            "shape": list(header.shape),
            "values": header.values + (", drawn from gray levels" if header.binarized else ""),
            "chunks": header.chunks,
            "header_bytes": file.header_bytes,
            "payload_bytes": file.payload_bytes,
            "bits_per_dim": round(8 * total / (header.count * header.values_per_image), 5),
            "sha256": header.sha256,
        }
        | ({"psnr": round(header.psnr, 3)} if header.psnr is not None else {})
        | ({"damaged_chunks": damaged} if damaged else {})
    )


def _sentence(facts: dict[str, Any]) -> str:
    total = facts["header_bytes"] + facts["payload_bytes"]
    quality = f", PSNR {facts['psnr']:.2f} dB" if "psnr" in facts else ""
    return (
        f"{facts['count']:,} images in {total:,} bytes, {facts['bits_per_dim']} bits per dimension{quality} "
        f"(header {facts['header_bytes']:,} bytes; {facts['seconds']} s)"
    )


def _range_of(text: str) -> range:
    """A range from `START:STOP`, as `--only` takes it. Raises InputError."""
    from zoo.errors import InputError

    start, colon, stop = text.partition(":")
    if not colon or not start.strip().isdecimal() or not stop.strip().isdecimal():
        raise InputError(f"{text!r} is not START:STOP, such as 5000:5010.")
    return range(int(start), int(stop))


def _is_npy(path: Path) -> bool:
    return path.is_file() and path.read_bytes()[:6] == b"\x93NUMPY"


def _draw(folder: Path, file: Compressed, places: range, levels: Any) -> int:
    """Writes images as PNG files, by their keys as paths below a folder."""
    from PIL import Image

    from zoo.errors import DataError

    for number, image in zip(places, levels.numpy(), strict=True):
        key = file.key(number)
        target = (folder / key).with_suffix(".png") if file.keys else folder / f"{number:06}.png"
        if not target.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"The name {key!r} leads out of the folder: use a .npy file.")
        if target.exists():
            raise DataError(f"Two images are called {target.name!r}: use a .npy file.")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(target)
    return len(levels)
