"""One image file's bytes -> its pixels, of every kind that is read, or a sentence."""

from __future__ import annotations

import io
import re
import zlib

import numpy as np
import pytest
from made import encoded
from PIL import Image, ImageCms

from zoo.data.sources.image_files import FORMATS, decode
from zoo.errors import DataError

DRAWN = np.random.Generator(np.random.Philox(9)).integers(0, 256, (6, 8, 3), np.uint8)
COLOR = np.kron(DRAWN, np.ones((4, 4, 1), np.uint8))
GRAY = COLOR[..., 0].copy()
PICTURE, SHADES = Image.fromarray(COLOR), Image.fromarray(GRAY)


def saved(image: Image.Image, kind: str, **how) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def read(data: bytes) -> np.ndarray:
    return np.asarray(decode(io.BytesIO(data), "it"))


def refused(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        decode(io.BytesIO(data), "it")
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved(Image.fromarray(GRAY > 99), "PNG"), np.where(GRAY > 99, 255, 0)),
        (saved(SHADES, "PNG", transparency=5), GRAY),
        (saved(Image.merge("LA", (SHADES, SHADES)), "PNG"), GRAY),
        (saved(Image.merge("RGBA", (*PICTURE.split(), SHADES)), "PNG"), COLOR),
        (saved(PICTURE.quantize(48), "PNG", transparency=3), COLOR),
        (saved(PICTURE.convert("CMYK"), "TIFF"), COLOR),
        (saved(PICTURE, "GIF", save_all=True, append_images=[SHADES.convert("RGB")]), COLOR),
        (saved(PICTURE, "PNG", save_all=True, append_images=[SHADES.convert("RGB")]), COLOR),
        (saved(PICTURE, "TIFF", save_all=True, append_images=[SHADES.convert("RGB")]), COLOR),
        (b"P5 4 1 15\n\x00\x01\x08\x0f", [[0, 17, 136, 255]]),
        (b"P5 2 1 1\n\x00\x01", [[0, 255]]),
    ],
    ids=["1", "tRNS", "LA", "RGBA", "palette", "CMYK", "GIF", "APNG", "TIFF", "4-bit", "1-bit"],
)
def test_levels_are_those_that_are_shown_and_of_several_frames_the_first(data, expected):
    assert np.array_equal(read(data), expected)


def deep_png() -> bytes:
    """2 x 1 pixels of 16 bits a channel, in color, which Pillow does not write."""
    header = (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(13))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in chunks
    )


@pytest.mark.parametrize(
    "data",
    [
        saved(Image.fromarray(GRAY.astype(np.uint16) * 257), "PNG"),
        saved(Image.fromarray(GRAY.astype(np.float32)), "TIFF"),
        b"P5 2 1 65535\n" + bytes(4),
        b"Pf\n2 1\n-1.0\n" + bytes(8),
        deep_png(),
        b"P6 2 1 65535\n" + bytes(12),
    ],
    ids=["PNG", "TIFF", "PGM", "PFM", "PNG in color", "PPM in color"],
)
def test_more_than_8_bits_are_refused_not_clipped(data):
    assert "it has more than 8 bits per channel" in refused(data)


def test_what_is_no_image_is_told_from_an_empty_file():
    assert refused(b"") == "it cannot be read as an image: it is empty (0 bytes)."
    kinds = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    for data in (b"hello", b"\0\0\0\x18ftypheic" + bytes(90), b"\x89PNG\r\n\x1a\n"):
        assert refused(data) == (
            f"it cannot be read as an image: it is not {kinds}, or its header is damaged."
        )


@pytest.mark.skipif("AVIF" not in FORMATS, reason="Pillow reads none here")
def test_an_avif_is_read_whatever_it_is_called():
    assert read(saved(PICTURE, "AVIF", quality=100)).shape == COLOR.shape


# Metadata


def with_metadata(kind: str, what: str) -> tuple[bytes, bytes]:
    """A picture, which is turned where it has EXIF, and its metadata as the file has it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(PICTURE, kind, **({"exif": exif} if what == "EXIF" else {"icc_profile": profile}))
    if kind == "PNG":
        at = data.index(b"eXIf" if what == "EXIF" else b"iCCP")
        return data, data[at + 4 : at + 8 + int.from_bytes(data[at - 4 : at], "big")]
    return data, exif.tobytes()[6:] if what == "EXIF" else profile


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of what it could still read
@pytest.mark.parametrize("what", ["EXIF", "profile"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_metadata_leaves_the_pixels_as_they_are(kind, what):
    whole, metadata = with_metadata(kind, what)
    sound = read(whole)
    upright = np.rot90(sound) if what == "EXIF" else sound
    start = whole.index(metadata)
    for place in range(start, start + len(metadata), 1 + len(metadata) // 150):
        data = bytearray(whole)
        data[place] ^= 0xFF
        found = read(bytes(data))
        assert np.array_equal(found, sound) or np.array_equal(found, upright)


def test_a_png_of_a_long_comment_is_read_and_one_of_damaged_pixels_is_not():
    from PIL import PngImagePlugin

    texts = PngImagePlugin.PngInfo()
    texts.add_text("history", "a" * 2**21, zip=True)
    whole = saved(PICTURE, "PNG", pnginfo=texts)
    assert np.array_equal(read(whole), COLOR)
    place = whole.index(b"IDAT") + 20
    assert "it cannot be read as an image" in refused(
        whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]
    )


# What would take gigabytes or minutes


@pytest.mark.parametrize("most", [None, 10**12])
def test_the_limit_of_pixels_is_the_zoos_own(monkeypatch, most):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    assert np.array_equal(read(encoded(GRAY)), GRAY)
    assert refused(b"P5 100000 100000 255\n" + bytes(100)) == (
        "it cannot be read as an image: Image size (100000 x 100000) exceeds the limit of "
        "89,478,485 pixels."
    )
    assert most == Image.MAX_IMAGE_PIXELS


def test_a_jpeg_of_hundreds_of_scans_is_refused_and_a_film_behind_it_is_none(monkeypatch):
    monkeypatch.setattr("zoo.data.sources.image_files.MAX_SCANNED", GRAY.size * 20)
    whole = saved(PICTURE, "JPEG", progressive=True)
    scans = [found.start() for found in re.finditer(b"\xff\xda", whole)]
    assert len(scans) == 10
    sound = read(whole)
    assert np.array_equal(read(whole + b"\xff\xda" * 99), sound)
    last = whole[scans[-1] : -2]
    assert read(whole[:-2] + last * 10 + whole[-2:]).shape == sound.shape
    message = refused(whole[:-2] + last * 11 + whole[-2:])
    assert "Image size (32 x 24) times its 21 scans exceeds the limit of 15,360" in message
