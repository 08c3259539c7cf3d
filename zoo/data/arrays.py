"""Images from a `.npy` or `.npz` file, read by its own header. Nothing here unpickles."""

from __future__ import annotations

import lzma
import math
import os
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from zoo.errors import DataError
from zoo.io.files import open_regular

MAX_BYTES = 8 * 2**30
"""Most bytes of pixels that are read into memory."""

PARTS = ("train", "validation", "test")

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, OverflowError, SyntaxError),
    *(RuntimeError, RecursionError, MemoryError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError),
)
"""What NumPy's header reader and zipfile raise for bytes that are not theirs."""


def read_array(path: Path) -> dict[str, Tensor]:
    """The uint8 array of a `.npy`, or the arrays of a `.npz` named train, validation and test.

    A `.npz` with one array has one part, "all". Raises DataError for pickles, other dtypes and
    damage; nothing is allocated before the header fits the file.
    """
    if path.suffix not in (".npy", ".npz"):
        raise DataError(f"{str(path)!r} is neither a folder of images nor a .npy or .npz file.")
    with open_regular(path, DataError) as file:
        try:
            if path.suffix == ".npz":
                arrays = _read_npz(file)
            else:
                arrays = {"all": _read_npy(file, os.fstat(file.fileno()).st_size)}
        except DataError as wrong:
            raise DataError(f"{str(path)!r} {wrong}") from None
        except _DAMAGE as broken:
            first = (str(broken).splitlines() or [type(broken).__name__])[0]
            raise DataError(f"{str(path)!r} is damaged or no NumPy file ({first}).") from None
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _read_npz(file: IO[bytes]) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        names = PARTS if set(PARTS) <= set(entries) else tuple(entries)
        if len(names) != 1 and names != PARTS:
            held = ", ".join(sorted(map(repr, entries))[:5]) or "nothing"
            raise DataError(
                f"holds {held}: one array, or train, validation and test, are understood."
            )
        _check_size(sum(entries[name].file_size for name in names))
        arrays = {}
        for name in names:
            with archive.open(entries[name]) as member:
                arrays[name] = _read_npy(member, entries[name].file_size)
    return arrays if names == PARTS else {"all": arrays[names[0]]}


def _read_npy(file: IO[bytes], size: int) -> np.ndarray:
    """The array in a file of that many bytes."""
    if file.read(1) != b"\x93":
        raise DataError("is no NumPy array; text, pickles and archives are not read as one.")
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise DataError(f"has NumPy's format {version[0]}.{version[1]}; 1.0 and 2.0 are read.")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise DataError("holds pickled objects. Pickles can run code: save plain uint8 numbers.")
    if dtype != np.uint8:
        raise DataError(
            f"holds {dtype}, {shape}; images are (N, C, H, W) or (N, H, W), uint8, 0 to 255."
        )
    count, rest = math.prod(shape), size - file.tell()
    if min(shape, default=0) < 0 or count != rest:
        raise DataError(f"is damaged: its header says {shape}, and {rest:,} bytes follow.")
    _check_size(count)
    array = np.empty(count, np.uint8)
    _fill(array, file)
    return np.ascontiguousarray(array.reshape(shape, order="F" if fortran else "C"))


def _fill(array: np.ndarray, file: IO[bytes]) -> None:
    view, done = array.data, 0
    while done < len(array):
        more = file.readinto(view[done : done + 2**24])  # pyright: ignore[reportAttributeAccessIssue]  # raw files and zip members have it
        if not more:
            raise DataError(f"is damaged: it ends after {done:,} of {len(array):,} pixels.")
        done += more


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise DataError(f"holds {size:,} bytes; at most {MAX_BYTES:,} are read.")
