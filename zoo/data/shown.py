"""Conversion of data to model input under each protocol: image levels, or real rows and series.

Training draws fresh random numbers for every batch; testing uses one fixed draw, identical on every
machine.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from zoo.specs.protocols import Protocol, check_known

DRAW_BITS = 24
UNCHANGED = ("gray", "levels", "real")
"""Protocols without random numbers."""


def as_gray(pixels: Tensor) -> Tensor:
    """Levels 0 to 255, uint8, as float32 in [0, 1]."""
    return pixels.float().div_(255)


def as_input(values: Tensor) -> Tensor:
    """Levels of images as float32 in [0, 1]; rows and series as they are."""
    return as_gray(values) if values.dtype == torch.uint8 else values


def training_draw(
    shape: tuple[int, ...], protocol: Protocol, generator: torch.Generator
) -> Tensor | None:
    """Random numbers for showing a batch of that shape in training, on the generator's device.

    uint8 thresholds 0 to 254 for `binarized`, uniform in [0, 1) for `dequantized`, None for others.
    """
    device = generator.device
    if protocol in UNCHANGED:
        return None
    if protocol == "binarized":
        return torch.randint(0, 255, shape, dtype=torch.uint8, device=device, generator=generator)
    return torch.rand(shape, device=device, generator=generator)


def shown_in_training(values: Tensor, protocol: Protocol, drawn: Tensor | None) -> Tensor:
    """Levels `(N, C, H, W)`, uint8, as float32 in [0, 1], given their rows of a `training_draw`.

    `real` values are unchanged, float32 or float64 in the user's units.
    """
    if drawn is None:
        return as_input(values)
    if protocol == "binarized":
        return (
            drawn < values
        ).float()  # thresholds are 0..254, so a level v is 1 with probability v / 255
    return values.float().add_(drawn).div_(256)


def shifted(pixels: Tensor, moves: Tensor) -> Tensor:
    """Levels `(N, C, H, W)`, each image translated down and right by its `(N, 2)` pixels, zero-padded."""
    height, width = pixels.shape[-2:]
    down, right = moves[:, 0, None, None], moves[:, 1, None, None]  # (N, 1, 1)
    rows = torch.arange(height, device=pixels.device)[:, None] - down  # (N, H, 1)
    columns = torch.arange(width, device=pixels.device) - right  # (N, 1, W)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)  # (N, H, W)
    places = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    taken = pixels.flatten(2).gather(2, places.flatten(1)[:, None].expand(-1, pixels.shape[1], -1))
    return taken.view_as(pixels) * inside[:, None]


def shown_in_testing(values: Tensor, protocol: Protocol, first: int = 0) -> Tensor:
    """Images of a split from number `first` on, `(N, C, H, W)` uint8, as float32 in [0, 1], by the fixed draw.

    `real` values are unchanged.

    The draw of a pixel is the top 24 bits u of NumPy's `Philox(key=0).random_raw`, in row-major
    order over the split. Under `binarized` a level v becomes 1 iff u * 255 < v * 2**24; under
    `dequantized` it becomes (v + u / 2**24) / 256. Raises InputError for an unknown protocol.
    """
    check_known(protocol)
    if protocol in UNCHANGED:
        return as_input(values)
    levels = values.cpu().numpy().astype(np.int64)
    whole, rest = divmod(first * math.prod(levels.shape[1:]), 4)  # Philox draws four at a time
    raw = np.random.Philox(key=0).advance(whole).random_raw(rest + levels.size)[rest:]
    draw = (raw >> np.uint64(64 - DRAW_BITS)).astype(np.int64).reshape(levels.shape)
    if protocol == "binarized":
        return torch.from_numpy((draw * 255 < levels << DRAW_BITS).astype(np.float32))
    shown = (levels + draw / 2**DRAW_BITS) / 256
    return torch.from_numpy(shown.astype(np.float32))
