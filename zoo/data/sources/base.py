"""`Source`: random access to examples from any process; images may vary in size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zoo.data.examples import PIECE, sha256_of_each
from zoo.data.values import Shape, as_values, first_not_finite, not_finite
from zoo.errors import DataError
from zoo.specs.domains import domain_of

if TYPE_CHECKING:
    from PIL.Image import Image


class Source:
    """Base class of dataset readers; subclasses implement `__len__` and `read`.

    Sources can be pickled; files are opened in the process that reads.
    """

    shape: Shape | None = None
    """Shape of every example, if known before reading; always known for rows and series."""
    dtype: torch.dtype = torch.uint8
    """Dtype of the values: uint8 for images, float32 or float64 for rows and series."""
    shards: np.ndarray | None = None
    """Number of the first example of each shard, for sources where neighbors are read together."""
    together = 16_384
    """Block size, in examples, within which sharded examples are shuffled."""
    whole = 131_072
    """Splits up to this size are fully shuffled even if sharded."""
    has_missing = False
    """Whether NaN is a missing value; otherwise it is refused."""

    @property
    def is_real(self) -> bool:
        """Whether the examples are rows or series, not images."""
        return self.dtype != torch.uint8

    @property
    def noun(self) -> str:
        """Word for one example: `image`, `row` or `series`."""
        return domain_of(self.shape).noun if self.is_real and self.shape else "image"

    @property
    def nouns(self) -> str:
        """Word for several examples: `images`, `rows` or `series`."""
        return domain_of(self.shape).nouns if self.is_real and self.shape else "images"

    def __len__(self) -> int:
        raise NotImplementedError

    def key(self, number: int) -> str:
        """The key of an example: a path, a key of its shard, or its number."""
        return str(number)

    def title(self, number: int) -> str:
        """The name of an example in errors."""
        return repr(self.key(number))

    def read(self, number: int) -> Image | Tensor:
        """One example: an image as a Pillow image, gray ("L") or color ("RGB"), or `(C, H, W)` uint8;
        or a finite row or series of the source's shape and dtype.

        Raises DataError, with its title, if it is damaged.
        """
        raise NotImplementedError

    def keys(self, first: int, count: int) -> list[str]:
        """Keys of consecutive examples."""
        numbers = range(first, first + count)
        if type(self).key is Source.key:  # fast path for a million keys
            return list(map(str, numbers))
        return [self.key(number) for number in numbers]

    def split_keys(self) -> Iterable[str]:
        """For each example, the text that decides whether it is held out.

        It is the example's key or the sha256 of its content, independent of other examples.
        """
        return self.keys(0, len(self))

    def paths(self, first: int, count: int) -> Sequence[str]:
        """The files that consecutive examples are read from."""
        return ()

    def marks(self, first: int, count: int) -> bytes:
        """Bytes that change if consecutive examples change, without reading files.

        The values, if in memory; else size and modification time of the files. Raises DataError for
        a missing file.
        """
        if (values := self.held(np.arange(first, first + count))) is not None:
            return values.numpy().tobytes()
        return b"".join(map(_state_of, self.paths(first, count)))

    def held(self, numbers: np.ndarray) -> Tensor | None:
        """Examples of these numbers, `(n, *shape)`, if all are in memory, else None; a view if possible."""
        return None

    def read_run(self, first: int, count: int) -> Tensor | None:
        """Consecutive examples, `(count, *shape)`, if the source can read them in bulk, else None.

        Raises DataError as `read`.
        """
        return None

    def read_some(self, numbers: np.ndarray) -> Tensor | None:
        """Examples of these numbers, `(n, *shape)`, or None; as `read_run`."""
        return self.read_run(int(numbers[0]), len(numbers)) if is_run(numbers) else None

    def accept_missing(self) -> None:
        """Takes NaN in rows and series as missing values."""
        self.has_missing = True

    def finite(self, values: Tensor, numbers: Sequence[int] | np.ndarray) -> Tensor:
        """Returns `values`, the examples of these numbers. Raises DataError for infinity, and for NaN
        unless it is a missing value."""
        if (bad := first_not_finite(values, self.has_missing)) is not None:
            title = self.title(int(numbers[bad]))
            raise DataError(not_finite(values[bad], title, self.has_missing))
        return values


def _state_of(path: str) -> bytes:
    """Size and modification time of a file, or its Hub address, which contains the commit."""
    if "://" in path:
        return path.encode()
    try:
        status = os.stat(path)
    except OSError as failure:
        raise DataError(f"Cannot read {path!r}: {failure.strerror}.") from None
    return b"%d %d\n" % (status.st_size, status.st_mtime_ns)


def is_run(numbers: np.ndarray) -> bool:
    """Whether numbers `(N,)` are consecutive, N >= 1."""
    return len(numbers) > 0 and bool((numbers[1:] - numbers[:-1] == 1).all())


class StringTable(Sequence[str]):
    """Many strings in one block of memory, which forked workers share; a list would be copied."""

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
    """Examples in memory, from an array or tensor as for `as_values`."""

    def __init__(self, given: object, what: str, wanted: Shape | None = None) -> None:
        self.what = what
        self.values = as_values(given, what, wanted)
        self.shape, self.dtype = tuple(self.values.shape[1:]), self.values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def title(self, number: int) -> str:
        return f"{self.what}: {self.noun} {number}"

    def read(self, number: int) -> Tensor:
        return self.read_run(number, 1)[0]

    def split_keys(self) -> Iterable[str]:
        for piece in self.values.split(PIECE):
            yield from sha256_of_each(piece)

    def read_run(self, first: int, count: int) -> Tensor:
        return self.finite(self.values[first : first + count], range(first, first + count))

    def read_some(self, numbers: np.ndarray) -> Tensor:
        return self.finite(self.values[torch.from_numpy(numbers)], numbers)

    def held(self, numbers: np.ndarray) -> Tensor:
        if is_run(numbers):
            view = self.read_run(int(numbers[0]), len(numbers))
            if (
                view.untyped_storage().nbytes() <= 2 * view.nbytes
            ):  # else the view keeps all of it alive
                return view
        return self.read_some(numbers)


class Prefixed(Source):
    """Another source with keys prefixed by a name, of a part or file: `name/key`."""

    def __init__(self, name: str, source: Source) -> None:
        self.name, self.source = name, source
        self.shape, self.dtype, self.shards = source.shape, source.dtype, source.shards

    def accept_missing(self) -> None:
        self.source.accept_missing()

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

    def read_some(self, numbers: np.ndarray) -> Tensor | None:
        return self.source.read_some(numbers)

    def held(self, numbers: np.ndarray) -> Tensor | None:
        return self.source.held(numbers)


class Concatenated(Source):
    """Several sources, one after the other."""

    def __init__(self, parts: Sequence[Source]) -> None:
        self.parts = list(parts)
        self.ends = np.cumsum([len(part) for part in parts])
        shapes = {part.shape for part in parts}
        self.shape = shapes.pop() if len(shapes) == 1 else None
        self.dtype = self.parts[0].dtype if self.parts else torch.uint8
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

    def read_some(self, numbers: np.ndarray) -> Tensor | None:
        which, values = np.searchsorted(self.ends, numbers, side="right"), None
        for number in np.unique(which):
            mine, part = which == number, self.parts[number]
            some = part.read_some(numbers[mine] - (int(self.ends[number]) - len(part)))
            if some is None or mine.all():
                return some
            if values is None:
                values = torch.empty(len(numbers), *some.shape[1:], dtype=some.dtype)
            values[torch.from_numpy(mine)] = some
        return values

    def _runs(self, first: int, count: int) -> Iterator[tuple[Source, int, int]]:
        """Each part of consecutive examples, with the first number in it and the count."""
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
