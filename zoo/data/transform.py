"""Resizing, cropping and flipping of images to a model's input shape, by the recipe's transform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zoo.errors import DataError
from zoo.runtime.torchvision import torchvision_part
from zoo.specs.data import Transform

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 2**27
"""Largest resized image: a narrow one may grow very large."""
COLOR = {1: "gray", 3: "color"}


class Fit:
    """Transforms images to `(C, H, W)` uint8 of one shape; deterministic unless a seed is given.

    With `keep_fitting`, images of that height and width are left unchanged.
    """

    def __init__(
        self, shape: tuple[int, ...], transform: Transform, keep_fitting: bool = False
    ) -> None:
        self.shape, self.transform, self.keep_fitting = shape, transform, keep_fitting
        self.generator = torch.Generator()

    def __call__(self, image: Image | Tensor, title: str, seed: int | None = None) -> Tensor:
        """The transformed image. The random part of the transform depends only on the seed.

        Raises DataError if the result does not have the expected shape.
        """
        if not isinstance(image, Tensor) and self.shape[0] == 3:
            image = image.convert("RGB")
        is_kept = self.keep_fitting and _size(image) == self.shape[1:]
        if self.transform != Transform() and not is_kept:
            image = self.transformed(image, title, seed)
        fitted = as_pixels(image)
        if self.shape[0] == 3 and fitted.shape[0] == 1:
            fitted = fitted.expand(3, -1, -1)
        if tuple(fitted.shape) != self.shape:
            raise DataError(self._misfit(tuple(fitted.shape), title))
        return fitted

    def transformed(
        self, image: Image | Tensor, title: str, seed: int | None = None
    ) -> Image | Tensor:
        """The image resized, cropped and flipped, of whatever shape results."""
        operators, transform = torchvision_part("transforms.v2.functional"), self.transform
        draws = None
        if seed is not None and transform.is_random:
            draws = torch.rand(3, generator=self.generator.manual_seed(seed)).tolist()
        if transform.crop != "off":
            self._check_size(image, title)
        if transform.resize != "off":
            height, width = _size(image)
            if transform.resize**2 * max(height, width) // min(height, width) > MAX_PIXELS:
                raise DataError(f"{title} would be too large after resize = {transform.resize}.")
            image = resized(image, transform.resize, transform.resampler)
        if transform.crop != "off":
            image = operators.crop(image, *self._corner(image, draws), *self.shape[1:])
        is_flipped = transform.flip and draws is not None and draws[2] < 0.5
        return operators.horizontal_flip(image) if is_flipped else image

    def _corner(self, image: Image | Tensor, draws: list[float] | None) -> tuple[int, int]:
        """Top and left of a crop: random, or centered as in torchvision."""
        sides = zip(_size(image), self.shape[1:], strict=True)
        down, right = (side - own for side, own in sides)
        if draws is None or self.transform.crop == "center":
            return round(down / 2), round(right / 2)
        return int(draws[0] * (down + 1)), int(draws[1] * (right + 1))

    def _check_size(self, image: Image | Tensor, title: str) -> None:
        """Raises DataError for an image smaller than the crop, which would be padded with black."""
        height, width = _size(image)
        resize = self.transform.resize
        short = min(height, width)
        resized = [side if resize == "off" else resize * side // short for side in (height, width)]
        if resized[0] < self.shape[1] or resized[1] < self.shape[2]:
            raise DataError(
                f"{title} is {height} x {width}, too small for a crop of {self.shape[1]} x "
                f"{self.shape[2]}{'' if resize == 'off' else f' after resize = {resize}'}. "
                f"data.transform.resize = {max(self.shape[1:])} makes it fit."
            )

    def _misfit(self, found: tuple[int, ...], title: str) -> str:
        if found[1:] == self.shape[1:]:
            kinds = (COLOR.get(n, f"of {n} channels") for n in (found[0], self.shape[0]))
            return "{} is {}, not {}. Convert it first.".format(title, *kinds)
        sizes = (f"{height} x {width}" for height, width in (found[1:], self.shape[1:]))
        side = max(self.shape[1:])
        return (
            "{} is {}, not {}. ".format(title, *sizes)
            + f"data.transform = {{resize = {side}, crop = 'center'}} makes it fit."
            + f" (zoo eval and zoo encode take --protocol center-{side}.)"
        )


def _size(image: Image | Tensor) -> tuple[int, int]:
    """Height and width."""
    if isinstance(image, Tensor):
        return image.shape[1], image.shape[2]
    return image.height, image.width


def resized(image: Image | Tensor, side: int, resampler: str) -> Image | Tensor:
    """An image resized to shorter side `side`, by Pillow: torchvision gives different values for tensors."""
    resize = torchvision_part("transforms.v2.functional").resize
    mode = torchvision_part("transforms").InterpolationMode(resampler)
    pictures = [resize(one, [side], mode) for one in as_pictures(image)]
    return pictures[0] if len(pictures) == 1 else torch.cat([as_pixels(one) for one in pictures])


def as_pictures(image: Image | Tensor) -> list[Image]:
    """An image as Pillow images: one, or a gray one per channel of a tensor without 1 or 3 channels."""
    from PIL import Image

    if not isinstance(image, Tensor):
        return [image]
    bands = image.split(len(image) if len(image) == 3 else 1)
    return [Image.fromarray(one.permute(1, 2, 0).squeeze(2).numpy()) for one in bands]


def as_pixels(image: Image | Tensor) -> Tensor:
    """An image as `(C, H, W)` uint8, C = 1 for gray and 3 for color."""
    if isinstance(image, Tensor):
        return image
    pixels = np.array(image, ndmin=3)  # (1, H, W) or (H, W, 3)
    channels_first = pixels if image.mode == "L" else pixels.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(channels_first))
