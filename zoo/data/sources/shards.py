"""Images from tar shards in WebDataset's layout: `key.jpg` next to `key.json`, `key.cls` and so on.

Shards are indexed by reading their headers; images are then read on demand. Nothing is extracted.
"""

from __future__ import annotations

import glob
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

from zoo.data.sources.base import Source, StringTable
from zoo.data.sources.image_files import SUFFIXES, decode
from zoo.errors import DataError
from zoo.io.files import open_regular, with_home
from zoo.specs.data import FOUND

if TYPE_CHECKING:
    from PIL.Image import Image

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
MAX_BYTES = 2**30
"""Maximum size of an image file, which is read at once."""
MAX_SHARDS = 100_000
"""Maximum number of shards in a pattern."""
MAX_HEADER = 2**20
"""Maximum size of a pax header or long name, in bytes: tarfile reads them at once."""
HEADERS = b"xgLKX"  # pax, global pax, long names and links, Solaris pax
FOREIGN = re.compile(r"(^|/)(\.[^/.]|__MACOSX/|PaxHeaders?\b)")
"""Files that macOS and tar programs add."""
LISTED = 5
BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})")
NAME = re.compile(r"((?:.*/)?[^/.]+)\.([^/]*)", re.DOTALL)
"""Key and extension: the key ends at the first dot of the last path component."""
OPEN_FILES = 64
"""Maximum number of shards that a process keeps open."""


class Index(NamedTuple):
    """Keys, offsets and sizes, in bytes, of the images in a shard."""

    keys: StringTable
    offsets: np.ndarray
    sizes: np.ndarray


class Shards(Source):
    """Images of tar files, in file order."""

    def __init__(self, paths: Sequence[Path], column: str = FOUND) -> None:
        found = [_index(path, column.lower()) for path in paths]
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
        """Keys of the samples, without their shard."""
        return itertools.chain.from_iterable(self.keys_of_shard)

    def title(self, number: int) -> str:
        shard, key = self._place(number)
        return f"{key!r} of {self.files[shard]!r}"

    def paths(self, first: int, count: int) -> list[str]:
        return self.files[self._shard(first) : self._shard(first + count - 1) + 1]

    def read(self, number: int) -> Image:
        offset, size = int(self.offsets[number]), int(self.sizes[number])
        if size > MAX_BYTES:
            raise DataError(
                f"{self.title(number)} is {size:,} bytes; the limit for an image is {MAX_BYTES:,}."
            )
        try:
            data = os.pread(self._file(self._shard(number)), size, offset)
        except OSError as failure:
            raise DataError(f"Cannot read {self.title(number)}: {failure.strerror}.") from None
        if len(data) < size:
            raise DataError(f"{self.title(number)} is cut short.")
        return decode(io.BytesIO(data), self.title(number))

    def _place(self, number: int) -> tuple[int, str]:
        """The shard of an image, and its key in it."""
        shard = self._shard(number)
        return shard, self.keys_of_shard[shard][number - int(self.starts[shard])]

    def _shard(self, number: int) -> int:
        return int(np.searchsorted(self.starts, number, side="right")) - 1

    def _file(self, shard: int) -> int:
        """The descriptor of a shard, opened on demand; the least recently used one is closed."""
        if shard not in self.opened:
            if len(self.opened) >= OPEN_FILES:
                os.close(self.opened.popitem(last=False)[1])
            self.opened[shard] = os.open(self.files[shard], os.O_RDONLY | os.O_CLOEXEC)
        self.opened.move_to_end(shard)
        return self.opened[shard]


def expanded(pattern: str) -> list[Path]:
    """The files of a pattern such as `photos/train-{000..099}.tar` or `photos/*.tar`.

    `{000..099}` is a range, `{a,b}` a list, and `::` separates patterns; `*`, `?` and `[...]` match
    existing files. Nothing else is special: no commands, URLs or environment variables.

    Raises DataError for an invalid pattern and for missing files.
    """
    if math.prod(map(_choice_count, BRACES.findall(pattern))) > MAX_SHARDS:
        raise DataError(f"{pattern!r:.200} names more than {MAX_SHARDS:,} shards.")
    if re.search("[{}]", BRACES.sub("", pattern)):
        raise DataError(
            f"{pattern!r:.200} is not a valid pattern of shards: its braces are unbalanced or nested."
        )
    names = [name for part in pattern.split("::") for name in _expanded(part)]
    for name in names:
        if name.startswith("pipe:") or "://" in name:
            raise DataError(f"{name!r} is not a path: tar shards must be local files.")
    paths = [path for name in names for path in _matching(with_home(name, DataError))]
    if len(set(paths)) < len(paths):
        raise DataError(f"{pattern!r:.200} names a shard twice.")
    missing = [path for path in paths if not os.path.lexists(path)]
    if missing:
        raise DataError(
            f"The shard {str(missing[0])!r} does not exist: {len(paths) - len(missing):,} of the "
            f"{len(paths):,} shards of {pattern!r:.200} exist."
        )
    return paths


def _expanded(pattern: str) -> list[str]:
    """All expansions of the braces, the last ones varying fastest."""
    pieces = BRACES.split(pattern)  # text, braces, text, ...
    choices = [_choices(one) if i % 2 else [one] for i, one in enumerate(pieces)]
    return ["".join(some) for some in itertools.product(*choices)]


def _choices(braces: str) -> list[str]:
    if numbers := RANGE.fullmatch(braces):
        first, last = int(numbers[1]), int(numbers[2])
        step = 1 if first <= last else -1
        padded = any(re.match(r"-?0\d", text) for text in numbers.groups())
        width = max(map(len, numbers.groups())) if padded else 0
        return [f"{number:0{width}}" for number in range(first, last + step, step)]
    return braces.split(",")


def _matching(path: Path) -> list[Path]:
    """The path if it exists or has no `*`, `?` or `[...]`; else the files that match it."""
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        return [path]
    found = sorted(map(Path, glob.glob(str(path))))
    if not found:
        raise DataError(f"No file matches {str(path)!r}.")
    return found


def _choice_count(braces: str) -> float:
    """The number of choices in a pair of braces, at most."""
    if numbers := RANGE.fullmatch(braces):
        return abs(int(numbers[2]) - int(numbers[1])) + 1
    return math.inf if ".." in braces else braces.count(",") + 1


def _index(path: Path, column: str) -> Index:
    """The index of a shard. Raises DataError if it is compressed, damaged or has no images."""
    if path.name.lower().endswith(COMPRESSED):
        raise DataError(
            f"{str(path)!r} is compressed, so its images cannot be read individually. Decompress it to a "
            ".tar (gunzip, unxz, zstd -d), which is hardly larger: images are already compressed."
        )
    with open_regular(path, DataError) as file:
        try:
            places = _images_in(file, path, column)
        except DataError:
            raise
        except Exception as broken:  # tarfile raises arbitrary errors for damaged files
            why = (str(broken).splitlines() or [type(broken).__name__])[0]
            raise DataError(
                f"{str(path)!r} is cut short, damaged or not a tar file ({why})."
            ) from None
    if not places:
        raise DataError(f"No images in {str(path)!r} (looked for {', '.join(SUFFIXES)}).")
    offsets, sizes = np.array(list(places.values()), np.int64).T
    return Index(StringTable(list(places)), offsets, sizes)


class _Member(tarfile.TarInfo):
    """A member with headers of bounded size: tarfile reads them at once."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> tarfile.TarInfo:
        member = super().frombuf(buf, encoding, errors)
        if member.type in HEADERS and member.size > MAX_HEADER:
            raise ValueError(f"one of its headers has {member.size:,} bytes")
        return member


def _images_in(file: BinaryIO, path: Path, column: str) -> dict[str, tuple[int, int]]:
    """Offset and size of each image, by its key."""
    places: dict[str, tuple[int, int]] = {}
    others: dict[str, None] = {}
    taken = ""
    with tarfile.open(fileobj=file, mode="r:", tarinfo=_Member) as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  # tarfile would keep all members
            _check(member, path)
            named = NAME.fullmatch(member.name.removeprefix("./"))
            if named is None or FOREIGN.search(member.name) or member.isdir():
                continue
            key, extension = named[1], named[2].lower()
            if not f".{extension}".endswith(SUFFIXES):
                continue
            if column not in (FOUND, extension):
                others |= {extension: None} if len(others) < LISTED else {}
                continue
            if key in places:
                raise DataError(_two_images(path, key, taken, extension))
            places[key], taken = (member.offset_data, member.size), extension
        _check_end(file, tar.offset, path)
    if not places and others:
        raise DataError(
            f"No image in {str(path)!r} has the extension {column!r}; found {', '.join(others)}. "
            "data.column chooses one."
        )
    return places


def _two_images(path: Path, key: str, one: str, other: str) -> str:
    """Error message for a sample with several images, by the extensions of two members in order."""
    kinds = f"{one!r} or {other!r}" if one != other else f"{other!r}"
    return (
        f"{str(path)!r} has two images with the key {key!r}, the name up to its first dot. "
        f"data.column chooses an image by the extension after the dot: {kinds}. Names of different "
        "images must differ before it."
    )


def _check(member: tarfile.TarInfo, path: Path) -> None:
    if not (member.isreg() or member.isdir()) or member.issparse():
        kind = "a link" if member.issym() or member.islnk() else "neither a file nor a folder"
        raise DataError(f"{member.name!r} of {str(path)!r} is {kind}; shards may hold only files.")
    if member.name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member.name):
        raise DataError(
            f"The name {member.name!r} in {str(path)!r} leads outside the archive. It was not read."
        )


def _check_end(file: BinaryIO, offset: int, path: Path) -> None:
    """Raises DataError for data after the last member: tarfile silently stops at a damaged header."""
    file.seek(offset)
    while piece := file.read(2**20):
        if piece.strip(b"\0"):
            raise DataError(
                f"{str(path)!r} is cut short or damaged: no valid tar header at byte {offset:,}."
            )
