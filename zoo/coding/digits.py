"""How many digits each code of a file has: few where its posterior is wide, none where it says nothing.

The encoder chooses them by a trial, in floating point, and writes them into the file: a decoder needs no
more than the numbers. Fewer digits take fewer bits to start a stack; coarser cells make codes less precise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.integers.base import State, TopDown, images_as_activations
from zoo.integers.discrete import BASE, CELL_DIGITS, Gaussians
from zoo.integers.grids import SCALE
from zoo.integers.priors import NormalPrior, Prior

TAIL = 3.0 * 2.0**SCALE
"""Cells of equal mass are as wide as a posterior may be beyond 3 standard deviations of the prior."""


def chosen_digits(model: TopDown, levels: Tensor, images: int) -> list[Tensor]:
    """Numbers of digits `(D,)` int64 of each group, with the least expected bits of a stack.

    Groups with a normal prior and a posterior in its tails get a uniform grid: `TopDown.set_tails`.

    Args:
        model: the model's integer form.
        levels: images of the trial, `(N, C, H, W)` uint8.
        images: number of images of a stack.
    """
    features, state, found = model.features(images_as_activations(levels)), State(), []
    model.set_tails([])
    for group in range(len(model.sizes)):
        posterior = model.posterior(group, features, state)
        if isinstance(model.priors[group], NormalPrior) and posterior.mean.abs().max() > TAIL:
            model.set_tails([*model.tails, group])
            posterior = model.posterior(group, features, state)
        prior = model.priors[group]
        lost = _lost(posterior, prior)  # (CELL_DIGITS + 1, D), nats an image
        starting = torch.arange(CELL_DIGITS + 1)[:, None] * math.log(BASE)
        found.append((images * lost + starting).argmin(0))
        state = model.descend(group, model.codes(group, posterior.mean, state), state)
    return found


def _lost(posterior: Gaussians, prior: Prior) -> Tensor:
    """Expected nats that an image loses by the cells of 0 to 6 digits, for each code, to second order.

    Cells of width w add w^2 / 12 to the variance s^2 of a posterior, and half of that over s^2 to the loss. No cells
    at all lose what the code says, its KL.
    """
    mean, scale = posterior.mean, posterior.scale
    center, spread = prior.spread()
    ratio = scale / spread
    kl = ((((mean - center) / spread).square() + ratio.square() - 1) / 2 - ratio.log()).mean(0)
    found = [kl]
    points = prior.grid.points.expand(mean.shape[1], -1)
    place = torch.searchsorted(points.contiguous(), mean.T.contiguous()).T  # (N, D)
    for digits in range(1, CELL_DIGITS + 1):
        step = 2 * BASE ** (CELL_DIGITS - digits)
        low = (place // step * step).clamp(max=points.shape[1] + 1 - step)
        inner = (low == 0) * step + low, (low + step).clamp(max=points.shape[1] + 1 - step)
        first, last = (points.gather(1, (one - 1).T).T for one in inner)
        width = torch.where(last > first, last - first, math.inf)
        found.append((width / scale).square().div(24).clamp(max=1.0).mean(0))
    return torch.stack(found)
