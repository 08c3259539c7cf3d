"""Lossy coding of a vq-vae's images: the numbers of its vectors, by how often each is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.coding.codec import Stacks, pop_numbers, push_numbers
from zoo.integers.base import images_as_activations
from zoo.integers.discrete import BASE, Intervals, Which
from zoo.integers.grids import divided
from zoo.integers.models import Quantized
from zoo.integers.tables import CDF


@dataclass(frozen=True)
class Counted(Intervals):
    """Numbers of vectors by their counts, the same for all symbols."""

    edges: Tensor
    """Cumulative probability up to each number, `(4^digits + 1,)`, times 2^28."""
    symbols: int
    digits: int  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen

    def __len__(self) -> int:
        return self.symbols

    @classmethod
    def make(cls, counts: Sequence[int], symbols: int) -> Counted:
        digits = 1
        while BASE**digits < len(counts):
            digits += 1
        sums = torch.zeros(BASE**digits + 1, dtype=torch.float64)
        sums[1 : len(counts) + 1] = torch.tensor(counts, dtype=torch.float64)
        sums = sums.cumsum(0)  # below 2^24: products are below 2^52
        return cls(divided(sums * 2.0**CDF, sums[-1:]), symbols, digits)

    def cdf(self, edges: Tensor, which: Which) -> Tensor:
        return self.edges[edges]


class IndexCodec:
    """Pushes and pops images as numbers of vectors."""

    def __init__(self, model: Quantized, counts: Sequence[int]) -> None:
        self.model = model
        self.masses = Counted.make(counts, model.sides[0] * model.sides[1])

    def push(self, stacks: Stacks, images: Tensor, place: int) -> None:
        """Pushes an image as its numbers `(S, n)` to each stack."""
        push_numbers(stacks, self.masses, images)

    def pop(self, stacks: Stacks, place: int) -> Tensor:
        """Pops an image from each stack, `(S, C, H, W)` uint8. Raises DataError if a stack has too few bits."""
        return self.model.restored(pop_numbers(stacks, self.masses))


@dataclass(frozen=True)
class Indexed:
    """Images as numbers of vectors."""

    numbers: Tensor
    """`(N, n)` int32."""
    counts: list[int]
    """Of each vector; in proportion, if there are more than 2^23 in all."""
    psnr: float
    """In dB, the mean over images."""


def indexed(
    model: Quantized,
    read: Callable[[int, int], Tensor],
    count: int,
    seen: Callable[[Tensor], None],
    size: int = 256,
) -> Indexed:
    """Images as numbers of vectors; `seen` is called with the restored ones, in order."""
    numbers, psnr = [], 0.0
    for first in range(0, count, size):
        levels = read(first, min(first + size, count))
        found = model.numbers(images_as_activations(levels))
        restored = model.restored(found)
        seen(restored)
        error = (levels.double() - restored.double()).square().flatten(1).mean(1)
        psnr += float((10 * torch.log10(255**2 / error.clamp(min=1e-10))).sum())
        numbers.append(found.int())
    joined = torch.cat(numbers)
    counts = np.bincount(joined.flatten().numpy(), minlength=len(model.codebook)).astype(np.int64)
    while counts.sum() >= 2**23:
        counts = (counts + 1) // 2
    return Indexed(joined, counts.tolist(), psnr / count)
