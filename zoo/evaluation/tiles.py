"""Encoding and decoding in tiles, as a reconstruction protocol asks for: memory of one tile, not of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.models import Autoencoder
from zoo.plugins.guards import cause, is_out_of_memory

TILE = 512
"""Side of a tile that an error suggests, in pixels."""


def encode_tiled(model: Autoencoder, x: Tensor, tile: Literal["off"] | int) -> Tensor:
    """Codes of images `(N, C, H, W)`: of one shape, tiled or not.

    Args:
        model: its stride divides height and width.
        x: values in [0, 1].
        tile: side of a tile in pixels, as `check_tile` takes it; the last ones may be smaller.

    Raises InputError where memory runs out and smaller tiles would help.
    """
    with _room_for(model, x, tile):
        return _in_tiles(model._encode, x, tile)


def decode_tiled(model: Autoencoder, z: Tensor, tile: Literal["off"] | int) -> Tensor:
    """Images of codes of `encode_tiled`, each tile decoded on its own, on the CPU: `(N, C, H, W)`."""
    side = tile if tile == "off" else tile // model.spec.stride
    with _room_for(model, z, tile):
        return _in_tiles(lambda part: model._decode(part).cpu(), z, side)


def check_tile(model: Autoencoder, tile: Literal["off"] | int) -> None:
    """Raises InputError where a model cannot work in such tiles."""
    if tile == "off":
        return
    stride = model.spec.stride
    if not stride:
        raise InputError(
            f"tile={tile} is for models of images of any size; this one takes {model.spec.domain} alone. "
            "Leave tile out."
        )
    if tile % stride:
        raise InputError(
            f"tile={tile} is not a multiple of {stride}, the model's stride: "
            f"tile={-(-tile // stride) * stride} is."
        )


def _in_tiles(compute: Callable[[Tensor], Tensor], x: Tensor, side: Literal["off"] | int) -> Tensor:
    if side == "off" or max(x.shape[-2:]) <= side:
        return compute(x)
    rows = [
        torch.cat([compute(part) for part in row.split(side, -1)], -1) for row in x.split(side, -2)
    ]
    return torch.cat(rows, -2)


@contextmanager
def _room_for(model: Autoencoder, x: Tensor, tile: Literal["off"] | int) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as failure:
        if not (model.spec.stride and is_out_of_memory(failure)):
            raise
        sides = " x ".join(map(str, x.shape[1:] if tile == "off" else (tile, tile)))
        help_ = (
            f"Set the protocol's tile, such as native:tile={TILE}, which bounds memory, or make images "
            "smaller, such as center-512."
            if tile == "off"
            else "Make tile smaller."
        )
        raise InputError(
            f"Out of memory on {model.device.type} for {sides} at once ({cause(failure)}). {help_}"
        ) from failure
