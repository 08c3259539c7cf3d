"""Reads a safetensors file once: its sha256, and its tensors, each in its own memory.

Bytes are read into place and hashed there, so a loading model is in memory only once, and no tensor
stays mapped to a file that could change. The format is that of the safetensors library: 8 bytes with
the length of a JSON header, the header, and the tensors without gaps.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import torch
from pydantic import Field
from torch import Tensor

from zoo.errors import WeightsError
from zoo.io.files import check_size, open_regular
from zoo.specs.validation import Strict, checked, parse_json

MOST_HEADER_BYTES = 100_000_000
"""The format's limit."""
MOST_VALUES = 2**48
"""In one tensor, counting sides of 0 as 1: more cannot be addressed."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class TensorFile:
    """The content of a file."""

    sha256: str
    tensors: dict[str, Tensor]


class _Entry(Strict):
    """A tensor's entry in the header."""

    dtype: Literal["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"]
    shape: tuple[Annotated[int, Field(ge=0)], ...] = Field(max_length=16)
    data_offsets: tuple[int, int]

    @property
    def size(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


def read_tensors(path: Path, limit: int, check: Callable[[str], None]) -> TensorFile:
    """Reads a file of at most `limit` bytes.

    Args:
        path: a regular file.
        limit: maximum size in bytes.
        check: called with the file's sha256; raises if it is wrong. A damaged file is reported by
            `check`, not as a file of another format.

    Raises:
        WeightsError: for a file that is too large, cannot be read, or is not a safetensors file.
    """
    with open_regular(path) as file:
        reader = _Reader(file, path, check_size(file, path, limit))
        try:
            entries = _entries(reader)
        except WeightsError as broken:
            reader.skip()
            check(reader.sha256)
            raise WeightsError(
                f"{str(path)!r} is not a safetensors file ({broken}). Nothing was loaded.",
                path=path,
            ) from None
        tensors = {name: reader.tensor(entry) for name, entry in entries.items()}
    check(reader.sha256)
    return TensorFile(reader.sha256, tensors)


def _entries(reader: _Reader) -> dict[str, _Entry]:
    """The header's entries by tensor name, in file order. Raises WeightsError."""
    length = int.from_bytes(reader.bytes(8), "little")
    if not 2 <= length <= min(MOST_HEADER_BYTES, reader.left):
        raise WeightsError("invalid header length")
    fields = parse_json(reader.bytes(length), "header")
    fields.pop("__metadata__", None)
    entries = {}
    for name, value in fields.items():
        entry, problems = checked(_Entry, value) if isinstance(value, dict) else (None, [])
        if entry is None or math.prod(max(1, side) for side in entry.shape) > MOST_VALUES:
            raise WeightsError(
                "; ".join([f"invalid entry {name[:80]!r} = {str(value)[:80]}", *problems])
            )
        entries[name] = entry
    in_order = dict(sorted(entries.items(), key=lambda item: item[1].data_offsets))
    end = 0
    for name, entry in in_order.items():
        if entry.data_offsets != (end, end + entry.size):
            raise WeightsError(f"{name[:80]!r} is not contiguous with the tensor before it")
        end += entry.size
    if end != reader.left:
        raise WeightsError(f"its tensors need {end:,} bytes, but it has {reader.left:,}")
    return in_order


class _Reader:
    """Reads a file from start to end, and hashes it."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self._file, self._path, self._hash = file, path, hashlib.sha256()
        self.left = size

    @property
    def sha256(self) -> str:
        """Of the bytes read so far."""
        return self._hash.hexdigest()

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes. Raises WeightsError if fewer are left."""
        if count > self.left:
            raise WeightsError(f"it ends after {self.left:,} bytes")
        data = bytearray(count)
        self._fill(memoryview(data))
        return bytes(data)

    def tensor(self, entry: _Entry) -> Tensor:
        """The next bytes as a tensor."""
        flat = torch.empty(entry.size, dtype=torch.uint8)
        self._fill(flat.numpy().data)
        if sys.byteorder == "big" and entry.size:
            width = DTYPES[entry.dtype].itemsize
            flat = flat.view(-1, width).flip(1).flatten()
        return flat.view(DTYPES[entry.dtype]).view(entry.shape)

    def skip(self) -> None:
        """Reads and hashes the rest."""
        while self.left:
            self.bytes(min(self.left, 2**20))

    def _fill(self, place: memoryview) -> None:
        done = 0
        try:
            while done < len(place) and (got := self._file.readinto(place[done:])):  # pyright: ignore[reportAttributeAccessIssue]  # a buffered file has it
                done += got
        except OSError as failure:
            why = os.strerror(failure.errno or 0)
            raise WeightsError(f"Cannot read {str(self._path)!r}: {why}.") from None
        if done < len(place):
            raise WeightsError(f"{str(self._path)!r} was truncated while being read.")
        self._hash.update(place)
        self.left -= done
