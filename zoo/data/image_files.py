"""Images from image files, of any sizes: those of a dataset, or a few to encode."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from zoo.data.source import Source, Texts
from zoo.errors import DataError
from zoo.io.files import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Whatever a file is called. Pillow has others that start a program (EPS)."""
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes of more than 8 bits a channel: it would clip them, not scale them."""


class ImageFiles(Source):
    """Image files, by their paths below a folder."""

    def __init__(self, folder: Path, names: list[str], within: str = "") -> None:
        """`within`: the path of the folder in its dataset, where it holds one part."""
        self.within = within
        self.folder = "" if folder == Path() else str(folder)  # "a.png", not "./a.png"
        self.names = Texts(names)

    def __len__(self) -> int:
        return len(self.names)

    def key(self, number: int) -> str:
        return self.names[number]

    def split_keys(self) -> Iterator[str]:
        """Paths within the dataset, the same on every system."""
        for name in self.names:
            yield unicodedata.normalize("NFC", Path(self.within, name).as_posix())

    def title(self, number: int) -> str:
        return repr(str(Path(self.folder, self.key(number))))

    def paths(self, first: int, count: int) -> list[str]:
        numbers = range(first, first + count)
        return [os.path.join(self.folder, self.names[number]) for number in numbers]

    def read(self, number: int) -> Image:
        return read_image(Path(self.folder, self.key(number)))


def read_image(path: Path) -> Image:
    """One image file. Raises DataError for one that is missing, not an image or damaged."""
    if not os.path.lexists(path):
        raise DataError(f"There is no image file {str(path)!r}.")
    with open_regular(path, DataError) as file:
        return decode(file, repr(str(path)))


def decode(file: BinaryIO, title: str) -> Image:
    """An image as it was taken, by its EXIF orientation: grey ("L") or colour ("RGB").

    Raises DataError, with its title, for what is no image, is damaged, or would take gigabytes.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image = Image.open(file, formats=FORMATS)
        pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS or 0
        if pixels > most:
            raise DataError(
                f"{title} cannot be read as an image: Image size ({image.width} x {image.height}) "
                f"exceeds the limit of {most:,} pixels"
            )
        image.load()
        if image.getexif():
            ImageOps.exif_transpose(image, in_place=True)
        return eight_bits(image, title)
    except DataError:
        raise
    except Exception as broken:  # Pillow raises errors of any kind for other bytes
        why = (str(broken).splitlines() or [type(broken).__name__])[0]
        why = "Pillow knows no such kind" if isinstance(broken, UnidentifiedImageError) else why
        raise DataError(f"{title} cannot be read as an image: {why}") from None


def eight_bits(image: Image, title: str) -> Image:
    """As grey ("L") or colour ("RGB"). Raises DataError for more than 8 bits a channel."""
    if image.mode in DEEP:
        raise DataError(
            f"{title} has more than 8 bits a channel ({image.mode}): convert it to 8 "
            "first; the zoo does not guess how."
        )
    wanted = "L" if image.mode in ("1", "L", "LA") else "RGB"
    return image if image.mode == wanted else image.convert(wanted)
