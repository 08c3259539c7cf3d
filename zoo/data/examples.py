"""One part of one dataset, in memory."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from zoo.data.misfits import is_channels_last, misfit
from zoo.errors import DataError
from zoo.runtime import environment

log = logging.getLogger("zoo")

IN_MEMORY = environment.size("ZOO_IN_MEMORY", 2**29)
"""Bytes of pixels up to which a split is held in memory: `ZOO_IN_MEMORY`, in MiB or as 1GB. More is streamed."""

PIECE = 256
"""Images that are read at once where nobody says how many."""
AVERAGED = 65_536
"""Most images behind a mean image: their levels add up exactly, in float32 too."""


class ExamplesInOrder(Protocol):
    """What `Examples` and streamed ones have in common here."""

    @property
    def shape(self) -> tuple[int, int, int]: ...
    def __len__(self) -> int: ...
    def order(self, seed: int, epoch: int) -> Tensor: ...
    def read(self, batches: Iterable[Tensor]) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class Examples:
    """Images of one split of a dataset, in memory.

    `pixels` is `(N, C, H, W)`, uint8, 0 to 255; whoever gave them may share their memory.
    """

    dataset: str
    split: str
    pixels: Tensor
    keys: list[str] | None = field(default=None, repr=False)
    """What each image is called; None is its number."""
    ordered: Callable[[int, int], Tensor] | None = field(default=None, repr=False)
    """The order of an epoch, where they would have one of their own if they were streamed."""

    @cached_property
    def sha256(self) -> str:
        """Of the bytes of the pixels, in that order."""
        return sha256_of(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return tuple(self.pixels.shape[1:])  # pyright: ignore[reportReturnType]  # always three

    def __len__(self) -> int:
        return len(self.pixels)

    def key(self, number: int) -> str:
        """What an image is called."""
        return str(number) if self.keys is None else self.keys[number]

    def order(self, seed: int, epoch: int) -> Tensor:
        """All image numbers `(N,)` in the order of an epoch, which depends on seed and epoch alone."""
        order = self.ordered(seed, epoch) if self.ordered else shuffled(len(self), seed, epoch)
        return order.to(self.pixels.device)

    def read(self, batches: Iterable[Tensor], epoch_seed: int | None = None) -> Iterator[Tensor]:
        """The images of each batch of numbers, `(n, C, H, W)` uint8, on the device of the pixels.

        `epoch_seed` is of the random part of a transform, of which images in memory have none.
        """
        for numbers in batches:
            yield self.pixels.index_select(0, numbers.to(self.pixels.device))

    def mean(self) -> Tensor:
        """The mean image, `(C, H, W)` float32 in [0, 1]."""
        return mean_of(self)

    def first(self, count: int) -> Tensor:
        """The first images, `(n, C, H, W)` uint8."""
        return self.pixels[:count]

    def to(self, device: torch.device) -> Examples:
        """The same with its pixels on a device."""
        return replace(self, pixels=self.pixels.to(device))


def shuffled(count: int, seed: int, epoch: int) -> Tensor:
    """The numbers below `count`, `(N,)`, in an order that depends on seed and epoch alone."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(count, generator=generator)


def mean_of(images: ExamplesInOrder) -> Tensor:
    """The mean image, `(C, H, W)` float32 in [0, 1]; of many, that of the first in an order.

    Sums of so many levels are exact, whoever adds them up.
    """
    some = torch.arange(len(images))
    some = images.order(0, 0)[:AVERAGED] if len(images) > AVERAGED else some
    total = torch.zeros(images.shape, dtype=torch.float64)
    for levels in images.read(some.split(PIECE)):
        total += levels.cpu().sum(0, dtype=torch.float64)
    return total.float() / len(some) / 255


def sha256_of(pixels: Tensor) -> str:
    """Hex sha256 of the bytes of a uint8 tensor, in row-major order."""
    return hashlib.sha256(pixels.cpu().contiguous().numpy()).hexdigest()  # pyright: ignore[reportArgumentType]  # a buffer


def as_images(given: object, what: str) -> Tensor:
    """`(N, C, H, W)` uint8 from that or `(N, H, W)`, a tensor or an array. Raises DataError."""
    pixels = as_tensor(given)
    if (
        pixels is None
        or pixels.dim() not in (3, 4)
        or 0 in pixels.shape[1:]
        or is_channels_last(pixels.shape)
    ):
        raise DataError(misfit(given, what))
    if pixels.dim() == 3:
        if len(pixels) == 3 < min(pixels.shape[1:]):
            log.warning(
                "%s is %s: three gray images. One color image is x[None].",
                what,
                tuple(pixels.shape),
            )
        pixels = pixels[:, None]
    return pixels.cpu().contiguous()


def as_tensor(given: object) -> Tensor | None:
    """A tensor or an array of uint8, of any shape; None for anything else. Nothing is copied."""
    if isinstance(given, np.ndarray) and given.dtype == np.uint8:
        with warnings.catch_warnings():  # of arrays that must not be written, which nobody does
            warnings.simplefilter("ignore")
            return torch.from_numpy(np.ascontiguousarray(given))
    return given if isinstance(given, Tensor) and given.dtype == torch.uint8 else None
