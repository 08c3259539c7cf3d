"""Images from tar shards in WebDataset's layout: `key.jpg` beside `key.json`, `key.cls` and so on.

Only the headers are read at first; an image is then read from its place. Nothing is extracted.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import re
import tarfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from zoo.data.image_files import SUFFIXES, decode
from zoo.data.source import Source, Texts
from zoo.errors import DataError
from zoo.io.files import open_regular, with_home

if TYPE_CHECKING:
    from PIL.Image import Image

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
MAX_BYTES = 2**30
"""Of one image's file. It is read at once."""
MOST = 100_000
"""Shards that a pattern may name."""
OPEN_FILES = 64
"""Shards that a process keeps open."""


class Index(NamedTuple):
    """Where the images of a shard lie in it."""

    keys: Texts
    offsets: np.ndarray
    sizes: np.ndarray


class Shards(Source):
    """Images of tar files, in the order in which they stand there."""

    def __init__(self, paths: Sequence[Path]) -> None:
        found = [_index(path) for path in paths]
        self.files = [str(path) for path in paths]
        self.keys_of_shard = [one.keys for one in found]
        self.offsets = np.concatenate([one.offsets for one in found])
        self.sizes = np.concatenate([one.sizes for one in found])
        self.starts = np.cumsum([0, *(len(keys) for keys in self.keys_of_shard)])
        self.shards = self.starts[:-1]
        self.opened: OrderedDict[int, int] = OrderedDict()

    def __getstate__(self) -> dict:
        return {**self.__dict__, "opened": OrderedDict()}

    def __len__(self) -> int:
        return len(self.offsets)

    def key(self, number: int) -> str:
        shard, key = self._place(number)
        return f"{Path(self.files[shard]).stem}/{key}" if len(self.files) > 1 else key

    def split_keys(self) -> Iterator[str]:
        """The samples' keys, whichever shard they are in."""
        return itertools.chain.from_iterable(self.keys_of_shard)

    def title(self, number: int) -> str:
        shard, key = self._place(number)
        return f"{key!r} of {self.files[shard]!r}"

    def paths(self, first: int, count: int) -> list[str]:
        return self.files[self._shard(first) : self._shard(first + count - 1) + 1]

    def read(self, number: int) -> Image:
        offset, size = int(self.offsets[number]), int(self.sizes[number])
        if size > MAX_BYTES:
            raise DataError(f"{self.title(number)} has {size:,} bytes: too many for an image.")
        try:
            data = os.pread(self._file(self._shard(number)), size, offset)
        except OSError as failure:
            raise DataError(f"Cannot read {self.title(number)}: {failure.strerror}.") from None
        if len(data) < size:
            raise DataError(f"{self.title(number)} is cut short.")
        return decode(io.BytesIO(data), self.title(number))

    def _place(self, number: int) -> tuple[int, str]:
        """The number of an image's shard, and its key there."""
        shard = self._shard(number)
        return shard, self.keys_of_shard[shard][number - int(self.starts[shard])]

    def _shard(self, number: int) -> int:
        return int(np.searchsorted(self.starts, number, side="right")) - 1

    def _file(self, shard: int) -> int:
        """Opened when it is first read; the one that was read longest ago is closed for it."""
        if shard not in self.opened:
            if len(self.opened) >= OPEN_FILES:
                os.close(self.opened.popitem(last=False)[1])
            self.opened[shard] = os.open(self.files[shard], os.O_RDONLY | os.O_CLOEXEC)
        self.opened.move_to_end(shard)
        return self.opened[shard]


def expanded(pattern: str) -> list[Path]:
    """The files that a pattern such as `photos/train-{000..099}.tar` means.

    Raises DataError for one that is not there, and for commands and addresses: nothing that a
    recipe names is run or fetched.
    """
    from webdataset.shardlists import expand_urls

    if math.prod(map(_size_of, re.findall(r"\{([^{}]*)\}", pattern))) > MOST:
        raise DataError(f"{pattern!r:.200} names more than {MOST:,} shards.")
    try:
        if re.search("[{}]", re.sub(r"\{[^{}]*\}", "", pattern)):
            raise ValueError("its braces do not match, or lie within others")
        names = expand_urls(pattern)
    except ValueError as wrong:
        raise DataError(f"{pattern!r:.200} is no pattern of shards: {wrong}.") from None
    if len(set(names)) < len(names):
        raise DataError(f"{pattern!r:.200} names a shard twice.")
    for name in names:
        if name.startswith("pipe:") or "://" in name:
            raise DataError(f"{name!r} is no file: tar shards are files on this machine.")
        if not os.path.lexists(with_home(name, DataError)):
            raise DataError(f"There is no shard {name!r}.")
    return [with_home(name) for name in names]


def _size_of(braces: str) -> float:
    """How many names what stands between two braces stands for, at most."""
    if numbers := re.fullmatch(r"(-?\d{1,18})\.\.(-?\d{1,18})", braces):
        return abs(int(numbers[2]) - int(numbers[1])) + 1
    return math.inf if ".." in braces else braces.count(",") + 1


def _index(path: Path) -> Index:
    """Where the images of a shard lie. Raises DataError for a shard that is not as it should be."""
    if path.name.lower().endswith(COMPRESSED):
        raise DataError(
            f"{str(path)!r} is compressed, so that no image can be read alone. Unpack it to a .tar."
        )
    with open_regular(path, DataError) as file:
        try:
            places = _images_in(file, path)
        except DataError:
            raise
        except Exception as broken:  # tarfile raises errors of any kind for other bytes
            why = (str(broken).splitlines() or [type(broken).__name__])[0]
            raise DataError(
                f"{str(path)!r} is cut short, damaged or not a tar file ({why})."
            ) from None
    if not places:
        raise DataError(f"There is no image in {str(path)!r} (looked for {', '.join(SUFFIXES)}).")
    offsets, sizes = np.array(list(places.values()), np.int64).T
    return Index(Texts(list(places)), offsets, sizes)


def _images_in(file: BinaryIO, path: Path) -> dict[str, tuple[int, int]]:
    """Offset and size of each image, by its key."""
    from webdataset.tariterators import base_plus_ext

    places: dict[str, tuple[int, int]] = {}
    with tarfile.open(fileobj=file, mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  # it would keep them all
            _check(member, path)
            key, extension = base_plus_ext(member.name)
            suffix = "." + (extension or "").rpartition(".")[2].lower()
            if key is None or suffix not in SUFFIXES or member.isdir():
                continue
            if key in places:
                raise DataError(f"{str(path)!r} has two images of the key {key!r}.")
            places[key] = (member.offset_data, member.size)
        _check_end(file, tar.offset, path)
    return places


def _check(member: tarfile.TarInfo, path: Path) -> None:
    if not (member.isreg() or member.isdir()) or member.issparse():
        kind = "a link" if member.issym() or member.islnk() else "neither a file nor a folder"
        raise DataError(f"{member.name!r} of {str(path)!r} is {kind}; shards hold files alone.")
    if member.name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member.name):
        raise DataError(
            f"{member.name!r} of {str(path)!r} is a name that leads out of a folder. It was not read."
        )


def _check_end(file: BinaryIO, offset: int, path: Path) -> None:
    """tarfile stops without a word at a damaged header. What ends a tar is zeros, or nothing."""
    file.seek(offset)
    while piece := file.read(2**20):
        if piece.strip(b"\0"):
            raise DataError(
                f"{str(path)!r} is cut short or damaged: byte {offset:,} begins no file."
            )
