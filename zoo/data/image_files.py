"""Images from image files: a folder of them, or a few to encode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.arrays import read_array
from zoo.data.images import PARTS, as_images
from zoo.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
MAX_BYTES = 8 * 2**30
"""Most bytes of pixels that are read into memory."""
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of more than 8 bits a channel: it would clip them, not scale them."""


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Every image below a folder, in the order of their paths; pictures of a model's folder are not.

    Subfolders named train and test (and validation) are parts; otherwise there is one, "all".
    All images have one size; they are grey if every one of them is, else RGB.
    """
    names = [name for name in PARTS if (folder / name).is_dir()]
    has_parts = "train" in names and "test" in names
    places = {name: folder / name for name in names} if has_parts else {"all": folder}
    parts = {name: _read_all(place) for name, place in places.items()}
    if any(image.shape[1] == 3 for images in parts.values() for image in images):
        parts = {name: list(map(_in_colour, images)) for name, images in parts.items()}
    return {name: torch.cat(images) for name, images in parts.items()}


def read_image(path: Path) -> Tensor:
    """One image file as `(1, C, H, W)` uint8, C = 1 for grey and 3 for colour.

    Raises DataError for a file that is missing, not an image or damaged.
    """
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise DataError(f"There is no image file {str(path)!r}.")
    try:
        with Image.open(path) as image:
            if image.mode in DEEP:
                raise DataError(
                    f"{str(path)!r} has more than 8 bits a channel ({image.mode}): convert it to 8 "
                    "first; the zoo does not guess how."
                )
            grey = image.mode in ("1", "L", "LA")
            pixels = np.array(image.convert("L" if grey else "RGB"), ndmin=3)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as broken:
        raise DataError(f"{str(path)!r} cannot be read as an image: {broken}") from broken
    channels_first = pixels if grey else pixels.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(channels_first))[None]


def read_images_for(shape: tuple[int, int, int], paths: Sequence[Path]) -> Tensor:
    """The images of some files, `(N, C, H, W)` uint8, for a model that takes images of `shape`.

    A `.npy` or `.npz` may hold many. Raises DataError for a file that is missing, damaged or of
    another shape: nothing is resized.
    """
    parts = []
    for path in paths:
        is_array = path.suffix in (".npy", ".npz")
        for found in read_array(path).values() if is_array else [read_image(path)]:
            pixels = as_images(found, repr(str(path)))
            fitting = _in_colour(pixels) if shape[0] == 3 else pixels
            if tuple(fitting.shape[1:]) != shape:
                raise DataError(
                    f"The model takes images of {shape}; {str(path)!r} has "
                    f"{tuple(pixels.shape[1:])}. Resize or convert it first: the zoo does not guess how."
                )
            parts.append(fitting)
    return torch.cat(parts)


def _in_colour(pixels: Tensor) -> Tensor:
    """Grey images `(N, 1, H, W)` as colour `(N, 3, H, W)`; others as they are."""
    return pixels.repeat(1, 3, 1, 1) if pixels.shape[1] == 1 else pixels


def _read_all(folder: Path) -> list[Tensor]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    paths = [p for p in paths if not (p.parent.parent / "model.safetensors").exists()]
    if not paths:
        raise DataError(f"There is no image in {str(folder)!r} (looked for {', '.join(SUFFIXES)}).")
    images = []
    for path in paths:
        images.append(read_image(path))
        (height, width), size = images[0].shape[2:], images[-1].shape[2:]
        if size != (height, width):
            raise DataError(
                f"All images of a dataset have one size: {str(path)!r} is {size[0]} x {size[1]}, "
                f"{str(paths[0])!r} is {height} x {width}."
            )
        if 3 * height * width * len(paths) > MAX_BYTES:
            raise DataError(
                f"{len(paths):,} images in {str(folder)!r} are more than {MAX_BYTES:,} bytes; "
                "give it fewer, or smaller ones."
            )
    return images
