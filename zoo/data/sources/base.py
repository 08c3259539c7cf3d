"""`Source`: images of any sizes that are read one at a time, by any process, in any order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zoo.data.examples import as_images, sha256_of
from zoo.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


class Source:
    """A kind of dataset: what a new one has to say. It can be pickled, and opens files where it reads."""

    shape: tuple[int, int, int] | None = None
    """Of every image, where that is known before they are read."""
    shards: np.ndarray | None = None
    """The number of the first image of each file that holds many, where neighbors are read together."""
    together = 16_384
    """Images of shards that follow one another, among which an epoch's order is drawn."""
    whole = 131_072
    """A split of so many images is shuffled as a whole all the same."""

    def __len__(self) -> int:
        raise NotImplementedError

    def key(self, number: int) -> str:
        """What the image is called: a path, a key of its shard, or its number."""
        return str(number)

    def title(self, number: int) -> str:
        """What to call the image in errors."""
        return repr(self.key(number))

    def read(self, number: int) -> Image | Tensor:
        """One image: Pillow's, gray ("L") or color ("RGB"), or `(C, H, W)` uint8.

        Raises DataError, with its title, for one that is damaged.
        """
        raise NotImplementedError

    def keys(self, first: int, count: int) -> list[str]:
        """Of images that follow one another."""
        numbers = range(first, first + count)
        if type(self).key is Source.key:  # a million of them are asked for
            return list(map(str, numbers))
        return [self.key(number) for number in numbers]

    def split_keys(self) -> Iterable[str]:
        """For each example, the text that decides whether it is held out.

        It names the example, or is the sha256 of its content: it does not depend on the others.
        """
        return self.keys(0, len(self))

    def paths(self, first: int, count: int) -> Sequence[str]:
        """The files that images which follow one another are read from."""
        return ()

    def marks(self, first: int, count: int) -> bytes:
        """What changes when images that follow one another do, without reading any.

        Their pixels, where they are in memory; else size and time of their files. Raises DataError
        for a file that is gone.
        """
        if (pixels := self.held(np.arange(first, first + count))) is not None:
            return pixels.numpy().tobytes()
        return b"".join(map(_state_of, self.paths(first, count)))

    def held(self, numbers: np.ndarray) -> Tensor | None:
        """Images of these numbers, `(n, C, H, W)` uint8, where all are in memory; a view if it can be."""
        return None

    def read_run(self, first: int, count: int) -> Tensor | None:
        """Images that follow one another, `(count, C, H, W)` uint8, where the source has them so.

        None where they are read one at a time.
        """
        return None


def _state_of(path: str) -> bytes:
    """Size and time of a file. An address on the Hub has its commit in it."""
    if "://" in path:
        return path.encode()
    try:
        status = os.stat(path)
    except OSError as failure:
        raise DataError(f"Cannot read {path!r}: {failure.strerror}.") from None
    return b"%d %d\n" % (status.st_size, status.st_mtime_ns)


def is_run(numbers: np.ndarray) -> bool:
    """Whether they follow one another: `(N,)`, N >= 1."""
    return len(numbers) > 0 and bool((numbers[1:] - numbers[:-1] == 1).all())


class Texts(Sequence[str]):
    """Many texts in one block of memory: worker processes share it, and would copy a list's."""

    def __init__(self, texts: Sequence[str]) -> None:
        encoded = [os.fsencode(text) for text in texts]
        self.ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        self.block = b"".join(encoded)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]  # no slices
        start = self.ends[number - 1] if number else 0
        return os.fsdecode(self.block[start : self.ends[number]])


class InMemory(Source):
    """Images of one size, `(N, C, H, W)` or `(N, H, W)` uint8, that are in memory."""

    def __init__(self, given: object, what: str) -> None:
        self.what = what
        self.pixels = as_images(given, what)
        channels, height, width = self.pixels.shape[1:]
        self.shape = (channels, height, width)

    def __len__(self) -> int:
        return len(self.pixels)

    def title(self, number: int) -> str:
        return f"{self.what}: image {number}"

    def read(self, number: int) -> Tensor:
        return self.pixels[number]

    def split_keys(self) -> Iterable[str]:
        return (sha256_of(row) for row in self.pixels)

    def read_run(self, first: int, count: int) -> Tensor:
        return self.pixels[first : first + count]

    def held(self, numbers: np.ndarray) -> Tensor:
        if is_run(numbers):
            view = self.read_run(int(numbers[0]), len(numbers))
            if view.untyped_storage().nbytes() <= 2 * view.numel():  # else it would keep all of it
                return view
        return self.pixels[torch.from_numpy(numbers)]


class Named(Source):
    """Another source, whose keys are made a path that begins with a name: a part's or a file's."""

    def __init__(self, name: str, source: Source) -> None:
        self.name, self.source = name, source
        self.shape, self.shards = source.shape, source.shards

    def __len__(self) -> int:
        return len(self.source)

    def key(self, number: int) -> str:
        return f"{self.name}/{self.source.key(number)}"

    def title(self, number: int) -> str:
        return self.source.title(number)

    def read(self, number: int) -> Image | Tensor:
        return self.source.read(number)

    def keys(self, first: int, count: int) -> list[str]:
        return [f"{self.name}/{key}" for key in self.source.keys(first, count)]

    def split_keys(self) -> Iterable[str]:
        return self.source.split_keys()

    def paths(self, first: int, count: int) -> Sequence[str]:
        return self.source.paths(first, count)

    def marks(self, first: int, count: int) -> bytes:
        return self.source.marks(first, count)

    def read_run(self, first: int, count: int) -> Tensor | None:
        return self.source.read_run(first, count)

    def held(self, numbers: np.ndarray) -> Tensor | None:
        return self.source.held(numbers)


class Joined(Source):
    """Sources one after the other, as one."""

    def __init__(self, parts: Sequence[Source]) -> None:
        self.parts = list(parts)
        self.ends = np.cumsum([len(part) for part in parts])
        shapes = {part.shape for part in parts}
        self.shape = shapes.pop() if len(shapes) == 1 else None
        if any(part.shards is not None for part in parts):
            starts = [end - len(part) for end, part in zip(self.ends, parts, strict=True)]
            own = [[0] if part.shards is None else part.shards for part in parts]
            self.together = min(part.together for part in parts)
            self.whole = min(part.whole for part in parts)
            self.shards = np.concatenate(
                [np.asarray(s) + start for s, start in zip(own, starts, strict=True)]
            )

    def __len__(self) -> int:
        return int(self.ends[-1])

    def key(self, number: int) -> str:
        part, own = self._at(number)
        return part.key(own)

    def title(self, number: int) -> str:
        part, own = self._at(number)
        return part.title(own)

    def read(self, number: int) -> Image | Tensor:
        part, own = self._at(number)
        return part.read(own)

    def keys(self, first: int, count: int) -> list[str]:
        return [key for part, *own in self._runs(first, count) for key in part.keys(*own)]

    def paths(self, first: int, count: int) -> Sequence[str]:
        return [path for part, *own in self._runs(first, count) for path in part.paths(*own)]

    def marks(self, first: int, count: int) -> bytes:
        return b"".join(part.marks(*own) for part, *own in self._runs(first, count))

    def read_run(self, first: int, count: int) -> Tensor | None:
        runs = []
        for part, *own in self._runs(first, count):
            if (run := part.read_run(*own)) is None:
                return None
            runs.append(run)
        return torch.cat(runs) if len(runs) > 1 else runs[0]

    def _runs(self, first: int, count: int) -> Iterator[tuple[Source, int, int]]:
        """The parts of images that follow one another: their first one in each, and how many."""
        end = first + count
        while first < end:
            part, own = self._at(first)
            here = min(end - first, len(part) - own)
            yield part, own, here
            first += here

    def held(self, numbers: np.ndarray) -> Tensor | None:
        if self.shape is None:
            return None
        which = np.searchsorted(self.ends, numbers, side="right")
        pieces = []
        for some in np.split(numbers, np.flatnonzero(np.diff(which)) + 1):
            part, own = self._at(int(some[0]))
            if (piece := part.held(some - some[0] + own)) is None:
                return None
            pieces.append(piece)
        return torch.cat(pieces) if len(pieces) > 1 else pieces[0]

    def _at(self, number: int) -> tuple[Source, int]:
        which = int(np.searchsorted(self.ends, number, side="right"))
        part = self.parts[which]
        return part, number - int(self.ends[which]) + len(part)
