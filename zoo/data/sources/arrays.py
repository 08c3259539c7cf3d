"""Images from a `.npy` or `.npz` file. Nothing here unpickles."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from torch import Tensor

from zoo.data.examples import IN_MEMORY, PIECE, sha256_of
from zoo.data.misfits import SAMPLED, is_channels_last, misfit
from zoo.data.sources.base import InMemory, Source
from zoo.data.splits import one_of_each
from zoo.errors import DataError
from zoo.io.files import open_regular

NPY = np.lib.format.MAGIC_PREFIX


class ArrayFile(Source):
    """A `.npy` of uint8 images that is not held in memory: each image is read from its place."""

    def __init__(self, path: Path, shape: tuple[int, ...], offset: int) -> None:
        channels_first = (shape[0], 1, *shape[1:]) if len(shape) == 3 else shape
        self.path, self.offset = str(path), offset
        self.count, *self.sides = channels_first
        self.shape = (self.sides[0], self.sides[1], self.sides[2])
        self.bytes = math.prod(self.sides)
        self.file: int | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "file": None}

    def __len__(self) -> int:
        return self.count

    def title(self, number: int) -> str:
        return f"{self.path!r}: image {number}"

    def paths(self, first: int, count: int) -> list[str]:
        return [self.path]

    def read(self, number: int) -> Tensor:
        if (found := self.read_run(number, 1)) is None:
            raise DataError(f"{self.title(number)} is cut short.")
        return found[0]

    def read_run(self, first: int, count: int) -> Tensor | None:
        if self.file is None:
            self.file = os.open(self.path, os.O_RDONLY)
        pixels = torch.empty(count, *self.sides, dtype=torch.uint8)
        read = os.preadv(self.file, [pixels.numpy().data], self.offset + first * self.bytes)
        return pixels if read == count * self.bytes else None

    def split_keys(self) -> Iterator[str]:
        for first in range(0, len(self), PIECE):
            rows = self.read_run(first, min(PIECE, len(self) - first))
            if rows is None:
                raise DataError(f"{self.path!r} is cut short.")
            yield from map(sha256_of, rows)


def read_array(path: Path) -> dict[str, Source]:
    """The images of a `.npy`, or those of a `.npz` whose arrays are named as parts.

    A `.npz` with one array has one part, "all". Raises DataError for pickles and damage.
    """
    what = repr(str(path))
    with open_regular(path, DataError) as file:
        try:
            is_npy = file.read(len(NPY)) == NPY
            if is_npy and os.fstat(file.fileno()).st_size > IN_MEMORY:
                return {"all": _streamed(path, file)}
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"all": InMemory(loaded, what)}
            if parts := one_of_each(loaded.files, what):
                _check_size(loaded, list(parts.values()), what)
                return {
                    part: InMemory(loaded[name], f"{what}: its {part} split")
                    for part, name in parts.items()
                }
            if len(loaded.files) == 1:
                _check_size(loaded, loaded.files, what)
                return {"all": InMemory(loaded[loaded.files[0]], what)}
        except DataError:
            raise
        except Exception as broken:  # NumPy and zipfile raise errors of any kind for other bytes
            why = (str(broken).splitlines() or [type(broken).__name__])[0]
            why = "it may hold pickles, which can run code" if "pickle" in why else why
            raise DataError(f"{str(path)!r} is damaged or not a NumPy file ({why}).") from None
    held = ", ".join(sorted(map(repr, loaded.files))[:5]) or "nothing"
    raise DataError(
        f"{str(path)!r} holds {held}; expected one array, or train, and validation or test or both."
    )


def _check_size(archive: NpzFile, names: Sequence[str], what: str) -> None:
    """Raises DataError for arrays of more than fits: an archive of few bytes may hold gigabytes."""
    assert archive.zip is not None
    sizes = {one.filename.removesuffix(".npy"): one.file_size for one in archive.zip.infolist()}
    size = sum(sizes[name] for name in names)
    if size > IN_MEMORY:
        raise DataError(
            f"{what} holds {size:,} bytes of images. More than {IN_MEMORY:,} are streamed, which a "
            f".npz cannot be: np.save each array as a .npy, or set ZOO_IN_MEMORY={-(-size // 2**20)} "
            "(MiB)."
        )


def _streamed(path: Path, file: BinaryIO) -> ArrayFile:
    """Where the images of a `.npy` lie, whose first bytes were read."""
    what = repr(str(path))
    file.seek(0)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        version, np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(file)
    is_sound = len(shape) in (3, 4) and min(shape) > 0
    if not is_sound or dtype != np.uint8 or is_channels_last(shape):
        first = np.fromfile(file, dtype, min(SAMPLED, math.prod(shape)) if is_sound else 0)
        raise DataError(misfit(first, what, shape=shape))
    if file.tell() + math.prod(shape) != os.fstat(file.fileno()).st_size:
        raise DataError(f"{what} is cut short: it is not {shape} bytes of images.")
    if fortran:
        raise DataError(
            f"{what} is in Fortran order, in which no image lies in one piece. It is too large for "
            "memory: np.save(path, np.ascontiguousarray(x)) writes it so that it can be streamed."
        )
    return ArrayFile(path, shape, file.tell())
