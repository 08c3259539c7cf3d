"""Images of any size through a model, in tiles that overlap: no seams, and the activations of one tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

LEAST_TILE = 64
"""Side in pixels."""


def in_tiles(
    compute: Callable[[Tensor], Tensor], x: Tensor, stride: int, tile: int, margin: int
) -> Tensor:
    """`compute` of images of any size, tile by tile, on the CPU: `(N, C, H, W)`.

    Images are padded by their reflection to multiples of the stride, and the padding is cut. (Repeated edges
    turn noise into lines, which a denoiser keeps.)

    Args:
        compute: maps images whose sides are multiples of the stride to images of the same size.
        x: `(N, C, H, W)`, H and W at least 1.
        stride: of the model.
        tile: side of a tile without its margin, rounded up to a multiple of the stride.
        margin: pixels around a tile that are computed and cut, rounded up too.
    """
    height, width = x.shape[-2:]
    x = x[..., _reflected(height, stride), :][..., _reflected(width, stride)]
    tile, margin = (-(-side // stride) * stride for side in (tile, margin))
    done = torch.empty(x.shape)
    for image, target in zip(x.split(1), done.split(1), strict=True):
        for rows, columns, seen in _tiles(x.shape[-2], x.shape[-1], tile, margin):
            part = compute(image[..., seen[0], seen[1]])
            inner_rows = slice(rows.start - seen[0].start, rows.stop - seen[0].start)
            inner_columns = slice(columns.start - seen[1].start, columns.stop - seen[1].start)
            target[..., rows, columns] = part[..., inner_rows, inner_columns].float().cpu()
    return done[..., :height, :width]


def _reflected(length: int, stride: int) -> Tensor:
    """Positions of 0 to length - 1, then backwards and forwards to a multiple of the stride."""
    period = max(1, 2 * (length - 1))
    positions = torch.arange(length + -length % stride) % period
    return torch.minimum(positions, period - positions) if length > 1 else positions


def _tiles(
    height: int, width: int, tile: int, margin: int
) -> Iterator[tuple[slice, slice, tuple[slice, slice]]]:
    """The rows and columns of each tile, and those of it with its margin."""
    for rows, seen_rows in _spans(height, tile, margin):
        for columns, seen_columns in _spans(width, tile, margin):
            yield rows, columns, (seen_rows, seen_columns)


def _spans(length: int, tile: int, margin: int) -> Iterator[tuple[slice, slice]]:
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        yield slice(start, stop), slice(max(0, start - margin), min(length, stop + margin))
