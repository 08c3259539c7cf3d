"""Images from image files of any size."""

from __future__ import annotations

import io
import os
import re
import unicodedata
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from zoo.data.sources.base import Source, StringTable
from zoo.errors import DataError
from zoo.io.files import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm",
)  # fmt: skip
"""Extensions of image files in folders and shards; also `.avif` if Pillow supports it."""
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Formats that are read, whatever the extension. Others of Pillow may start a program (EPS)."""
if find_spec("PIL._avif"):
    SUFFIXES, FORMATS = (*SUFFIXES, ".avif"), (*FORMATS, "AVIF")
MAX_PIXELS = 2**30 // 4 // 3
"""Maximum size of an image: Pillow's default, which a program may have changed."""
MAX_SCANNED = 2**31
"""Maximum pixels times scans of a JPEG, as each scan visits every pixel: a few seconds."""
MAX_BYTES = 2**28
"""Bytes of a JPEG that are searched for scans: three per pixel."""
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow modes with more than 8 bits per channel, which it would clip instead of scaling."""
DEEP_RAW = re.compile(";16[BLN]")
"""Pattern of Pillow's raw modes with 16 bits per channel."""
PNG = b"\x89PNG\r\n\x1a\n"
MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""A JPEG marker; other bytes after 0xFF belong to scan data."""
ORIENTATION = 0x0112
TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")  # fmt: skip
"""Transpositions that undo EXIF orientations 2, 3, ..., 8."""


class ImageFiles(Source):
    """Image files, by their paths below a folder."""

    def __init__(self, folder: Path, names: list[str], within: str = "") -> None:
        """`within` is the folder's path in its dataset, if it holds one part."""
        self.within = within
        self.folder = "" if folder == Path() else str(folder)  # "a.png", not "./a.png"
        self.names = StringTable(names)

    def __len__(self) -> int:
        return len(self.names)

    def key(self, number: int) -> str:
        return self.names[number]

    def split_keys(self) -> Iterator[str]:
        """Paths within the dataset, identical on every system."""
        for name in self.names:
            yield unicodedata.normalize("NFC", Path(self.within, name).as_posix())

    def title(self, number: int) -> str:
        return repr(str(Path(self.folder, self.key(number))))

    def paths(self, first: int, count: int) -> list[str]:
        numbers = range(first, first + count)
        return [os.path.join(self.folder, self.names[number]) for number in numbers]

    def read(self, number: int) -> Image:
        return read_image(Path(self.folder, self.key(number)))


def is_image_file(path: str) -> bool:
    """Whether a path is of an image file, by its extension. Raises DataError for one that does not exist."""
    if not path.lower().endswith(SUFFIXES) or os.path.isdir(path):
        return False
    if not os.path.lexists(path):
        raise DataError(f"The image file {path!r} does not exist.")
    return True


def read_image(path: Path) -> Image:
    """One image file. Raises DataError if it is missing, damaged or not an image."""
    with open_regular(path, DataError) as file:
        return decode(file, repr(str(path)))


def decode(file: BinaryIO, title: str) -> Image:
    """The image in a file, rotated by its EXIF orientation: gray ("L") or color ("RGB").

    Of several frames or pages, the first. Damaged metadata is ignored. Raises DataError, with the
    title, if the file is not an image, is damaged, or would take gigabytes to decode.
    """
    return eight_bits(upright(decode_as_stored(file, title)), title)


def decode_as_stored(file: BinaryIO, title: str) -> Image:
    """The image in a file as it is stored: its mode, orientation, format and metadata.

    Raises DataError as `decode` does, but for more than 8 bits per channel in gray.
    """
    from PIL import UnidentifiedImageError

    try:
        if not file.read(1):
            raise DataError(f"{title} cannot be read as an image: it is empty (0 bytes).")
        image = _opened(file)
        _check_depth(image, title)
        _check_work(image, file)
        image.load()
    except UnidentifiedImageError:
        raise DataError(
            f"{title} cannot be read as an image: it is not {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, "
            "or its header is damaged."
        ) from None
    except DataError:
        raise
    except Exception as broken:  # Pillow raises arbitrary errors for damaged files
        why = (str(broken).splitlines() or [type(broken).__name__])[0].rstrip(".")
        raise DataError(f"{title} cannot be read as an image: {why}.") from None
    return image


def _opened(file: BinaryIO) -> Image:
    """The image with only its header read."""
    from PIL import Image

    file.seek(0)
    try:
        return Image.open(file, formats=FORMATS)
    except Exception:
        file.seek(0)
        if file.read(8) != PNG:
            raise
        return Image.open(io.BytesIO(_without_metadata(file)), formats=("PNG",))


def _without_metadata(file: BinaryIO) -> bytes:
    """A PNG's critical chunks: Pillow refuses an image if the checksum of a comment is wrong."""
    kept = [PNG]
    while len(head := file.read(8)) == 8:
        length, is_critical = int.from_bytes(head[:4], "big"), not head[4] & 0x20
        chunk = file.read(length + 4) if is_critical else file.seek(length + 4, os.SEEK_CUR)
        kept += [head, chunk] if isinstance(chunk, bytes) else []
    return b"".join(kept)


def _check_depth(image: Image, title: str) -> None:
    """Raises DataError for color with more than 8 bits per channel: Pillow would keep only the high byte."""
    read_as = [tile[3] for tile in getattr(image, "tile", ())]
    largest = [args[1] for args in read_as if image.format == "PPM" and isinstance(args, tuple)]
    if any(DEEP_RAW.search(str(args)) for args in read_as) or max(largest, default=0) > 255:
        raise DataError(_too_deep(title, f"16-bit {image.mode}"))


def _check_work(image: Image, file: BinaryIO) -> None:
    """Raises ValueError for an image that would take gigabytes or minutes to decode."""
    pixels = image.width * image.height
    size = f"Image size ({image.width} x {image.height})"
    if pixels > MAX_PIXELS:
        raise ValueError(f"{size} exceeds the limit of {MAX_PIXELS:,} pixels")
    if image.format not in ("JPEG", "MPO"):
        return
    file.seek(0)
    data = file.read(MAX_BYTES)
    if pixels * data.count(b"\xff\xda") > MAX_SCANNED and pixels * _scans(data) > MAX_SCANNED:
        raise ValueError(
            f"{size} times its {_scans(data)} scans exceeds the limit of {MAX_SCANNED:,}: save it again"
        )


def _scans(jpeg: bytes) -> int:
    """Number of scans in the first image of the file: phones append a video."""
    count, place = 0, 2
    while (marker := MARKER.search(jpeg, place)) and marker[1] != b"\xd9":
        count += marker[1] == b"\xda"
        place = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
    return count


def upright(image: Image) -> Image:
    """The image rotated by its EXIF orientation, if readable."""
    from PIL.Image import Transpose

    try:
        turn = image.getexif().get(ORIENTATION)
    except Exception:  # Pillow raises arbitrary errors for damaged files
        return image
    if not isinstance(turn, int) or not 2 <= turn < 2 + len(TURNS):
        return image
    return image.transpose(Transpose[TURNS[turn - 2]])


def eight_bits(image: Image, title: str) -> Image:
    """An image as gray ("L") or color ("RGB"). Raises DataError for more than 8 bits per channel."""
    if image.mode in DEEP:
        raise DataError(_too_deep(title, image.mode))
    wanted = "L" if image.mode in ("1", "L", "LA") else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _too_deep(title: str, mode: str) -> str:
    return (
        f"{title} has more than 8 bits per channel ({mode}): convert it to 8 bits first; the zoo does "
        "not guess how."
    )
