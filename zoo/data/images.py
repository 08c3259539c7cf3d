"""`Images`: one part of one dataset, as grey levels in memory, and how a set is split into parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.errors import DataError

PARTS = ("train", "validation", "test")
SPLITS = (*PARTS, "train+validation")

WANTED = "images are (N, C, H, W) or (N, H, W), uint8, 0 to 255."


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


def in_parts(found: Mapping[str, object], what: str) -> dict[str, Tensor]:
    """Train, validation and test, each `(N, C, H, W)` uint8, of what a source holds.

    Args:
        found: by part, `(N, C, H, W)` or `(N, H, W)`. A set without parts is all in "all": a tenth
            each is held out for validation and test. Without "validation" it is the last tenth of
            train.
        what: what to call the source in errors.

    Raises DataError for anything but uint8 images of one size, and for fewer than three.
    """
    parts = {
        name: as_images(given, what if name == "all" else f"{what}: its {name} split")
        for name, given in found.items()
    }
    shapes = {name: tuple(part.shape[1:]) for name, part in parts.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(f"All images of a dataset have one size; {what} has {listed}.")
    if "all" in parts:
        return _held_out(parts["all"], what)
    if "validation" not in parts:
        train = parts["train"]
        tenth = max(1, len(train) // 10)
        parts |= {"train": train[:-tenth], "validation": train[-tenth:]}
    return parts


def as_images(given: object, what: str) -> Tensor:
    """`(N, C, H, W)` uint8 from that or `(N, H, W)`, a tensor or an array. Raises DataError."""
    pixels = given
    if isinstance(given, np.ndarray) and given.dtype == np.uint8:
        pixels = torch.from_numpy(np.ascontiguousarray(given))
    if isinstance(pixels, Tensor) and pixels.dtype == torch.uint8:
        pixels = pixels[:, None] if pixels.dim() == 3 else pixels
        if pixels.dim() == 4 and 0 not in pixels.shape[1:]:
            return pixels.cpu().contiguous()
    found = type(given).__name__
    if isinstance(given, Tensor | np.ndarray):
        found = f"{tuple(given.shape)}, {str(given.dtype).removeprefix('torch.')}"
    raise DataError(f"{what} is {found}; {WANTED}")


def _held_out(pixels: Tensor, what: str) -> dict[str, Tensor]:
    """Which images are held out depends on their number alone: an order drawn from NumPy's
    `Philox(key=0)`, whose raw output never changes."""
    if len(pixels) < 3:
        raise DataError(f"{what} has {len(pixels)} images; three at least are needed, one a part.")
    order = np.argsort(np.random.Philox(key=0).random_raw(len(pixels)), kind="stable")
    tenth = max(1, len(pixels) // 10)
    parts = {
        "test": order[:tenth],
        "validation": order[tenth : 2 * tenth],
        "train": order[2 * tenth :],
    }
    return {name: pixels[torch.from_numpy(np.sort(part))] for name, part in parts.items()}
