"""Integer masses of numbers, which are coded digit by digit.

A number has digits of base 4, the most significant first: few masses are computed for each, and where a
number needs fewer digits, fewer bits are coded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.integers.grids import SCALE, divided
from zoo.integers.tables import CDF, MASS, logistic_cdf, normal_cdf

BASE = 4
CELL_DIGITS = 6
CELLS = BASE**CELL_DIGITS
"""Most cells of a latent."""
LEVEL_DIGITS = 4
LEVELS = BASE**LEVEL_DIGITS

Which = Tensor | slice
"""Numbers of some of the symbols, `(m,)` int64, or all of them."""


class Discrete:
    """Distributions of n symbols `(N, n)`, each over the numbers from 0 to base^digits - 1."""

    base = BASE
    digits: int

    def __len__(self) -> int:
        """n"""
        raise NotImplementedError

    def masses(self, digit: int, before: Tensor, which: Which) -> Tensor:
        """Masses of a digit of some symbols, given the digits before it.

        Args:
            digit: its number, 0 the most significant.
            before: the digits before it, as a number, `(N, m)`.
            which: the symbols.

        Returns:
            `(N, m, base)`, at least 1 each, which sum to 2^24.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Bits(Discrete):
    """Zeros and ones."""

    ones: Tensor
    """The mass of 1, `(N, n)`; 0 has the rest."""
    base, digits = 2, 1

    def __len__(self) -> int:
        return self.ones.shape[1]

    def masses(self, digit: int, before: Tensor, which: Which) -> Tensor:
        ones = self.ones[:, which]
        return torch.stack([MASS - ones, ones], -1)


class Intervals(Discrete):
    """Numbers that are intervals of the real line, in ascending order."""

    def cdf(self, edges: Tensor, which: Which) -> Tensor:
        """Cumulative probability times 2^28 up to edges `(N, m, k)` of 0 to base^digits, whose values are 0 and 2^28."""
        raise NotImplementedError

    def masses(self, digit: int, before: Tensor, which: Which) -> Tensor:
        five = torch.arange(self.base + 1, device=before.device)
        edges = (before[..., None] * self.base + five) * self.base ** (self.digits - digit - 1)
        return masses_of(self.cdf(edges, which))


@dataclass(frozen=True)
class Grid:
    """Cells of the real line: of a latent with d digits there are 4^d.

    Cell v of 4^d goes from edge 2 v 4^(6 - d) to edge 2 (v + 1) 4^(6 - d), and has the center between.
    """

    points: Tensor
    """Edges and centers 1 to 2^13 - 1, times 2^-20, ascending: `(2^13 - 1,)`, or `(D, 2^13 - 1)`."""

    def at(self, places: Tensor, which: Which) -> Tensor:
        """Edges or centers of latents, by their numbers `(N, m, k)`, times 2^-20."""
        if self.points.dim() == 1:
            return self.points[places - 1]
        rows = torch.arange(len(self.points), device=places.device)[which]
        return self.points[rows[:, None], places - 1]


def centers_of(numbers: Tensor, digits: Tensor) -> Tensor:
    """Numbers of the centers of cells `(N, D)`, of latents with `digits` `(D,)`."""
    return (2 * numbers + 1) * BASE ** (CELL_DIGITS - digits)


@dataclass(frozen=True)
class Gaussians(Intervals):
    """Gaussians over the cells of a grid."""

    mean: Tensor
    """`(N, D)`, times 2^-20."""
    scale: Tensor
    """`(N, D)`, times 2^-20, positive."""
    grid: Grid
    digits = CELL_DIGITS

    def __len__(self) -> int:
        return self.mean.shape[1]

    @classmethod
    def make(cls, mean: Tensor, scale: Tensor, grid: Grid) -> Gaussians:
        """From a mean that is an activation times 2^8, and a scale, which are clamped."""
        mean = mean.clamp(-(2.0**30), 2.0**30)
        return cls(mean, scale.clamp(1.0, 2.0 ** (SCALE + 8)), grid)

    def cdf(self, edges: Tensor, which: Which) -> Tensor:
        inner = self.grid.at(2 * edges.clamp(1, CELLS - 1), which)
        found = normal_cdf(
            _deviations(inner, self.mean[:, which, None], self.scale[:, which, None])
        )
        return _with_ends(found, edges, CELLS)


@dataclass(frozen=True)
class Logistics(Intervals):
    """Mixtures of K logistics over the 256 levels of a value."""

    centers: Tensor
    """`(N, n, K)`, of values in [-1, 1] times 2^-20."""
    scales: Tensor
    """`(N, n, K)`, times 2^-20, positive."""
    weights: Tensor
    """`(N, n, K)`, whose sum is below 2^23."""
    digits = LEVEL_DIGITS

    def __len__(self) -> int:
        return self.centers.shape[1]

    def cdf(self, edges: Tensor, which: Which) -> Tensor:
        weights = self.weights[:, which, None]  # times 2^28, their sum is below 2^52
        return divided((weights * self.each(edges, which)).sum(-1), weights.sum(-1))

    def each(self, edges: Tensor, which: Which) -> Tensor:
        """Cumulative probabilities times 2^28 of each component up to edges 0 to 256, `(N, m, k, K)`."""
        # edge v is between levels v - 1 and v, at (2 v - 256) / 255
        bounds = divided(
            (2 * edges.double() - LEVELS) * 2.0 ** (SCALE + 1) + 255, torch.tensor(510.0)
        )
        centers, scales = self.centers[:, which, None], self.scales[:, which, None]
        found = logistic_cdf(_deviations(bounds[..., None], centers, scales))
        return _with_ends(found, edges[..., None], LEVELS)


def _deviations(points: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """How many scales points are from a mean, times 2^16."""
    apart = (points - mean).clamp(-(2.0**30), 2.0**30)
    return divided(apart * 2.0**16, scale)


def _with_ends(cdf: Tensor, edges: Tensor, last: int) -> Tensor:
    """Cumulative probabilities up to edges, 0 at edge 0 and all at the last one."""
    return torch.where(edges == last, 2.0**CDF, torch.where(edges == 0, 0.0, cdf))


def masses_of(cdf: Tensor) -> Tensor:
    """Masses `(..., n)` of at least 1 that sum to 2^24, from non-decreasing `(..., n + 1)`, at most 2^28.

    They are proportional to the differences, or equal where all of these are 0.
    """
    count = cdf.shape[-1] - 1
    start, total = cdf[..., :1], cdf[..., -1:] - cdf[..., :1]
    numbers = torch.arange(count + 1, device=cdf.device, dtype=torch.float64)
    equal = torch.floor(numbers * ((MASS - count) / count))
    share = divided((cdf - start) * (MASS - count), total.clamp(min=1))
    bounds = numbers + torch.where(total > 0, share, equal)
    return bounds.diff(dim=-1)
