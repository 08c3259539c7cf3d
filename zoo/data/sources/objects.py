"""Images of Python objects: datasets of torch and of others, iterables of images, and parts of them."""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from zoo.data.examples import as_tensor, sha256_of
from zoo.data.misfits import is_channels_last, misfit
from zoo.data.sources.base import InMemory, Source
from zoo.data.sources.image_files import eight_bits
from zoo.data.splits import one_of_each
from zoo.data.transform import as_pixels
from zoo.errors import DataError, ZooError

if TYPE_CHECKING:
    from PIL.Image import Image

COMPARED = 8
"""Images of a dataset that are read twice, to see whether it draws them at random."""


class MapStyle(Source):
    """Images of an object that has a length and gives an item for a number."""

    def __init__(self, given: Any, what: str) -> None:
        self.given, self.what = given, what
        with _blamed(what):
            self.count = len(given)

    def __len__(self) -> int:
        return self.count

    def title(self, number: int) -> str:
        return f"{self.what}: image {number}"

    def read(self, number: int) -> Image | Tensor:
        with _blamed(self.title(number)):
            item = self.given[number]
        return image_of(item, self.title(number))

    def split_keys(self) -> Iterator[str]:
        """Of each image's pixels; an image that cannot be read counts by its number.

        Raises DataError for a dataset that gives other images each time they are read.
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
    """Images that came once, one after the other, kept in a file that has no name: it goes when they do."""

    def __init__(self, given: Iterable[object], what: str) -> None:
        self.what = what
        try:
            with tempfile.TemporaryFile(prefix="zoo-images-") as file:
                self.ends, self.shapes = _spool(given, what, file)
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

    def __len__(self) -> int:
        return len(self.shapes)

    def title(self, number: int) -> str:
        return f"{self.what}: image {number}"

    def read(self, number: int) -> Tensor:
        start, end = (int(place) for place in self.ends[number : number + 2])
        data = bytearray(os.pread(self.file, end - start, start))
        if len(data) < end - start:
            raise DataError(f"{self.title(number)} is cut short in its temporary file.")
        return torch.frombuffer(data, dtype=torch.uint8).view(*self.shapes[number].tolist())

    def split_keys(self) -> Iterator[str]:
        return (sha256_of(self.read(number)) for number in range(len(self)))


def read_object(given: Any, what: str) -> dict[str, Source]:
    """The images of an object by part. Raises DataError for what holds none."""
    if not isinstance(given, Mapping):
        return {"all": _source(given, what)}
    by_text = {str(name): name for name in given}
    parts = one_of_each(list(by_text), what)
    if not parts or len(parts) < len(by_text):
        raise DataError(
            f"{what} holds {', '.join(map(repr, [*by_text][:5])) or 'nothing'}; expected the keys "
            "train, and validation or test or both."
        )
    return {
        part: _source(given[by_text[name]], f"{what}: its {part} split")
        for part, name in parts.items()
    }


def can_hold_images(given: object) -> bool:
    """Whether an object may be a dataset: it can be counted and indexed, or iterated over."""
    return not isinstance(given, str | bytes | bytearray) and (
        isinstance(given, Iterable) or _is_map_style(given)
    )


def image_of(item: object, title: str) -> Image | Tensor:
    """The image that an item is or holds: Pillow's, gray or color, or `(C, H, W)` uint8."""
    from PIL.Image import Image

    parts = tuple(item.values()) if isinstance(item, Mapping) else item
    if isinstance(parts, tuple | list):
        item = next((part for part in parts if isinstance(part, Tensor | np.ndarray | Image)), item)
    if isinstance(item, Image):
        return eight_bits(item, title)
    pixels = as_tensor(item)
    if (
        pixels is None
        or pixels.dim() not in (2, 3)
        or 0 in pixels.shape
        or is_channels_last(pixels.shape)
    ):
        raise DataError(misfit(item, title, is_one=True))
    return (pixels[None] if pixels.dim() == 2 else pixels).cpu()


def _source(given: Any, what: str) -> Source:
    if isinstance(given, Tensor | np.ndarray):
        return InMemory(given, what)
    if _is_map_style(given):
        return MapStyle(given, what)
    if not isinstance(given, Iterable) or isinstance(given, str | bytes):
        raise DataError(f"{what} is {type(given).__name__}, not a dataset of images.")
    return Spooled(given, what)


def _is_map_style(given: object) -> bool:
    methods = hasattr(given, "__len__") and hasattr(given, "__getitem__")
    return methods and not isinstance(given, IterableDataset)


def _spool(given: Iterable[object], what: str, file: BinaryIO) -> tuple[np.ndarray, np.ndarray]:
    """Writes every image; gives where each ends, after a 0, and their shapes `(N, 3)`."""
    ends, shapes = array("q", [0]), array("l")
    for number, item in enumerate(_items(given, what)):
        pixels = as_pixels(image_of(item, f"{what}: image {number}"))
        file.write(pixels.contiguous().numpy().data)
        ends.append(ends[-1] + pixels.numel())
        shapes.extend(pixels.shape)
    return np.array(ends), np.array(shapes).reshape(-1, 3)


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
