"""Images in chunks, and out of them: many chunks side by side, in flat memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from zoo.coding.codec import Chunk, ChunkError, decode, encode
from zoo.coding.file import MOST_BYTES, Compressed
from zoo.errors import DataError, InputError
from zoo.exact.grids import VERSION
from zoo.exact.models import ExactModel

STACKS = 64
"""Most chunks coded side by side."""
START_SHARE = 0.005
"""Most of a chunk's bits that start its stack."""
MOST_CHUNK = 2**20
Progress = Callable[[int], None]
"""Called with the number of images that are done."""


def encoded(
    exact: ExactModel,
    read: Callable[[int, int], Tensor],
    count: int,
    chunk: int | None,
    on_progress: Progress | None = None,
) -> tuple[list[Chunk], str]:
    """Images in chunks, and the hex sha256 of their levels.

    Args:
        exact: the model's integer form.
        read: returns the images from a number up to another, `(n, C, H, W)` uint8, 0 and 255.
        count: number of images.
        chunk: images of a chunk; None chooses it by a trial of the first images.
        on_progress: called with the number of images that are done.
    """
    digest, chunks = hashlib.sha256(), []
    with torch.no_grad():
        size = chunk or chunk_for(exact, read(0, min(16, count)))
        for first in range(0, count, STACKS * size):
            levels = read(first, min(first + STACKS * size, count))
            digest.update(levels.contiguous().numpy().data)
            chunks += encode(exact, levels, size)
            if on_progress:
                on_progress(first + len(levels))
    return chunks, digest.hexdigest()


def chunk_for(exact: ExactModel, levels: Tensor) -> int:
    """Images of a chunk so that starting its stack takes START_SHARE of its bits, by a trial of the first ones."""
    (trial,) = encode(exact, levels, len(levels))
    per_image = max(1.0, 32 * (len(trial.words) - trial.touched) / len(levels))
    return min(MOST_CHUNK, max(1, round(32 * trial.touched / (START_SHARE * per_image))))


def decoded(
    file: Compressed,
    exact: ExactModel,
    only: range | None = None,
    skip_damaged: bool = False,
    on_progress: Progress | None = None,
) -> Iterator[tuple[range, Tensor]]:
    """Images of a file in order: their numbers, and levels `(n, C, H, W)` uint8. Errors as `decompress`."""
    header = file.header
    if header.exact != VERSION:
        raise DataError(
            f"It has version {header.exact} of the arithmetic, and this zoo has {VERSION}."
        )
    if header.network_sha256 != exact.digest or tuple(header.shape) != tuple(exact.shape):
        raise InputError(
            f"It was compressed with another model: integer weights {header.network_sha256[:12]}..., and these "
            f"are {exact.digest[:12]}...."
        )
    wanted = range(header.count) if only is None else only
    if wanted.step != 1 or wanted.start < 0 or not wanted.start < wanted.stop <= header.count:
        raise InputError(
            f"It has the images 0 to {header.count - 1:,}; got {wanted.start}:{wanted.stop}."
        )
    if len(wanted) * header.values_per_image > MOST_BYTES:
        raise InputError(
            f"{len(wanted):,} images of {header.values_per_image:,} values are more than {MOST_BYTES:,} "
            "bytes: decompress a part of them."
        )
    digest, done, whole = hashlib.sha256(), 0, only is None
    with torch.no_grad():
        for places in _groups(file, wanted):
            sound = [n for n in places if file.chunks[n] is not None]
            if lost := [n for n in places if n not in sound]:
                if not skip_damaged:
                    raise DataError(
                        _damaged(file, lost[0], "its bytes are not what its checksum says")
                    )
                whole = False
            held = [chunk for n in sound if (chunk := file.chunks[n]) is not None]
            found = [torch.empty(one.images, *header.shape, dtype=torch.uint8) for one in held]
            seen = [0] * len(held)
            try:
                for active, levels in decode(exact, held) if held else ():
                    for n, image in zip(active, levels, strict=True):
                        found[n][seen[n]] = image
                        seen[n] += 1
            except ChunkError as problem:
                raise DataError(_damaged(file, sound[problem.number], str(problem))) from None
            for n, levels in zip(sound, found, strict=True):
                start = sum(file.sizes[:n])
                part = range(max(start, wanted.start), min(start + len(levels), wanted.stop))
                own = levels[part.start - start : part.stop - start]
                digest.update(own.numpy().data)
                done += len(own)
                yield part, own
            if on_progress:
                on_progress(done)
    if whole and digest.hexdigest() != header.sha256:
        raise DataError("The images are not those that were compressed: their sha256 differs.")


def _groups(file: Compressed, wanted: range) -> Iterator[list[int]]:
    """Numbers of the chunks that hold the wanted images, as many as are coded side by side."""
    start, chosen = 0, []
    for number, size in enumerate(file.sizes):
        if start < wanted.stop and start + size > wanted.start:
            chosen.append(number)
        start += size
    for first in range(0, len(chosen), STACKS):
        yield chosen[first : first + STACKS]


def _damaged(file: Compressed, number: int, why: str) -> str:
    start = sum(file.sizes[:number])
    return (
        f"Chunk {number} of {len(file.sizes)}, images {start:,} to {start + file.sizes[number] - 1:,}, is damaged: "
        f"{why}. --skip-damaged (skip_damaged=True) gives the others."
    )
