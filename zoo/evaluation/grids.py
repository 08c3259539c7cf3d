"""Examples that are images: grids of them, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.runtime.torchvision import torchvision_part

SCALE_TO = 56
"""Least height of one drawn image, in pixels: smaller ones are enlarged by a whole factor."""


class Grid:
    """Draws images `(N, C, H, W)` in [0, 1]."""

    samples, pairs = 64, 16
    """Examples in a picture of samples, and of reconstructions."""

    def draw_pairs(self, x: Tensor, y: Tensor, per_row: int = 8) -> bytes:
        """Rows of originals, each above the row of their reconstructions."""
        halves = zip(x.split(per_row), y.split(per_row), strict=True)
        return draw_grid(torch.cat([part for pair in halves for part in pair]), per_row)

    def draw_each(self, x: Tensor, per_row: int) -> bytes:
        """Examples, `per_row` in a row."""
        return draw_grid(x, per_row)

    def draw_traversals(self, x: Tensor, latents: Sequence[int]) -> bytes:
        """A row for each latent: its examples `(latents, steps, C, H, W)`."""
        return draw_grid(x.flatten(0, 1), x.shape[1])


def draw_grid(images: Tensor, per_row: int) -> bytes:
    """A grid of images `(N, C, H, W)` in [0, 1], `per_row` in a row."""
    from PIL import Image

    factor = max(1, -(-SCALE_TO // images.shape[-2]))
    large = images.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    if large.shape[1] not in (1, 3):
        large = large[:, :1]  # other than gray and color: the first channel
    grid = torchvision_part("utils").make_grid(large, nrow=per_row, padding=2, pad_value=1.0)
    levels = grid.mul(255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
