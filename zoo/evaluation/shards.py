"""Codes that were written -> tar shards of them, as trainings on latents read: one sample an image."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from zoo.errors import InputError
from zoo.io.files import GrowingFile, open_regular

BLOCK = tarfile.BLOCKSIZE
"""A tar is made of blocks, and ends with two of zeros."""


def shard_paths(codes: Path, count: int, size: int) -> list[Path]:
    """The shards of `count` codes, `size` in each: `<stem>-00000-of-00012.tar` and so on.

    Raises InputError where one is there that `write_shards` did not write.
    """
    shards = -(-count // size)
    paths = [codes.with_name(f"{codes.stem}-{n:05}-of-{shards:05}.tar") for n in range(shards)]
    for path in paths:
        if path.exists() and not _is_ours(path):
            raise InputError(
                f"{str(path)!r} is there already, and no encoding wrote it: it would be replaced. "
                f"Choose another name than {str(codes)!r} for the codes."
            )
    return paths


def write_shards(codes: Path, flipped: Path | None = None, *, size: int) -> list[Path]:
    """Writes what `encode_images` wrote as `<stem>-00000-of-00012.tar`, ..., beside it.

    In WebDataset's layout: a sample is an image's `<row>.npy`, its code, float32; `<row>.flipped.npy`,
    the code of its mirror image; and `<row>.json`, which has its `key`. The same codes give the same
    bytes.

    Args:
        codes: the `.npy`, whose `<stem>.keys.jsonl` is beside it.
        flipped: the `.npy` of the mirror images.
        size: images of a shard, 1 or more; the last one may have fewer.

    Raises ZooError where the disk is full or read-only; the shards that are whole stay.
    """
    parts = {"npy": np.load(codes, mmap_mode="r")}
    if flipped is not None:
        parts["flipped.npy"] = np.load(flipped, mmap_mode="r")
    paths = shard_paths(codes, len(parts["npy"]), size)
    with codes.with_suffix(".keys.jsonl").open(encoding="ascii") as keys:
        samples = _samples(parts, keys)
        for path in paths:
            _write(path, islice(samples, size))
    return paths


def _write(path: Path, samples: Iterator[bytes]) -> None:
    file = GrowingFile(path)
    file.open(0)
    try:
        for sample in samples:
            file.append(sample)
        file.append(bytes(2 * BLOCK))
        file.sync()
        file.take_its_place()
    finally:
        file.discard()


def _samples(parts: dict[str, np.ndarray], keys: Iterator[str]) -> Iterator[bytes]:
    """The blocks of each image's members."""
    for row, key in enumerate(keys):
        name = f"{row:09}"
        members = [_member(f"{name}.{kind}", _npy(codes[row])) for kind, codes in parts.items()]
        about = json.dumps({"key": json.loads(key)}).encode()
        yield b"".join([*members, _member(f"{name}.json", about)])


def _npy(code: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(code))
    return file.getvalue()


def _member(name: str, data: bytes) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % BLOCK)


def _is_ours(path: Path) -> bool:
    """Whether a file begins as a shard of codes does."""
    with open_regular(path, InputError) as file:
        return re.fullmatch(rb"\d{9}\.npy\0", file.read(14)) is not None
