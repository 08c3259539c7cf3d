"""Integer masses of Gaussians over the cells of a grid, of which each has one at least.

A cell is coded in two symbols, the upper and the lower half of its number's bits: 2 x 2^(b/2) masses are
computed instead of 2^b.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.exact.grids import SCALE, divided
from zoo.exact.tables import CDF, MASS, normal_cdf

HALF = 6
"""Bits of each of the two symbols of a cell."""
CELLS = 2 ** (2 * HALF)
"""Cells of a grid."""


@dataclass(frozen=True)
class Gaussian:
    """Gaussians on a grid, one for each symbol.

    Attributes:
        mean, scale: `(N, D)`, integers times 2^-20; scales are positive.
        edges: the grid's inner edges, `(CELLS - 1,)` or `(D, CELLS - 1)`, ascending, times 2^-20.
    """

    mean: Tensor
    scale: Tensor
    edges: Tensor

    def upper(self) -> Tensor:
        """Masses of the upper halves, `(N, D, 2^HALF)`, which sum to 2^24."""
        width = 2**HALF
        numbers = torch.arange(width, CELLS, width, device=self.mean.device) - 1
        return masses_of(self._bounded(numbers.expand(*self.mean.shape, width - 1)))

    def lower(self, upper: Tensor) -> Tensor:
        """Masses of the lower halves given the upper ones `(N, D)`, `(N, D, 2^HALF)`, which sum to 2^24."""
        width = 2**HALF
        numbers = upper.long()[..., None] * width + torch.arange(width + 1, device=upper.device) - 1
        return masses_of(self._cdf(numbers))

    def _bounded(self, numbers: Tensor) -> Tensor:
        inner = self._cdf(numbers)
        ends = inner.new_zeros(*inner.shape[:-1], 1)
        return torch.cat([ends, inner, ends + 2.0**CDF], -1)

    def _cdf(self, numbers: Tensor) -> Tensor:
        """Cumulative probability up to each edge `(N, D, n)`: 0 before the first and 2^28 after the last."""
        inside = numbers.clamp(0, CELLS - 2)
        if self.edges.dim() == 1:
            edges = self.edges[inside]
        else:
            edges = self.edges.expand(len(numbers), -1, -1).gather(2, inside)
        apart = edges - self.mean[..., None]  # below 2^31
        found = normal_cdf(
            divided(apart.clamp(-(2.0**30), 2.0**30) * 2.0**16, self.scale[..., None])
        )
        found = torch.where(numbers < 0, 0.0, found)
        return torch.where(numbers > CELLS - 2, 2.0**CDF, found)


def masses_of(cdf: Tensor) -> Tensor:
    """Masses `(..., n)` of at least 1 that sum to 2^24, from non-decreasing `(..., n + 1)`.

    They are proportional to the differences, or equal where all of these are 0.
    """
    count = cdf.shape[-1] - 1
    start, total = cdf[..., :1], cdf[..., -1:] - cdf[..., :1]
    numbers = torch.arange(count + 1, device=cdf.device, dtype=torch.float64)
    equal = torch.floor(numbers * ((MASS - count) / count))
    share = divided((cdf - start) * (MASS - count), total.clamp(min=1))
    bounds = numbers + torch.where(total > 0, share, equal)
    return bounds.diff(dim=-1)


def of_gaussian(mean: Tensor, scale: Tensor, edges: Tensor) -> Gaussian:
    """A Gaussian whose mean is an activation times 2^8: see `Gaussian`."""
    return Gaussian(
        mean.clamp(-(2.0**30), 2.0**30), scale.clamp(min=1.0, max=2.0 ** (SCALE + 8)), edges
    )
