"""Images from a `.npy` or `.npz` file. Nothing here unpickles."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from zoo.data.images import PARTS, WANTED
from zoo.errors import DataError
from zoo.io.files import open_regular

MAX_BYTES = 8 * 2**30
"""Most bytes of pixels that are read into memory."""


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
        except Exception as broken:  # NumPy and zipfile raise errors of any kind for other bytes
            first = (str(broken).splitlines() or [type(broken).__name__])[0]
            raise DataError(f"{str(path)!r} is damaged or not a NumPy file ({first}).") from None
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _read_npz(file: IO[bytes]) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        if set(PARTS) <= set(entries):
            entries = {name: entries[name] for name in PARTS}
        elif len(entries) == 1:
            entries = {"all": next(iter(entries.values()))}
        else:
            held = ", ".join(sorted(map(repr, entries))[:5]) or "nothing"
            raise DataError(
                f"holds {held}: one array, or train, validation and test, are understood."
            )
        _check_size(sum(entry.file_size for entry in entries.values()))
        return {
            name: _read_npy(archive.open(entry), entry.file_size) for name, entry in entries.items()
        }


def _read_npy(file: IO[bytes], size: int) -> np.ndarray:
    """The array in a file of that many bytes."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise DataError("holds pickled objects. Pickles can run code: save plain uint8 numbers.")
    if dtype != np.uint8:
        raise DataError(f"holds {dtype}, {shape}; {WANTED}")
    rest = size - file.tell()
    if math.prod(shape) != rest:
        raise DataError(f"is damaged: its header says {shape}, and {rest:,} bytes follow.")
    _check_size(rest)
    file.seek(0)
    return np.ascontiguousarray(np.lib.format.read_array(file, allow_pickle=False))


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise DataError(f"holds {size:,} bytes; at most {MAX_BYTES:,} are read.")
