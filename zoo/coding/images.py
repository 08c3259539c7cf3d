"""Images in chunks, and out of them: many chunks side by side, in flat memory."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.coding.codec import AnyCodec, Chunk, ChunkError, Codec, decode, encode
from zoo.coding.digits import chosen_digits
from zoo.coding.file import MOST_BYTES, MOST_CHUNK, Compressed
from zoo.coding.lossy import IndexCodec, indexed
from zoo.errors import DataError, InputError
from zoo.integers.base import ExactModel, TopDown
from zoo.integers.discrete import CELL_DIGITS
from zoo.integers.grids import VERSION
from zoo.integers.models import Quantized

STACKS = 32
"""Most chunks coded side by side."""
START_SHARE = 0.0025
"""Most of a chunk's bits that start its stack."""
TRIAL, TRIAL_RUN = 64, 8
"""Images of a trial, and of each run of them."""
TRIAL_CHUNK = 512
"""Images of a chunk that the trial of digits assumes."""
LOSSY_CHUNK = 256
"""Images of a chunk of a vq-vae, whose stacks need no bits to start."""
Read = Callable[[int, int], Tensor]
Progress = Callable[[int], None]
"""Called with the number of images that are done."""


class BegunError(Exception):
    """A file that was begun is of something else."""


@dataclass(frozen=True)
class Encoded:
    """Images in chunks, those of a set up to a number."""

    chunks: list[Chunk]
    count: int
    side: bytes
    """What the file has beside them: the number of digits of each code, or the counts of vectors."""
    sha256: str
    """Hex digest of the levels, as they will be restored."""
    psnr: float | None = None
    tails: tuple[int, ...] = ()
    """The groups of codes on a uniform grid."""


def encoded(
    exact: ExactModel,
    read: Read,
    count: int,
    chunk: int | None = None,
    *,
    begun: Compressed | None = None,
    on_progress: Progress = lambda done: None,
) -> Iterator[Encoded]:
    """Codes images, and gives what is done after each group of chunks that are coded side by side.

    Args:
        exact: the model's integer form.
        read: returns the images from a number up to another, `(n, C, H, W)` uint8.
        count: number of images.
        chunk: images of a chunk; None chooses it by a trial.
        begun: a file of the first ones, from which to resume.
        on_progress: called with the number of images that are done.

    Raises BegunError if `begun` is of another model, other images or another size of chunks.
    """
    digest, psnr, whole = hashlib.sha256(), None, None
    with torch.no_grad():
        if isinstance(exact, Quantized):
            whole = indexed(exact, read, count, lambda part: digest.update(part.numpy().data))
            side, psnr = struct.pack(f"<{len(whole.counts)}I", *whole.counts), whole.psnr
            codec, size = IndexCodec(exact, whole.counts), chunk or LOSSY_CHUNK
            begun = None
        else:
            assert isinstance(exact, TopDown)
            if begun is not None:
                _check_begun(begun, exact, count, chunk)
                _hash_again(digest, read, begun)
                side, size = begun.side, begun.sizes[0]
                codec = _codec(begun, exact)
            else:
                trial = _trial(read, count)
                digits = chosen_digits(exact, trial, chunk or min(count, TRIAL_CHUNK))
                codec, side = Codec(exact, digits), bytes(torch.cat(digits).tolist())
                size = chunk or _chunk_for(codec, trial)
        chunks = [one for one in begun.chunks if one is not None] if begun else []
        done = sum(one.images for one in chunks)

        def on_images(more: int) -> None:
            nonlocal done
            done += more
            on_progress(done)

        tails = tuple(exact.tails) if isinstance(exact, TopDown) else ()
        if done == count:
            yield Encoded(chunks, count, side, digest.hexdigest(), psnr, tails)
        for first in range(done, count, STACKS * size):
            last = min(first + STACKS * size, count)
            if whole is None:
                images = read(first, last)
                digest.update(images.contiguous().numpy().data)
            else:
                images = whole.numbers[first:last].long()
            chunks += encode(codec, images, size, on_images)
            yield Encoded(chunks, last, side, digest.hexdigest(), psnr, tails)


def _check_begun(begun: Compressed, exact: ExactModel, count: int, chunk: int | None) -> None:
    """Raises BegunError for a file that was begun by other means."""
    if begun.header.network_sha256 != exact.digest or begun.header.exact != VERSION:
        raise BegunError("its model is another")
    whole = begun.sizes if begun.header.count < count else begun.sizes[:-1]
    if None in begun.chunks or begun.header.count > count or set(whole) - {begun.sizes[0]}:
        raise BegunError("its images are others")
    if chunk not in (None, begun.sizes[0]):
        raise BegunError(f"its chunks have {begun.sizes[0]:,} images")


def _hash_again(digest: hashlib._Hash, read: Read, begun: Compressed) -> None:
    """Hashes the images of a file again. Raises BegunError if they are others."""
    for first in range(0, begun.header.count, TRIAL_CHUNK):
        levels = read(first, min(first + TRIAL_CHUNK, begun.header.count))
        digest.update(levels.contiguous().numpy().data)
    if digest.hexdigest() != begun.header.sha256:
        raise BegunError("its images are others")


def _trial(read: Read, count: int) -> Tensor:
    """Images spread over a set."""
    starts = range(0, count, max(TRIAL_RUN, count * TRIAL_RUN // TRIAL))
    return torch.cat([read(start, min(start + TRIAL_RUN, count)) for start in starts])


def _chunk_for(codec: Codec, levels: Tensor) -> int:
    """Images of a chunk so that starting its stack takes START_SHARE of its bits, by a trial."""
    (trial,) = encode(codec, levels, len(levels))
    per_image = max(1.0, 32 * (len(trial.words) - trial.touched) / len(levels))
    return min(MOST_CHUNK, max(1, round(32 * trial.touched / (START_SHARE * per_image))))


def _codec(file: Compressed, exact: ExactModel) -> AnyCodec:
    """Raises DataError for what is beside the chunks, if it is not of the model."""
    if isinstance(exact, Quantized):
        counts = [
            count for (count,) in struct.iter_unpack("<I", file.side[: len(file.side) // 4 * 4])
        ]
        if len(counts) != len(exact.codebook) or not 0 < sum(counts) < 2**24:
            raise DataError("It is damaged: its counts are not those of the model's vectors.")
        return IndexCodec(exact, counts)
    assert isinstance(exact, TopDown)
    digits = torch.tensor(list(file.side), dtype=torch.int64)
    if len(digits) != sum(exact.sizes) or bool((digits > CELL_DIGITS).any()):
        raise DataError("It is damaged: its numbers of digits are not those of the model's codes.")
    try:
        exact.set_tails(file.header.tails)
    except ValueError as wrong:
        raise DataError(f"It is damaged: its grids are not those of the model ({wrong}).") from None
    return Codec(exact, digits.split(exact.sizes))


def decoded(
    file: Compressed,
    exact: ExactModel,
    only: range | None = None,
    skip_damaged: bool = False,
    on_progress: Progress = lambda done: None,
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
    codec = _codec(file, exact)
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
            found = {}
            while not found and sound:
                try:
                    found = _decoded_group(
                        file,
                        codec,
                        sound,
                        lambda n, so_far=done: on_progress(min(so_far + n, len(wanted))),
                    )
                except ChunkError as problem:
                    if not skip_damaged:
                        raise DataError(_damaged(file, problem.number, str(problem))) from None
                    sound.remove(problem.number)
                    whole = False
            for n, levels in found.items():
                start = sum(file.sizes[:n])
                part = range(max(start, wanted.start), min(start + len(levels), wanted.stop))
                own = levels[part.start - start : part.stop - start]
                digest.update(own.numpy().data)
                done += len(own)
                yield part, own
    if not done:
        raise DataError("No chunk of the wanted images is sound.")
    if whole and digest.hexdigest() != header.sha256:
        raise DataError("The images are not those that were compressed: their sha256 differs.")


def _decoded_group(
    file: Compressed, codec: AnyCodec, numbers: list[int], on_images: Progress
) -> dict[int, Tensor]:
    """The images of chunks, side by side. Raises ChunkError with the number of one that is damaged."""
    chunks = [chunk for n in numbers if (chunk := file.chunks[n]) is not None]
    found = [torch.empty(one.images, *file.header.shape, dtype=torch.uint8) for one in chunks]
    seen = [0] * len(chunks)
    try:
        for active, levels in decode(codec, chunks):
            for n, image in zip(active, levels, strict=True):
                found[n][seen[n]] = image
                seen[n] += 1
            on_images(sum(seen))
    except ChunkError as problem:
        raise ChunkError(numbers[problem.number], str(problem)) from None
    return dict(zip(numbers, found, strict=True))


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
