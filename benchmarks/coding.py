"""Sizes and speed of losslessly compressed images, beside the models' own bounds and other codecs.

    python benchmarks/coding.py [--models NAME ...] [--limit N] [--split test] [--files FILE ...]

Images of the dataset of each model's recipe, or of files, compressed, decompressed and compared: for models of black and
white images each pixel is drawn once by the protocol `binarized`. Bits per dimension are of whole files; the payload's share
is over minus the ELBO of the same images, from 20,000 posterior samples in all. Other codecs compress the same images: PNG, WebP (lossless)
and, with `pip install imagecodecs`, JPEG XL as one mosaic; zlib, xz, bzip2, of binary images a bit for each pixel. Seconds
are of the clock, one thread.
"""

from __future__ import annotations

import argparse
import bz2
import hashlib
import importlib
import io
import lzma
import math
import time
import tomllib
import zlib

import numpy as np
import torch
from comparison import print_setting, print_table
from PIL import Image

import zoo
from zoo.api.compression import opened
from zoo.data import load_examples, open_all, shown_in_testing
from zoo.specs.data import Transform

SAMPLES = 20_000
"""Of the posteriors, for the bound."""
MODELS = ["vae-mnist-20", "hierarchical-vae-mnist"]
COLUMNS = [
    "model",
    "bits/dim",
    "bytes",
    "header",
    "bound",
    "payload / bound",
    "to/s",
    "from/s",
    "equal",
]


def main() -> None:
    """Compresses with each model and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--limit", type=int, default=10_000, help="images  [default: 10,000]")
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument(
        "--files", nargs="+", help="images of files instead of the recipe's dataset"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    print_setting()
    rows, sets = [], {}
    for name in options.models:
        model = zoo.load(name)
        assert isinstance(model, zoo.VariationalAutoencoder)
        images, is_binary = _images(model, options)
        digest = hashlib.sha256(images.numpy().data).hexdigest()[:12]
        sets[digest] = (images, is_binary)
        rows.append([f"{name}, {digest}", *_row(model, images)])
    print_table(COLUMNS, rows)
    for digest, (images, is_binary) in sets.items():
        print(f"\n{len(images):,} images, sha256 {digest}...")
        print_table(("codec", "bits/dim", "bytes"), _others(images, is_binary))


def _images(model: zoo.VariationalAutoencoder, options: argparse.Namespace):
    """uint8 images, and whether they are black and white."""
    shape = model.spec.input_shape
    if options.files:
        found = open_all(options.files, shape=shape, transform=Transform())
        images = next(iter(found.read([torch.arange(min(options.limit, len(found)))])))
    else:
        assert model.info is not None
        assert model.info.recipe is not None
        dataset = tomllib.loads(model.info.recipe)["data"]["dataset"]
        images = load_examples(dataset, options.split, shape=shape).first(options.limit)
    levels = zoo.exact(model).levels
    is_binary = levels is not None and levels.values == "binary"
    if is_binary:
        images = (shown_in_testing(images, "binarized") * 255).to(torch.uint8)
    return images, is_binary


def _row(model: zoo.VariationalAutoencoder, images: torch.Tensor) -> list[str]:
    zoo.compress(model, images[:2])  # makes the tables
    begun = time.perf_counter()
    blob = zoo.compress(model, images)
    to = time.perf_counter() - begun
    begun = time.perf_counter()
    same = zoo.decompress(blob, model=model)
    back = time.perf_counter() - begun
    file, values = opened(blob), images.numel()
    bound = _bound(model, images)
    return [
        f"{8 * len(blob) / values:.4f}",
        f"{len(blob):,}",
        f"{file.header_bytes:,}",
        f"{bound / values:.4f}",
        f"{8 * file.payload_bytes / bound:.4f}",
        f"{len(images) / to:.0f}",
        f"{len(images) / back:.0f}",
        str(torch.equal(same, images)),
    ]


def _bound(model: zoo.VariationalAutoencoder, images: torch.Tensor) -> float:
    """Minus the ELBO of all images, in bits."""
    torch.manual_seed(0)
    samples = math.ceil(SAMPLES / len(images))
    with torch.no_grad():
        parts = [model.elbo(part / 255, samples=samples).sum().item() for part in images.split(250)]
    return -sum(parts) / math.log(2)


def _others(images: torch.Tensor, is_binary: bool) -> list[list[str]]:
    pixels = images.numpy()
    data = (
        np.packbits(pixels.reshape(len(pixels), -1) > 127, axis=1) if is_binary else pixels
    ).tobytes()
    count, channels, height, width = pixels.shape
    side = math.ceil(math.sqrt(count))
    padded = np.zeros((side * side, channels, height, width), np.uint8)
    padded[:count] = pixels
    rows = padded.reshape(side, side, channels, height, width).transpose(0, 3, 1, 4, 2)
    mosaic = rows.reshape(side * height, side * width, channels)
    picture = Image.fromarray(mosaic[..., 0] if channels == 1 else mosaic)
    found = {
        "PNG, one mosaic": _saved(
            picture.convert("1") if is_binary else picture, "PNG", optimize=True
        ),
        "WebP lossless, one mosaic": _saved(picture, "WEBP", lossless=True, method=6, quality=100),
        "xz -9e": len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
        "bzip2 -9": len(bz2.compress(data, 9)),
        "zlib -9": len(zlib.compress(data, 9)),
    }
    try:
        imagecodecs = importlib.import_module("imagecodecs")
    except ImportError:
        print("JPEG XL was not measured: imagecodecs is not installed.")
    else:
        squeezed = mosaic[..., 0] if channels == 1 else mosaic
        best = imagecodecs.jpegxl_encode(squeezed, lossless=True, effort=9)
        found["JPEG XL lossless (effort 9), one mosaic"] = len(best)
    return [[name, f"{8 * size / pixels.size:.4f}", f"{size:,}"] for name, size in found.items()]


def _saved(image: Image.Image, format: str, **how) -> int:
    file = io.BytesIO()
    image.save(file, format, **how)
    return file.tell()


if __name__ == "__main__":
    main()
