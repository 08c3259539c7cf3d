"""One part of one dataset, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from zoo.runtime import environment
from zoo.specs.domains import Domain, domain_of

IN_MEMORY = environment.size("ZOO_IN_MEMORY", 2**29)
"""Bytes of values up to which a split is held in memory: `ZOO_IN_MEMORY`, in MiB or as 1GB. More is streamed."""

PIECE = 256
"""Examples that are read at once where nobody says how many."""
AVERAGED = 65_536
"""Most images behind a mean image: their levels add up exactly, in float32 too."""


class ExamplesInOrder(Protocol):
    """What `Examples` and streamed ones have in common here."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def order(self, seed: int, epoch: int) -> Tensor: ...
    def read(self, batches: Iterable[Tensor]) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class Examples:
    """Examples of one split of a dataset, in memory."""

    dataset: str
    split: str
    values: Tensor
    """Images `(N, C, H, W)`, uint8, 0 to 255; rows `(N, D)` or series `(N, C, L)`, float32 or float64.
    They may share the memory of what was given."""
    keys: list[str] | None = field(default=None, repr=False)
    """The key of each example; None is its number."""
    ordered: Callable[[int, int], Tensor] | None = field(default=None, repr=False)
    """The order of an epoch, where they would have one of their own if they were streamed."""

    @cached_property
    def sha256(self) -> str:
        """Of the bytes of the values, in that order."""
        return sha256_of(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return tuple(self.values.shape[1:])

    @property
    def dtype(self) -> torch.dtype:
        """Of the values."""
        return self.values.dtype

    @property
    def domain(self) -> Domain:
        """What one example is: an image, a row or a series."""
        return domain_of(self.shape)

    def __len__(self) -> int:
        return len(self.values)

    def key(self, number: int) -> str:
        """The key of an example."""
        return str(number) if self.keys is None else self.keys[number]

    def order(self, seed: int, epoch: int) -> Tensor:
        """All numbers `(N,)` in the order of an epoch, which depends on seed and epoch alone."""
        order = self.ordered(seed, epoch) if self.ordered else shuffled(len(self), seed, epoch)
        return order.to(self.values.device)

    def read(self, batches: Iterable[Tensor], epoch_seed: int | None = None) -> Iterator[Tensor]:
        """The examples of each batch of numbers, `(n, *shape)`, on the device of the values.

        `epoch_seed` is of the random part of a transform, which examples in memory do not have.
        """
        for numbers in batches:
            yield self.values.index_select(0, numbers.to(self.values.device))

    def mean(self) -> Tensor:
        """The mean image, `(C, H, W)` float32 in [0, 1]. Of rows and series see `moments`."""
        return mean_of(self)

    def first(self, count: int) -> Tensor:
        """The first examples, `(n, *shape)`."""
        return self.values[:count]

    def to(self, device: torch.device) -> Examples:
        """The same with its values on a device."""
        return replace(self, values=self.values.to(device))


def shuffled(count: int, seed: int, epoch: int) -> Tensor:
    """The numbers below `count`, `(N,)`, in an order that depends on seed and epoch alone."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(count, generator=generator)


def mean_of(images: ExamplesInOrder) -> Tensor:
    """The mean image, `(C, H, W)` float32 in [0, 1]; of many, that of the first in an order.

    Sums of so many levels are exact, in any order. Of rows and series, the mean in float64 of what is
    not missing.
    """
    some = torch.arange(len(images))
    some = images.order(0, 0)[:AVERAGED] if len(images) > AVERAGED else some
    is_real = domain_of(images.shape).is_real
    total = torch.zeros(images.shape, dtype=torch.float64)
    observed = torch.zeros_like(total)
    for levels in images.read(some.split(PIECE)):
        if is_real:
            observed += (~torch.isnan(levels.cpu())).sum(0)
            levels = levels.nan_to_num(0.0)
        total += levels.cpu().sum(0, dtype=torch.float64)
    if is_real:
        return total / observed.clamp(min=1)
    return total.float() / len(some) / 255


def sha256_of(values: Tensor) -> str:
    """Hex sha256 of the bytes of a tensor, in row-major order."""
    return hashlib.sha256(values.cpu().contiguous().numpy()).hexdigest()  # pyright: ignore[reportArgumentType]  # a buffer


def sha256_of_each(values: Tensor) -> Iterator[str]:
    """Hex sha256 of the bytes of each example `(N, ...)`, in row-major order."""
    rows = values.cpu().contiguous().flatten(1).numpy()
    return (hashlib.sha256(row).hexdigest() for row in rows)
