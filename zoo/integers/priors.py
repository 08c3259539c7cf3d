"""Priors of codes in integers, and the grids of their cells."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.integers import tables
from zoo.integers.discrete import CELLS, Gaussians, Grid, masses_of
from zoo.integers.grids import ACTIVATION, SCALE, divided, rounded, saturated


class Prior:
    """A prior and the grid of its cells."""

    grid: Grid

    def spread(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each code, times 2^-20."""
        raise NotImplementedError


class NormalPrior(Prior):
    """A Gaussian prior, whose cells have equal mass: in units of its standard deviation from its mean."""

    def __init__(self) -> None:
        self.grid = _normal_grid()

    def spread(self) -> tuple[Tensor, Tensor]:
        return torch.zeros(1, dtype=torch.float64), torch.full((1,), 2.0**SCALE).double()


class TailPrior(NormalPrior):
    """A Gaussian prior on a uniform grid, to 8 standard deviations: for posteriors in its tails."""

    def __init__(self) -> None:
        places = torch.arange(1, 2 * CELLS, dtype=torch.float64) - CELLS
        self.grid = Grid(places * 2.0**11)

    def of(self, like: Tensor) -> Gaussians:
        """The prior of codes `(N, D)`."""
        zeros = torch.zeros(like.shape, dtype=torch.float64)
        return Gaussians.make(zeros, torch.full_like(zeros, 2.0**SCALE), self.grid)


@functools.cache
def _normal_grid() -> Grid:
    return Grid(tables.quantiles(2 * CELLS))


@dataclass(frozen=True)
class MixturePrior(Prior):
    """A uniform mixture of Gaussians, on one uniform grid for each dimension."""

    mean: Tensor
    """`(K, D)`, activations."""
    log_variance: Tensor
    """`(K, D)`, activations, after the soft clamp."""
    scale: Tensor
    """`(K, D)`, times 2^-20."""
    grid: Grid

    @classmethod
    def make(cls, mean: Tensor, log_variance: Tensor) -> MixturePrior:
        scale = tables.scale_of(log_variance)
        low = (mean * 2.0**8 - 5 * scale).amin(0)  # (D,), times 2^-20
        high = (mean * 2.0**8 + 5 * scale).amax(0)
        half = torch.full_like(low, 2.0**7)  # the width of half a cell
        while bool((wide := half * 2 * CELLS < high - low).any()):
            half = torch.where(wide, half * 2, half)
        middle = torch.floor((low + high) * 2.0**-9) * 2.0**8
        places = torch.arange(1, 2 * CELLS, dtype=torch.float64) - CELLS
        return cls(mean, log_variance, scale, Grid(middle[:, None] + half[:, None] * places))

    def __len__(self) -> int:
        return len(self.mean)

    def spread(self) -> tuple[Tensor, Tensor]:
        mean = self.mean * 2.0**8
        center = mean.mean(0)
        return center, ((mean - center).square() + self.scale.square()).mean(0).sqrt()

    def of(self, component: Tensor) -> Gaussians:
        """The chosen components `(N,)`."""
        chosen = component.long()
        return Gaussians.make(self.mean[chosen] * 2.0**8, self.scale[chosen], self.grid)

    def component_masses(self, codes: Tensor) -> Tensor:
        """Masses of the components given codes `(N, D)`, `(N, K)`, which sum to 2^24."""
        apart = (codes[:, None] - self.mean) * 2.0**16  # (N, K, D)
        t = divided(apart, self.scale).clamp(-(2.0**14), 2.0**14)  # deviations, times 2^-8
        costs = (t.square() + self.log_variance * 2.0 ** (16 - ACTIVATION)).sum(-1)  # times 2^-17
        weights = tables.softmin(costs, most=26).cumsum(-1)
        return masses_of(torch.cat([torch.zeros_like(weights[:, :1]), weights], 1))


def placed(positions: Tensor, mean: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
    """Codes, activations, of positions times 2^-20 that are in units of a Gaussian, if there is one.

    `mean` is an activation, `scale` times 2^-20.
    """
    if mean is None or scale is None:
        return saturated(rounded(positions, SCALE - ACTIVATION))
    short = rounded(scale, 4).clamp(max=2.0**24)  # times 2^-16; the product is below 2^52
    return saturated(mean + rounded(short * positions.clamp(-(2.0**27), 2.0**27), 24))
