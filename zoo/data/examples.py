"""`Examples`: one split of a dataset, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from zoo.runtime import environment
from zoo.specs.domains import Domain, domain_of

IN_MEMORY = environment.size("ZOO_IN_MEMORY", 2**29)
"""Largest split held in memory, in bytes; larger ones are streamed. `ZOO_IN_MEMORY` sets it, in MiB or as 1GB."""

PIECE = 256
"""Default number of examples to read at a time."""
AVERAGED = 65_536
"""Maximum number of images in a mean image: sums of that many levels are exact even in float32."""


class ExamplesInOrder(Protocol):
    """The part of the interface of `Examples` and `StreamedExamples` that `mean_of` needs."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def order(self, seed: int, epoch: int) -> Tensor: ...
    def read(self, batches: Iterable[Tensor]) -> Generator[Tensor, None, None]: ...


@dataclass(frozen=True)
class Examples:
    """Examples of one split of a dataset, in memory."""

    dataset: str
    split: str
    values: Tensor
    """Images `(N, C, H, W)`, uint8, 0 to 255; rows `(N, D)` or series `(N, C, L)`, float32 or float64.
    May share memory with the user's data."""
    keys: list[str] | None = field(default=None, repr=False)
    """The key of each example; None means its number."""
    ordered: Callable[[int, int], Tensor] | None = field(default=None, repr=False)
    """Epoch order by seed and epoch, if it is not the default one."""

    @cached_property
    def sha256(self) -> str:
        """Hex sha256 of the bytes of `values`, in row-major order."""
        return sha256_of(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.values.shape[1:])

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of `values`."""
        return self.values.dtype

    @property
    def domain(self) -> Domain:
        """Kind and size of an example: image, row or series."""
        return domain_of(self.shape)

    def __len__(self) -> int:
        return len(self.values)

    def key(self, number: int) -> str:
        """The key of an example."""
        return str(number) if self.keys is None else self.keys[number]

    def order(self, seed: int, epoch: int) -> Tensor:
        """All numbers `(N,)` in an epoch's order, which depends only on seed and epoch."""
        order = self.ordered(seed, epoch) if self.ordered else shuffled(len(self), seed, epoch)
        return order.to(self.values.device)

    def read(
        self, batches: Iterable[Tensor], epoch_seed: int | None = None
    ) -> Generator[Tensor, None, None]:
        """The examples of each batch of numbers, `(n, *shape)`, on the device of `values`.

        `epoch_seed` is ignored: examples in memory have no random transform.
        """
        for numbers in batches:
            yield self.values.index_select(0, numbers.to(self.values.device))

    def mean(self) -> Tensor:
        """The mean image, `(C, H, W)` float32 in [0, 1]. For rows and series, see `moments`."""
        return mean_of(self)

    def first(self, count: int) -> Tensor:
        """The first `count` examples, `(n, *shape)`."""
        return self.values[:count]

    def to(self, device: torch.device) -> Examples:
        """A copy with `values` on a device."""
        return replace(self, values=self.values.to(device))


def shuffled(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `range(count)`, `(N,)`, that depends only on seed and epoch."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(count, generator=generator)


def mean_of(images: ExamplesInOrder) -> Tensor:
    """The mean image, `(C, H, W)` float32 in [0, 1], over at most AVERAGED shuffled images.

    For rows and series, the float64 mean of the values that are not missing, in the user's units.
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
