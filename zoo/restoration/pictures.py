"""Pictures in files: what a model restores of them, and all else that is kept."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zoo.data.sources.image_files import ORIENTATION, decode_as_stored, eight_bits, upright
from zoo.data.transform import as_pixels
from zoo.errors import DataError
from zoo.io.files import open_regular

if TYPE_CHECKING:
    from PIL.Image import Image

JPEG_QUALITY = 95
"""Of what is written; 4:4:4, without chroma subsampling."""
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": JPEG_QUALITY, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": JPEG_QUALITY, "subsampling": "4:4:4"},
}
"""How formats are written; others are lossless, but for the palette of a GIF."""
WITH_ALPHA = ("PNG", "WEBP", "TIFF", "AVIF")
WITH_EXIF = ("JPEG", "PNG", "WEBP", "AVIF")
"""Of a TIFF, EXIF also says how its pixels are stored."""


@dataclass(frozen=True)
class Picture:
    """An image file's pixels, upright, and what is written beside them."""

    pixels: Tensor
    """`(C, H, W)` uint8, gray or RGB."""
    alpha: Image | None
    format: str
    info: dict[str, Any]
    """EXIF with its orientation reset, and the color profile, as Pillow's `save` takes them."""

    @property
    def loses_alpha(self) -> bool:
        """Whether its transparency cannot be written in its format, as of a GIF."""
        return self.alpha is not None and self.format not in WITH_ALPHA

    def with_pixels(self, x: Tensor) -> bytes:
        """The file with other pixels, `(C, H, W)` in [0, 1], rounded to 8 bits."""
        from PIL import Image

        levels = (x.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        array = levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0))
        image = Image.fromarray(array)
        if self.alpha is not None and self.format in WITH_ALPHA:
            image.putalpha(self.alpha)
        data = io.BytesIO()
        image.save(data, self.format, **OPTIONS.get(self.format, {}), **self.info)
        return data.getvalue()


def read_picture(path: Path) -> Picture:
    """A picture of any size. Raises DataError for one that is damaged, or of more than 8 bits per channel."""
    title = repr(str(path))
    with open_regular(path, DataError) as file:
        stored = decode_as_stored(file, title)
    image = upright(stored)
    alpha = None
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
    format_ = "JPEG" if stored.format == "MPO" else stored.format or "PNG"
    return Picture(as_pixels(eight_bits(image, title)), alpha, format_, _kept(stored, format_))


def _kept(image: Image, format_: str) -> dict[str, Any]:
    """The metadata that the written file has too; nothing of damaged ones."""
    kept: dict[str, Any] = {}
    if (profile := image.info.get("icc_profile")) and image.mode in ("L", "RGB", "LA", "RGBA", "P"):
        kept["icc_profile"] = profile
    if format_ in WITH_EXIF:
        try:
            exif = image.getexif()
            exif.pop(ORIENTATION, None)
            if len(exif):
                kept["exif"] = exif.tobytes()
        except Exception:  # Pillow raises arbitrary errors for damaged metadata
            pass
    return kept


def read_mask(path: Path, size: tuple[int, int]) -> Tensor:
    """A mask file as bool `(1, H, W)`: white is missing.

    Raises DataError for one of another size, or with other levels than black and white.
    """
    pixels = read_picture(path).pixels
    if tuple(pixels.shape[1:]) != size:
        height, width = pixels.shape[1:]
        raise DataError(
            f"The mask {str(path)!r} is {height} x {width}; its picture is {size[0]} x {size[1]}."
        )
    levels = set(pixels.unique().tolist())
    if not levels <= {0, 255} and not levels <= {0, 1}:
        raise DataError(
            f"The mask {str(path)!r} has levels between black and white ({min(levels - {0, 255})}): missing pixels are "
            "white, others black. A JPEG does not keep this; save it as PNG."
        )
    return pixels.amax(0, keepdim=True) > 0
