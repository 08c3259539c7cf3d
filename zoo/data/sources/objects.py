"""Examples of Python objects: datasets of torch and of others, iterables of examples, and parts of them."""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from zoo.data.examples import sha256_of
from zoo.data.sources.base import InMemory, Source
from zoo.data.sources.image_files import eight_bits
from zoo.data.splits import one_of_each
from zoo.data.transform import as_pixels
from zoo.data.values import Shape, as_example, from_table, note_series
from zoo.errors import DataError, ZooError

if TYPE_CHECKING:
    from PIL.Image import Image

COMPARED = 8
"""Examples of a dataset that are read twice, to see whether it draws them at random."""


class MapStyle(Source):
    """Examples of an object that has a length and gives an item for a number.

    The first says whether they are rows or series, unless images are wanted.
    """

    def __init__(self, given: Any, what: str, wanted: Shape | None = None) -> None:
        self.given, self.what, self.wanted = given, what, wanted
        with _blamed(what):
            self.count = len(given)
        if self.count and (wanted is None or len(wanted) < 3):
            with suppress(DataError):  # reading it says so
                _begin(self, self._example(0))

    def __len__(self) -> int:
        return self.count

    def title(self, number: int) -> str:
        return f"{self.what}: {self.noun} {number}"

    def read(self, number: int) -> Image | Tensor:
        example = self._example(number)
        return _like_the_first(self, example, number) if self.is_real else example

    def _example(self, number: int) -> Image | Tensor:
        title = f"{self.what}: item {number}"
        with _blamed(title):
            item = self.given[number]
        return example_of(item, title, self.shape if self.is_real else self.wanted)

    def split_keys(self) -> Iterator[str]:
        """Of each example's values; one that cannot be read counts by its number.

        Raises DataError for a dataset that gives other examples each time they are read.
        """
        for number in range(len(self)):
            key = self._split_key(number)
            if number < COMPARED and key != self._split_key(number):
                raise DataError(
                    f"{self.title(number)} is another one each time it is read, so no part can be "
                    "held out by its content. Give a mapping of train, validation and test."
                )
            yield key

    def _split_key(self, number: int) -> str:
        try:
            return sha256_of(as_pixels(self.read(number)))
        except DataError:
            return str(number)


class Spooled(Source):
    """Examples that came once, kept in a file that has no name: it goes when they do."""

    def __init__(self, given: Iterable[object], what: str, wanted: Shape | None = None) -> None:
        self.what, self.wanted = what, wanted
        try:
            with tempfile.TemporaryFile(prefix="zoo-examples-") as file:
                self.ends, self.shapes = self._spool(given, file)
                file.flush()
                self._keep(os.dup(file.fileno()))
        except OSError as failure:  # of this file: the dataset's own are blamed on it
            raise DataError(
                f"{what} cannot be kept in {tempfile.gettempdir()!r}: {failure.strerror}. Set TMPDIR "
                "to a folder with more room."
            ) from None

    def _keep(self, file: int) -> None:
        self.file = file
        weakref.finalize(self, os.close, file)

    def __getstate__(self) -> dict:
        """For a process that this one starts, which gets the open file itself."""
        from multiprocessing.reduction import DupFd  # Windows has none

        return {**self.__dict__, "file": DupFd(self.file)}

    def __setstate__(self, state: dict) -> None:
        self.__dict__ |= state
        self._keep(state["file"].detach())

    def _spool(self, given: Iterable[object], file: BinaryIO) -> tuple[np.ndarray, np.ndarray]:
        """Writes every example; gives where each ends, after a 0, and their shapes `(N, rank)`."""
        ends, shapes = array("q", [0]), array("l")
        for number, item in enumerate(_items(given, self.what)):
            wanted = self.shape if self.is_real else self.wanted
            example = as_pixels(example_of(item, f"{self.what}: item {number}", wanted))
            if number == 0:
                _begin(self, example)
            if self.is_real or example.dtype != torch.uint8:
                example = _like_the_first(self, example, number)
            file.write(example.contiguous().numpy().reshape(-1).view(np.uint8).data)
            ends.append(ends[-1] + example.nbytes)
            shapes.extend(example.shape)
        return np.array(ends), np.array(shapes).reshape(-1, len(self.shape or (1, 1, 1)))

    def __len__(self) -> int:
        return len(self.shapes)

    def title(self, number: int) -> str:
        return f"{self.what}: {self.noun} {number}"

    def read(self, number: int) -> Tensor:
        start, end = (int(place) for place in self.ends[number : number + 2])
        data = bytearray(os.pread(self.file, end - start, start))
        if len(data) < end - start:
            raise DataError(f"{self.title(number)} is cut short in its temporary file.")
        return torch.frombuffer(data, dtype=self.dtype).view(*self.shapes[number].tolist())

    def split_keys(self) -> Iterator[str]:
        return (sha256_of(self.read(number)) for number in range(len(self)))


def read_object(given: Any, what: str, wanted: Shape | None = None) -> dict[str, Source]:
    """The examples of an object by part; `wanted` is a model's shape. Raises DataError for what holds none."""
    if not isinstance(given, Mapping):
        return {"all": _source(given, what, wanted)}
    by_text = {str(name): name for name in given}
    parts = one_of_each(list(by_text), what)
    if not parts or len(parts) < len(by_text):
        raise DataError(
            f"{what} holds {', '.join(map(repr, [*by_text][:5])) or 'nothing'}; expected the keys "
            "train, and validation or test or both."
        )
    return {
        part: _source(given[by_text[name]], f"{what}: its {part} split", wanted)
        for part, name in parts.items()
    }


def can_hold_examples(given: object) -> bool:
    """Whether an object may be a dataset: it can be counted and indexed, or iterated over."""
    return not isinstance(given, str | bytes | bytearray) and (
        isinstance(given, Iterable) or _is_map_style(given)
    )


def example_of(item: object, title: str, wanted: Shape | None = None) -> Image | Tensor:
    """The example that an item is or holds: Pillow's image, gray or color, or as `as_example` gives it."""
    from PIL.Image import Image

    parts = tuple(item.values()) if isinstance(item, Mapping) else item
    if isinstance(parts, tuple | list):
        item = next(filter(_is_no_label, parts), item)
    if isinstance(item, Image):
        return eight_bits(item, title)
    return as_example(item, title, wanted)


def _is_no_label(part: object) -> bool:
    """Whether it is a picture, or an array of more than one number."""
    from PIL.Image import Image

    return isinstance(part, Image) or (isinstance(part, Tensor | np.ndarray) and part.ndim > 0)


def _begin(source: MapStyle | Spooled, first: Image | Tensor) -> None:
    """Takes shape and dtype from the first example, where it is a row or a series."""
    if isinstance(first, Tensor) and first.dtype != torch.uint8:
        source.shape, source.dtype = tuple(first.shape), first.dtype
        note_series(source.shape, source.what, source.wanted)


def _like_the_first(source: MapStyle | Spooled, example: Image | Tensor, number: int) -> Tensor:
    """A row or a series. Raises DataError for one that differs from the first, and for NaN."""
    if not isinstance(example, Tensor):
        raise DataError(f"{source.title(number)} is an image; the first is a {source.noun}.")
    if (tuple(example.shape), example.dtype) != (source.shape, source.dtype):
        found = f"{tuple(example.shape)}, {str(example.dtype).removeprefix('torch.')}"
        first = f"{source.shape}, {str(source.dtype).removeprefix('torch.')}"
        raise DataError(f"{source.title(number)} is {found}; the first is {first}.")
    return source.finite(example[None], [number])[0]


def _source(given: Any, what: str, wanted: Shape | None) -> Source:
    given = from_table(given, what)
    if isinstance(given, Tensor | np.ndarray):
        return InMemory(given, what, wanted)
    if _is_map_style(given):
        return MapStyle(given, what, wanted)
    if not isinstance(given, Iterable) or isinstance(given, str | bytes):
        raise DataError(f"{what} is {type(given).__name__}, not a dataset.")
    return Spooled(given, what, wanted)


def _is_map_style(given: object) -> bool:
    methods = hasattr(given, "__len__") and hasattr(given, "__getitem__")
    return methods and not isinstance(given, IterableDataset)


def _items(given: Iterable[object], what: str) -> Iterator[object]:
    with _blamed(what):
        yield from given


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    """An error of whoever wrote the dataset is said to be one."""
    try:
        yield
    except ZooError:
        raise
    except (Exception, SystemExit) as failure:
        why = (str(failure).splitlines() or [""])[0]
        raise DataError(
            f"{what} could not be read: it raised {type(failure).__name__}{f' ({why})' if why else ''}."
        ) from failure
