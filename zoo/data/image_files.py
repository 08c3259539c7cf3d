"""Images from image files: a folder of them, of any sizes, or a few."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from zoo.data.images import PARTS
from zoo.data.source import Source
from zoo.errors import DataError
from zoo.io.files import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of more than 8 bits a channel: it would clip them, not scale them."""


class ImageFiles(Source):
    """Image files, by their paths below a folder."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = "" if folder == Path() else str(folder)  # "a.png", not "./a.png"
        self.names = np.array([os.fsencode(name) for name in names])  # bytes: flat, not objects

    def __len__(self) -> int:
        return len(self.names)

    def key(self, number: int) -> str:
        return os.fsdecode(bytes(self.names[number]))

    def title(self, number: int) -> str:
        return repr(os.path.join(self.folder, self.key(number)))

    def read(self, number: int) -> Image:
        return read_image(Path(self.folder, self.key(number)))


def read_folder(folder: Path) -> dict[str, Source]:
    """Every image below a folder, in the order of their paths; pictures of a model's folder are not.

    Subfolders named train and test (and validation) are parts; otherwise there is one, "all".
    """
    names = [name for name in PARTS if (folder / name).is_dir()]
    has_parts = "train" in names and "test" in names
    places = {name: folder / name for name in names} if has_parts else {"all": folder}
    return {name: _images_below(place) for name, place in places.items()}


def _images_below(folder: Path) -> ImageFiles:
    names = sorted(_walk(folder), key=lambda name: name.split(os.sep))
    if not names:
        raise DataError(f"There is no image in {str(folder)!r} (looked for {', '.join(SUFFIXES)}).")
    return ImageFiles(folder, names)


def _walk(folder: Path) -> Iterator[str]:
    """Paths of image files below a folder; links to folders are followed, once each."""
    seen, of_models = set(), set()
    for place, below, files in os.walk(folder, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if "model.safetensors" in files:
            of_models |= {os.path.join(place, name) for name in below}
        if place not in of_models:
            for name in files:
                path = os.path.join(place, name)
                if name.lower().endswith(SUFFIXES) and not name.startswith("._"):
                    yield os.path.relpath(path, folder)


def read_image(path: Path) -> Image:
    """One image file. Raises DataError for one that is missing, not an image or damaged."""
    if not os.path.lexists(path):
        raise DataError(f"There is no image file {str(path)!r}.")
    with open_regular(path, DataError) as file:
        return decode(file, str(path))


def decode(file: BinaryIO, key: str) -> Image:
    """An image as it was taken, by its EXIF orientation: grey ("L") or colour ("RGB").

    Raises DataError for what is no image, is damaged, or would take gigabytes.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image = Image.open(file)
        if image.mode in DEEP:
            raise DataError(
                f"{key!r} has more than 8 bits a channel ({image.mode}): convert it to 8 "
                "first; the zoo does not guess how."
            )
        if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
            raise ValueError(
                f"Image size ({image.width} x {image.height}) exceeds the limit of "
                f"{Image.MAX_IMAGE_PIXELS:,} pixels"
            )
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        wanted = "L" if image.mode in ("1", "L", "LA") else "RGB"
        return image if image.mode == wanted else image.convert(wanted)
    except (
        OSError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        ValueError,
        SyntaxError,  # what Pillow raises of broken PNG chunks
        EOFError,
    ) as broken:
        raise DataError(f"{key!r} cannot be read as an image: {broken}") from None
