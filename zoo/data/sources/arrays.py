"""Examples from a `.npy` or `.npz` file. Pickles are refused."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from torch import Tensor

from zoo.data.examples import IN_MEMORY, PIECE, sha256_of_each
from zoo.data.misfits import SAMPLED, misfit
from zoo.data.sources.base import InMemory, Source
from zoo.data.splits import one_of_each
from zoo.data.values import DTYPES, Shape, kind_of, note_series
from zoo.errors import DataError
from zoo.io.files import open_regular

NPY = np.lib.format.MAGIC_PREFIX


class ArrayFile(Source):
    """A `.npy` that is not held in memory; examples are read on demand."""

    def __init__(
        self, path: Path, count: int, shape: Shape, dtype: torch.dtype, offset: int
    ) -> None:
        """The file has `count` examples of that shape and dtype from byte `offset` on."""
        self.path, self.offset = str(path), offset
        self.count, self.shape, self.dtype = count, shape, dtype
        self.bytes = math.prod(shape) * dtype.itemsize
        self.file: int | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "file": None}

    def __len__(self) -> int:
        return self.count

    def title(self, number: int) -> str:
        return f"{self.path!r}: {self.noun} {number}"

    def paths(self, first: int, count: int) -> list[str]:
        return [self.path]

    def read(self, number: int) -> Tensor:
        if (found := self.read_run(number, 1)) is None:
            raise DataError(f"{self.title(number)} is cut short.")
        return found[0]

    def read_run(self, first: int, count: int) -> Tensor | None:
        return self.read_some(np.arange(first, first + count))

    def read_some(self, numbers: np.ndarray) -> Tensor | None:
        if self.file is None:
            self.file = os.open(self.path, os.O_RDONLY)
        values = torch.empty(len(numbers), *(self.shape or ()), dtype=self.dtype)
        data = values.view(-1).view(torch.uint8).numpy().data
        starts = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
        for begin, end in pairwise(starts):  # runs of consecutive numbers
            place = data[begin * self.bytes : end * self.bytes]
            start = self.offset + int(numbers[begin]) * self.bytes
            while place:  # a call reads 2 GiB at most
                count = os.preadv(self.file, [place], start)
                if not count:
                    return None
                place, start = place[count:], start + count
        return self.finite(values, numbers)

    def split_keys(self) -> Iterator[str]:
        for first in range(0, len(self), PIECE):
            rows = self.read_run(first, min(PIECE, len(self) - first))
            if rows is None:
                raise DataError(f"{self.path!r} is cut short.")
            yield from sha256_of_each(rows)


def read_array(path: Path, wanted: Shape | None = None) -> dict[str, Source]:
    """The examples of a `.npy`, or of a `.npz` whose arrays are named after parts.

    A `.npy`, or a `.npz` with one array, has one part, "all". Raises DataError for pickles and damaged
    files.
    """
    what = repr(str(path))
    with open_regular(path, DataError) as file:
        try:
            is_npy = file.read(len(NPY)) == NPY
            if is_npy and os.fstat(file.fileno()).st_size > IN_MEMORY:
                return {"all": _streamed(path, file, wanted)}
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"all": InMemory(loaded, what, wanted)}
            if parts := one_of_each(loaded.files, what):
                _check_size(loaded, list(parts.values()), what)
                return {
                    part: InMemory(loaded[name], f"{what}: its {part} split", wanted)
                    for part, name in parts.items()
                }
            if len(loaded.files) == 1:
                _check_size(loaded, loaded.files, what)
                return {"all": InMemory(loaded[loaded.files[0]], what, wanted)}
        except DataError:
            raise
        except Exception as broken:  # NumPy and zipfile raise arbitrary errors for damaged files
            why = (str(broken).splitlines() or [type(broken).__name__])[0]
            why = "it may hold pickles, which can run code" if "pickle" in why else why
            raise DataError(f"{str(path)!r} is damaged or not a NumPy file ({why}).") from None
    held = ", ".join(sorted(map(repr, loaded.files))[:5]) or "nothing"
    raise DataError(
        f"{str(path)!r} holds {held}; expected one array, or arrays train, and validation and/or test."
    )


def _check_size(archive: NpzFile, names: Sequence[str], what: str) -> None:
    """Raises DataError for arrays too large for memory: a small archive may hold gigabytes."""
    assert archive.zip is not None
    sizes = {one.filename.removesuffix(".npy"): one.file_size for one in archive.zip.infolist()}
    size = sum(sizes[name] for name in names)
    if size > IN_MEMORY:
        raise DataError(
            f"{what} holds {size:,} bytes, and more than {IN_MEMORY:,} must be streamed, which a "
            f".npz cannot be: np.save each array as a .npy, or set ZOO_IN_MEMORY={-(-size // 2**20)} "
            "(MiB)."
        )


def _streamed(path: Path, file: BinaryIO, wanted: Shape | None) -> ArrayFile:
    """The examples of an open `.npy`, to be read on demand."""
    what = repr(str(path))
    file.seek(0)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        version, np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(file)
    kind = kind_of(DTYPES.get(dtype), shape, wanted)
    if kind is None or min(shape) < 1:
        is_sound = len(shape) > 0 and min(shape) > 0 and not dtype.hasobject
        first = np.fromfile(file, dtype, min(SAMPLED, math.prod(shape)) if is_sound else 0)
        raise DataError(misfit(first, what, shape=shape, wanted=wanted))
    if file.tell() + math.prod(shape) * dtype.itemsize != os.fstat(file.fileno()).st_size:
        raise DataError(f"{what} is cut short: it is not {shape} of {dtype}.")
    if fortran:
        raise DataError(
            f"{what} is in Fortran order, which cannot be streamed, and too large for memory: rewrite it "
            "with np.save(path, np.ascontiguousarray(x))."
        )
    of_one = (1, *shape[1:]) if kind == "image" and len(shape) == 3 else shape[1:]
    note_series(of_one, what, wanted)
    return ArrayFile(path, shape[0], of_one, DTYPES[dtype], file.tell())
