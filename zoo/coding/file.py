"""The file of compressed images: a header, a table of chunks, checksums. docs/compression.md specifies it.

8 bytes   \\x89AEZ\\r\\n\\x1a\\n
4 bytes   length H of the header, little-endian, as all numbers
H bytes   header: JSON, UTF-8, the fields of `Header`
16 bytes  for each chunk: number of images, of touched words, of words; CRC-32 of the words
S bytes   what the model needs beside its weights, compressed by zlib; S is in the header
N bytes   the examples' keys: a JSON list, compressed by zlib; N is in the header, and may be 0
4 bytes   CRC-32 of all before
words     of the chunks, 4 bytes each
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from zoo.coding.codec import Chunk
from zoo.coding.stack import SUPPLY
from zoo.errors import DataError
from zoo.specs.validation import Strict, checked, listed, parse_json

MAGIC = b"\x89AEZ\r\n\x1a\n"
FORMAT = "autoencoder-zoo-images/1"
MOST_HEADER, MOST_SIDE, MOST_KEYS = 64_000, 2**24, 2**26
MOST_BYTES = 2**32
"""Of the images of a file."""
MOST_CHUNKS, MOST_CHUNK = 2**20, 2**20
"""Chunks of a file, and images of a chunk."""
_SIZE, _ROW = struct.Struct("<I"), struct.Struct("<IIII")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Header(Strict):
    """What a file says about itself."""

    format: Literal["autoencoder-zoo-images/1"] = FORMAT
    exact: int = Field(ge=1, le=1_000_000)
    """Version of the arithmetic, `zoo.integers.grids.VERSION`."""
    model: str = Field(max_length=300)
    """Where the model was loaded from: a published name or `hf://org/name@commit`; empty for a folder."""
    family: str = Field(max_length=100)
    weights_sha256: Sha256
    network_sha256: Sha256
    """Of the model's integer form."""
    values: Literal["binary", "levels", "vectors"]
    """What is coded: levels 0 and 255, levels 0 to 255, or the numbers of a codebook's vectors, with loss."""
    psnr: float | None = None
    """With loss: in dB, the mean over images."""
    tails: tuple[Annotated[int, Field(ge=0, le=1024)], ...] = ()
    """Numbers of the groups of codes whose normal prior is on a uniform grid."""
    binarized: bool = False
    """Whether gray levels were binarized before: then they are not in the file."""
    shape: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(min_length=3, max_length=3)
    count: int = Field(ge=1, le=2**40)
    chunks: int = Field(ge=1, le=MOST_CHUNKS)
    side_bytes: int = Field(default=0, ge=0, le=MOST_SIDE)
    keys_bytes: int = Field(default=0, ge=0, le=MOST_KEYS)
    sha256: Sha256
    """Of the images' levels, uint8, in order."""

    @property
    def values_per_image(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Compressed:
    """A parsed file. Damaged chunks are None."""

    header: Header
    chunks: tuple[Chunk | None, ...]
    sizes: tuple[int, ...]
    """Images of each chunk."""
    keys: tuple[str, ...] | None
    """None if keys are numbers from 0 on."""
    side: bytes
    """Number of digits of each code, a byte each; of vectors, their counts, four bytes each."""
    header_bytes: int
    """Bytes that are not of the payload."""

    @property
    def payload_bytes(self) -> int:
        return sum(4 * len(chunk.words) for chunk in self.chunks if chunk is not None)

    def key(self, number: int) -> str:
        return str(number) if self.keys is None else self.keys[number]


def written(
    header: Header, chunks: Sequence[Chunk], side: bytes, keys: Sequence[str] | None
) -> bytes:
    """The file's bytes."""
    packed = zlib.compress(side, 9)
    listed_keys = zlib.compress(json.dumps(list(keys)).encode(), 9) if keys is not None else b""
    lengths = {"side_bytes": len(packed), "keys_bytes": len(listed_keys), "chunks": len(chunks)}
    header = header.model_copy(update=lengths)
    text = header.model_dump_json().encode()
    words = [chunk.words.astype("<u4").tobytes() for chunk in chunks]
    table = b"".join(
        _ROW.pack(chunk.images, chunk.touched, len(chunk.words), zlib.crc32(own))
        for chunk, own in zip(chunks, words, strict=True)
    )
    head = MAGIC + _SIZE.pack(len(text)) + text + table + packed + listed_keys
    return head + _SIZE.pack(zlib.crc32(head)) + b"".join(words)


def parsed(data: bytes, what: str = "The file") -> Compressed:
    """The parts of a file's bytes; a chunk whose checksum differs is None.

    Raises DataError for bytes that are not such a file, are cut short, are of a newer version, or whose
    header is damaged.
    """
    if not data.startswith(MAGIC):
        raise DataError(
            f"{what} is not a file of compressed images: it does not start with their 8 bytes."
        )
    (length,) = _SIZE.unpack(_part(data, len(MAGIC), 4, what))
    if length > MOST_HEADER:
        raise DataError(f"{what} is damaged: its header would have {length:,} bytes.")
    start = len(MAGIC) + 4
    fields = _fields(_part(data, start, length, what), what)
    header, problems = checked(Header, fields)
    if header is None:
        if str(fields.get("format", FORMAT)) != FORMAT:
            raise DataError(
                f"{what} has the format {str(fields['format'])[:60]!r}; this version reads {FORMAT!r}. "
                "pip install -U autoencoder-zoo"
            )
        raise DataError(listed(what, problems))
    table = start + length
    side = table + _ROW.size * header.chunks
    keys = side + header.side_bytes
    end = keys + header.keys_bytes
    (crc,) = _SIZE.unpack(_part(data, end, 4, what))
    if zlib.crc32(data[:end]) != crc:
        raise DataError(f"{what} is damaged: its header is not what its checksum says.")
    rows = list(_ROW.iter_unpack(data[table:side]))
    sizes = tuple(images for images, *_ in rows)
    if sum(sizes) != header.count or not all(0 < images <= MOST_CHUNK for images in sizes):
        raise DataError(f"{what} is damaged: its chunks do not have {header.count:,} images.")
    chunks, place = [], end + 4
    for images, touched, words, checksum in rows:
        own = data[place : place + 4 * words]
        is_sound = len(own) == 4 * words and zlib.crc32(own) == checksum and touched <= SUPPLY
        chunks.append(Chunk(images, touched, np.frombuffer(own, "<u4")) if is_sound else None)
        place += 4 * words
    if len(data) > place:
        raise DataError(f"{what} is damaged: {len(data) - place:,} bytes follow its last chunk.")
    unpacked = _unpacked(data[side:keys], MOST_SIDE, what)
    named = _keys(data[keys:end], header, what)
    return Compressed(header, tuple(chunks), sizes, named, unpacked, end + 4)


def _fields(text: bytes, what: str) -> dict:
    try:
        return parse_json(text, what)
    except Exception as problem:
        raise DataError(f"{what} is damaged: its header is not JSON ({problem}).") from None


def _part(data: bytes, start: int, length: int, what: str) -> bytes:
    if len(data) < start + length:
        raise DataError(f"{what} is cut short: it has {len(data):,} bytes.")
    return data[start : start + length]


def _keys(data: bytes, header: Header, what: str) -> tuple[str, ...] | None:
    if not header.keys_bytes:
        return None
    try:
        keys = json.loads(_unpacked(data, MOST_KEYS, what))
    except (ValueError, RecursionError):
        keys = None
    if (
        not isinstance(keys, list)
        or len(keys) != header.count
        or not all(isinstance(k, str) for k in keys)
    ):
        raise DataError(f"{what} is damaged: its keys are not {header.count:,} names.")
    return tuple(keys)


def _unpacked(data: bytes, most: int, what: str) -> bytes:
    """What zlib compressed, at most `most` bytes of it."""
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error:
        raise DataError(
            f"{what} is damaged: what its header packs is not what zlib wrote."
        ) from None
