"""Noise that is drawn per image, so that no number depends on batch size, threads or device."""

from __future__ import annotations

import torch
from torch import Tensor

IMPORTANCE_STREAM = 2**31
"""What sets the importance samples' seeds apart from the ELBO's."""


def image_noise(seed: int, image: int, samples: int, shape: tuple[int, ...], stream: int = 0):
    """Standard normal noise `(K, *shape)` float32 of image number `image` of its split."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + image + stream) % 2**32)
    draws = torch.randn(samples, int(torch.Size(shape).numel()), generator=generator)
    return draws.view(samples, *shape)


def elbo_noise(seed: int, first: int, count: int, shape: tuple[int, ...]) -> Tensor:
    """One draw for each of `count` images from number `first` on: `(1, count, *shape)`."""
    draws = [image_noise(seed, image, 1, shape) for image in range(first, first + count)]
    return torch.cat(draws)[None]
