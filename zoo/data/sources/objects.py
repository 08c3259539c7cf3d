"""Examples from Python objects: map-style datasets, iterables, and mappings of parts to these."""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from zoo.data.examples import sha256_of
from zoo.data.sources.base import InMemory, Source
from zoo.data.sources.image_files import ImageFiles, eight_bits
from zoo.data.splits import one_of_each
from zoo.data.transform import as_pixels
from zoo.data.values import Shape, as_example, from_table, note_series
from zoo.errors import DataError, ZooError

if TYPE_CHECKING:
    from PIL.Image import Image

COMPARED = 8
"""Number of examples that are read twice, to detect a dataset with random transforms."""


class MapStyle(Source):
    """Examples of an object with `__len__` and `__getitem__`.

    The first one decides whether they are rows or series, unless the model takes images.
    """

    def __init__(self, given: Any, what: str, wanted: Shape | None = None) -> None:
        self.given, self.what, self.wanted = given, what, wanted
        with _wrap_errors(what):
            self.count = len(given)
        if self.count and (wanted is None or len(wanted) < 3):
            with suppress(DataError):  # reported when it is read
                _set_shape(self, self._example(0))

    def __len__(self) -> int:
        return self.count

    def title(self, number: int) -> str:
        return f"{self.what}: {self.noun} {number}"

    def read(self, number: int) -> Image | Tensor:
        example = self._example(number)
        return _like_the_first(self, example, number) if self.is_real else example

    def _example(self, number: int) -> Image | Tensor:
        title = f"{self.what}: item {number}"
        with _wrap_errors(title):
            item = self.given[number]
        return example_of(item, title, self.shape if self.is_real else self.wanted)

    def split_keys(self) -> Iterator[str]:
        """sha256 of each example's values; an unreadable example has its number as key.

        Raises DataError if an example differs each time it is read.
        """
        for number in range(len(self)):
            key = self._split_key(number)
            if number < COMPARED and key != self._split_key(number):
                raise DataError(
                    f"{self.title(number)} differs each time it is read, so parts cannot be held out by "
                    "content. Give a mapping of train, validation and test."
                )
            yield key

    def _split_key(self, number: int) -> str:
        try:
            return sha256_of(as_pixels(self.read(number)))
        except DataError:
            return str(number)


class Spooled(Source):
    """Examples of an iterable, stored in an unnamed temporary file that is deleted with this object."""

    def __init__(self, given: Iterable[object], what: str, wanted: Shape | None = None) -> None:
        self.what, self.wanted = what, wanted
        try:
            with tempfile.TemporaryFile(prefix="zoo-examples-") as file:
                self.ends, self.shapes = self._spool(given, file)
                file.flush()
                self._keep(os.dup(file.fileno()))
        except OSError as failure:  # of this file; errors of the dataset are wrapped
            raise DataError(
                f"{what} cannot be stored in {tempfile.gettempdir()!r}: {failure.strerror}. Set TMPDIR "
                "to a folder with more space."
            ) from None

    def _keep(self, file: int) -> None:
        self.file = file
        weakref.finalize(self, os.close, file)

    def __getstate__(self) -> dict:
        """For a child process, which gets a duplicate of the open file."""
        from multiprocessing.reduction import DupFd  # not on Windows

        return {**self.__dict__, "file": DupFd(self.file)}

    def __setstate__(self, state: dict) -> None:
        self.__dict__ |= state
        self._keep(state["file"].detach())

    def _spool(self, given: Iterable[object], file: BinaryIO) -> tuple[np.ndarray, np.ndarray]:
        """Writes every example; returns offsets `(N + 1,)`, in bytes, and shapes `(N, rank)`."""
        ends, shapes = array("q", [0]), array("l")
        for number, item in enumerate(_items(given, self.what)):
            wanted = self.shape if self.is_real else self.wanted
            example = as_pixels(example_of(item, f"{self.what}: item {number}", wanted))
            if number == 0:
                _set_shape(self, example)
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
    """The examples of an object by part; `wanted` is the model's input shape. Raises DataError."""
    if not isinstance(given, Mapping):
        return {"all": _source(given, what, wanted)}
    by_text = {str(name): name for name in given}
    parts = one_of_each(list(by_text), what)
    if not parts or len(parts) < len(by_text):
        raise DataError(
            f"{what} holds {', '.join(map(repr, [*by_text][:5])) or 'nothing'}; expected the keys "
            "train, and validation and/or test."
        )
    return {
        part: _source(given[by_text[name]], f"{what}: its {part} split", wanted)
        for part, name in parts.items()
    }


def can_hold_examples(given: object) -> bool:
    """Whether an object may be a dataset: it is iterable, or has `__len__` and `__getitem__`."""
    return not isinstance(given, str | bytes | bytearray) and (
        isinstance(given, Iterable) or _is_map_style(given)
    )


def example_of(item: object, title: str, wanted: Shape | None = None) -> Image | Tensor:
    """The example in a dataset's item: a gray or color Pillow image, or a tensor as from `as_example`.

    In a tuple, list or mapping it is the first image, or array of at least one dimension.
    """
    from PIL.Image import Image

    parts = tuple(item.values()) if isinstance(item, Mapping) else item
    if isinstance(parts, tuple | list):
        item = next(filter(_is_example, parts), item)
    if isinstance(item, Image):
        return eight_bits(item, title)
    return as_example(item, title, wanted)


def _is_example(part: object) -> bool:
    """Whether part of an item is an image or an array, not a label."""
    from PIL.Image import Image

    return isinstance(part, Image) or (isinstance(part, Tensor | np.ndarray) and part.ndim > 0)


def _set_shape(source: MapStyle | Spooled, first: Image | Tensor) -> None:
    """Takes shape and dtype from the first example if it is a row or series."""
    if isinstance(first, Tensor) and first.dtype != torch.uint8:
        source.shape, source.dtype = tuple(first.shape), first.dtype
        note_series(source.shape, source.what, source.wanted)


def _like_the_first(source: MapStyle | Spooled, example: Image | Tensor, number: int) -> Tensor:
    """A row or series. Raises DataError if it differs from the first in shape or dtype, and for NaN."""
    if not isinstance(example, Tensor):
        raise DataError(f"{source.title(number)} is an image; the first is a {source.noun}.")
    if (tuple(example.shape), example.dtype) != (source.shape, source.dtype):
        found = f"{tuple(example.shape)}, {str(example.dtype).removeprefix('torch.')}"
        first = f"{source.shape}, {str(source.dtype).removeprefix('torch.')}"
        raise DataError(f"{source.title(number)} is {found}; the first is {first}.")
    return source.finite(example[None], [number])[0]


def _source(given: Any, what: str, wanted: Shape | None) -> Source:
    if isinstance(given, list | tuple) and given and all(isinstance(g, str | Path) for g in given):
        return ImageFiles(Path(), list(map(str, given)))
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
    with _wrap_errors(what):
        yield from given


@contextmanager
def _wrap_errors(what: str) -> Iterator[None]:
    """Turns exceptions of the user's dataset into DataError."""
    try:
        yield
    except ZooError:
        raise
    except (Exception, SystemExit) as failure:
        why = (str(failure).splitlines() or [""])[0]
        raise DataError(
            f"{what} could not be read: it raised {type(failure).__name__}{f' ({why})' if why else ''}."
        ) from failure
