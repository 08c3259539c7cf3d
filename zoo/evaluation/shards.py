"""Codes that were written -> tar shards of them, as trainings on latents read: one sample an image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from zoo.io.files import GrowingFile


def write_shards(codes: Path, flipped: Path | None = None, *, size: int) -> list[Path]:
    """Writes what `encode_images` wrote as `<stem>-00000-of-00012.tar`, ..., beside it.

    In WebDataset's layout: a sample is an image's `<row>.npy`, its code, float32; `<row>.flipped.npy`,
    the code of its mirror image; and `<row>.json`, which has its `key`. The same codes give the same
    bytes.

    Args:
        codes: the `.npy`, whose `<stem>.keys.jsonl` is beside it.
        flipped: the `.npy` of the mirror images.
        size: images of a shard, 1 or more; the last one may have fewer.

    Raises ZooError where the disk is full or read-only.
    """
    from webdataset.writer import TarWriter

    parts = {"npy": np.load(codes, mmap_mode="r")}
    if flipped is not None:
        parts["flipped.npy"] = np.load(flipped, mmap_mode="r")
    count = -(-len(parts["npy"]) // size)
    written = []
    with codes.with_suffix(".keys.jsonl").open(encoding="ascii") as keys:
        samples = _samples(parts, keys)
        for number in range(count):
            file = GrowingFile(codes.with_name(f"{codes.stem}-{number:05}-of-{count:05}.tar"))
            file.open(0)
            tar = TarWriter(_Stream(file), mtime=0)  # pyright: ignore[reportArgumentType]  # it only writes
            for sample in islice(samples, size):
                tar.write(sample)
            tar.close()
            file.close()
            file.take_its_place()
            written.append(file.path)
    return written


def _samples(parts: dict[str, np.ndarray], keys: Iterator[str]) -> Iterator[dict]:
    for row, key in enumerate(keys):
        named = {name: np.ascontiguousarray(codes[row]) for name, codes in parts.items()}
        yield {"__key__": f"{row:09}", **named, "json": {"key": json.loads(key)}}


class _Stream:
    """A GrowingFile as a tar's writer asks for one."""

    def __init__(self, file: GrowingFile) -> None:
        self.write = file.append

    def close(self) -> None:
        """The file is closed by who opened it."""
