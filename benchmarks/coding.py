"""Sizes and speed of losslessly compressed images, beside the models' own bounds and other codecs.

    python benchmarks/coding.py [--models NAME ...] [--limit N] [--split test]

MNIST, each pixel drawn once by the protocol `binarized`, compressed by each model, decompressed and compared.
Bits per dimension are of whole files; the payload's share is over minus the ELBO, 16 samples an image, of the
same images. Other codecs compress the same images, a bit for each pixel: PNG and WebP (lossless) as one mosaic,
zlib, xz, bzip2. Seconds are of the clock, one thread.
"""

from __future__ import annotations

import argparse
import bz2
import hashlib
import io
import lzma
import math
import time
import zlib

import numpy as np
import torch
from comparison import print_setting, print_table
from PIL import Image

import zoo
from zoo.compressing import opened
from zoo.data import load_examples, shown_in_testing

SAMPLES = 16


def main() -> None:
    """Compresses with each model and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["vae-mnist-20", "hierarchical-vae-mnist"])
    parser.add_argument("--limit", type=int, default=10_000, help="images  [default: 10,000]")
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print_setting()
    gray = load_examples("mnist", options.split).first(options.limit)
    images = (shown_in_testing(gray, "binarized") * 255).to(torch.uint8)
    print(
        f"{len(images):,} images, sha256 {hashlib.sha256(images.numpy().data).hexdigest()[:12]}...\n"
    )
    rows = [_row(name, images) for name in options.models]
    names = (
        "model",
        "bits/dim",
        "bytes",
        "header",
        "bound",
        "payload / bound",
        "to/s",
        "from/s",
        "equal",
    )
    print_table(names, rows)
    print_table(("codec", "bits/dim", "bytes"), _others(images))


def _row(name: str, images: torch.Tensor) -> list[str]:
    model = zoo.load(name)
    assert isinstance(model, zoo.VariationalAutoencoder)
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
        name,
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
    with torch.no_grad():
        parts = [model.elbo(part / 255, samples=SAMPLES).sum().item() for part in images.split(250)]
    return -sum(parts) / math.log(2)


def _others(images: torch.Tensor) -> list[list[str]]:
    pixels = images.numpy()[:, 0] > 127
    bits = np.packbits(pixels.reshape(len(pixels), -1), axis=1).tobytes()
    side = math.ceil(math.sqrt(len(pixels)))
    padded = np.zeros((side * side, *pixels.shape[1:]), bool)
    padded[: len(pixels)] = pixels
    rows = padded.reshape(side, side, *pixels.shape[1:]).swapaxes(1, 2)
    mosaic = Image.fromarray(rows.reshape(side * pixels.shape[1], -1))
    found = {
        "PNG, one mosaic": _saved(mosaic, "PNG", optimize=True),
        "WebP lossless, one mosaic": _saved(mosaic.convert("L"), "WEBP", lossless=True, method=6),
        "xz -9e": len(lzma.compress(bits, preset=9 | lzma.PRESET_EXTREME)),
        "bzip2 -9": len(bz2.compress(bits, 9)),
        "zlib -9": len(zlib.compress(bits, 9)),
        "a bit a pixel": len(bits),
    }
    return [[name, f"{8 * size / pixels.size:.4f}", f"{size:,}"] for name, size in found.items()]


def _saved(image: Image.Image, format: str, **how) -> int:
    file = io.BytesIO()
    image.save(file, format, **how)
    return file.tell()


if __name__ == "__main__":
    main()
