"""Corrupted images: a function of the images, the settings, and random bits of each image alone.

The bits of an image are NumPy's `Philox` from the training's seed, the epoch and the image's number, so
that they are the same on any number of processes, after a resume and in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.specs.corruptions import (
    Blur,
    Corruption,
    Downscale,
    GaussianNoise,
    Mask,
    PoissonNoise,
    SaltPepper,
)

BITS = 24
"""Of a random number."""


def random_numbers(
    settings: Sequence[Corruption],
    shape: Sequence[int],
    numbers: Sequence[int],
    seed: int,
    epoch: int,
) -> Tensor:
    """What `corrupted` draws from: `(n, m)` float64 in (0, 1), for images by their numbers.

    They are (u + 1/2) / 2^24 for the top 24 bits u of `Philox(key=[seed, epoch], counter=[0, 0, 0, number])`.
    """
    count = sum(_count(one, shape) for one in settings)
    raw, key = np.empty((len(numbers), count), np.uint64), np.array([seed, epoch], np.uint64)
    for row, number in zip(raw, numbers, strict=True):
        counter = np.array([0, 0, 0, number], np.uint64)
        row[:] = np.random.Philox(key=key, counter=counter).random_raw(count)
    return torch.from_numpy(((raw >> np.uint64(64 - BITS)) + 0.5) / 2**BITS)


def corrupted_by_number(
    x: Tensor, settings: Sequence[Corruption], numbers: Sequence[int], seed: int, epoch: int
) -> Tensor:
    """Images `(N, C, H, W)` in [0, 1], `corrupted` with the `random_numbers` of their numbers."""
    return corrupted(x, settings, random_numbers(settings, x.shape[1:], numbers, seed, epoch))


def _count(setting: Corruption, shape: Sequence[int]) -> int:
    """How many random numbers a corruption takes: one for its strength, then those of the pixels."""
    channels, height, width = shape
    match setting:
        case GaussianNoise() | PoissonNoise():
            return 1 + channels * height * width
        case SaltPepper():
            return 1 + height * width
        case Mask(side=side):
            return 1 + math.ceil(height / side) * math.ceil(width / side)
        case _:
            return 1


def corrupted(x: Tensor, settings: Sequence[Corruption], drawn: Tensor) -> Tensor:
    """Images `(N, C, H, W)` in [0, 1] corrupted, float32, not clipped.

    Args:
        x: the images.
        settings: the corruptions, in order.
        drawn: their `random_numbers`, `(N, m)`, on the CPU, which has float64.
    """
    parts = drawn.split([_count(one, x.shape[1:]) for one in settings], 1)
    for setting, part in zip(settings, parts, strict=True):
        u = part[:, 0] / setting.probability
        done = _corrupted(x, setting, u.clamp(max=1), part[:, 1:])
        applies = (u < 1)[:, None, None, None].to(x.device)
        x = done if setting.probability == 1 else torch.where(applies, done, x)
    return x


def _corrupted(x: Tensor, setting: Corruption, first: Tensor, rest: Tensor) -> Tensor:
    match setting:
        case GaussianNoise(sigma=sigma):
            noise = torch.special.ndtri(rest).float().view_as(x).to(x.device)
            return x + _between(sigma, first, x) * noise
        case PoissonNoise(peak=peak):
            most = _between(peak, first, x)
            rate = (x.clamp(min=0) * most).cpu().double()
            return _poisson(rate, rest.view_as(x)).float().to(x.device) / most
        case SaltPepper(share=share):
            chosen = rest.view(-1, 1, *x.shape[2:]).float().to(x.device)
            share_ = _between(share, first, x)
            x = torch.where(chosen < share_ / 2, 0.0, x)
            return torch.where(chosen > 1 - share_ / 2, 1.0, x)
        case Mask(share=share, side=side):
            rows, columns = (math.ceil(length / side) for length in x.shape[2:])
            numbers = rest.view(-1, 1, rows, columns).float().to(x.device)
            squares = numbers >= _between(share, first, x)
            kept = squares.repeat_interleave(side, 2).repeat_interleave(side, 3)
            return x * kept[:, :, : x.shape[2], : x.shape[3]]
        case Blur(sigma=sigma):
            return _blurred(x, _between(sigma, first, x), math.ceil(4 * sigma[1]))
        case Downscale(factor=factor):
            small = F.avg_pool2d(x, factor, ceil_mode=True, count_include_pad=False)
            large = small.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
            return large[:, :, : x.shape[2], : x.shape[3]]


def _between(strength: tuple[float, float], u: Tensor, x: Tensor) -> Tensor:
    """Each image's own strength, `(N, 1, 1, 1)` float32, on the images' device."""
    low, high = strength
    return (low + (high - low) * u).float()[:, None, None, None].to(x.device)


def _poisson(rate: Tensor, u: Tensor) -> Tensor:
    """Poisson quantiles: a normal approximation, moved to the exact ones."""
    z = torch.special.ndtri(u)
    k = (rate + rate.sqrt() * z + (z.square() - 1) / 6).round().clamp(min=0)
    for _ in range(8):
        up = torch.special.gammaincc(k + 1, rate) < u  # P(X <= k)
        down = (k > 0) & (torch.special.gammaincc(k.clamp(min=1), rate) >= u) & ~up
        k = k + up.double() - down.double()
    return torch.where(rate > 0, k, 0.0)


def _blurred(x: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Each image by its own Gaussian, truncated at the radius."""
    if not radius:
        return x
    offsets = torch.arange(-radius, radius + 1, device=x.device)
    weights = torch.exp(-0.5 * (offsets / sigma.view(-1, 1).clamp(min=1e-3)).square())
    weights = weights / weights.sum(1, keepdim=True)  # (N, 2 r + 1)
    count, channels = x.shape[:2]
    for axis in (2, 3):
        pads = (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius)
        padded = F.pad(x, pads, mode="replicate").flatten(0, 1)[None]  # (1, N C, ., .)
        shape = (-1, 1, 1, 2 * radius + 1) if axis == 3 else (-1, 1, 2 * radius + 1, 1)
        kernel = weights.repeat_interleave(channels, 0).view(shape)
        x = F.conv2d(padded, kernel.to(x.dtype), groups=count * channels)[0].unflatten(
            0, (count, channels)
        )
    return x
