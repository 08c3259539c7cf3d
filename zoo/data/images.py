"""`Images`: one part of one dataset, as grey levels in memory, and how a set is split into parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SPLITS = ("train", "validation", "test", "train+validation")


@dataclass(frozen=True)
class Images:
    """Images of one split of a dataset.

    `pixels` is `(N, C, H, W)`, uint8, 0 to 255; `sha256` is the hash of its bytes in that order.
    """

    dataset: str
    split: str
    pixels: Tensor
    sha256: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return tuple(self.pixels.shape[1:])  # pyright: ignore[reportReturnType]  # always three

    def __len__(self) -> int:
        return len(self.pixels)


def sha256_of(pixels: Tensor) -> str:
    """Hex sha256 of the bytes of a uint8 tensor, in row-major order."""
    return hashlib.sha256(pixels.contiguous().numpy()).hexdigest()  # pyright: ignore[reportArgumentType]  # a buffer


def held_out(pixels: Tensor) -> dict[str, Tensor]:
    """Three parts of a set that comes without any: a tenth each for validation and test.

    Which images are held out depends on their number alone: an order drawn from NumPy's
    `Philox(key=0)`, whose raw output never changes. One image at least is left in each part.
    """
    order = np.argsort(np.random.Philox(key=0).random_raw(len(pixels)), kind="stable")
    tenth = max(1, len(pixels) // 10)
    parts = {
        "test": order[:tenth],
        "validation": order[tenth : 2 * tenth],
        "train": order[2 * tenth :],
    }
    return {name: pixels[torch.from_numpy(np.sort(part))] for name, part in parts.items()}


def tenth_held_out(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Train, validation and test of a set that may come without validation: the last tenth of train."""
    if "validation" in parts:
        return parts
    tenth = max(1, len(parts["train"]) // 10)
    train = parts["train"]
    return {**parts, "train": train[:-tenth], "validation": train[-tenth:]}
