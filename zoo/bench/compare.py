"""Models beside each other on the same images under one reconstruction protocol."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.bench.ranks import SURE
from zoo.errors import InputError
from zoo.evaluation.extractors import Extractor
from zoo.evaluation.measure import mean_of
from zoo.evaluation.prepared import PreparedImages
from zoo.evaluation.reconstruction import Measured, measure_reconstructions, reconstruct_levels
from zoo.models import Autoencoder
from zoo.specs.reconstruction import Reconstructions

SHOWN = 3
"""Images of each kind in the picture: typical ones, and the worst."""
SIDE = 128
"""Most pixels of a crop's side in it."""
GAP = 4
HEADING = 16
"""Pixels above the columns, for what they are."""
MOST_LETTERS = 20


@dataclass(frozen=True)
class Row:
    """A model in the table."""

    rank: int | None
    """1, and 1 more for every model whose PSNR is higher by two standard errors of the difference; None
    of a single image, where there is no such error."""
    numbers: Reconstructions


@dataclass(frozen=True)
class Comparison:
    """Models by PSNR, the best first, and a picture."""

    rows: tuple[Row, ...]
    picture: bytes
    """PNG: a row an image, crops of the original and of each model's reconstruction in the order given,
    which stands above them."""
    shown: tuple[str, ...]
    """What the picture's images are called: typical ones, then the worst."""


def compare_models(
    sources: Sequence[str],
    load: Callable[[str], Autoencoder],
    images: PreparedImages,
    *,
    limit: int | None = None,
    extractor: Extractor | None = None,
    device: torch.device | None = None,
    on_progress: Callable[[str], object] = lambda text: None,
) -> Comparison:
    """Measures each model on the same images, and draws some of them.

    Raises what `measure_reconstructions` does; InputError for fewer than one model.
    """
    if not sources:
        raise InputError("There is no model to compare.")
    models, measured = [], []
    for source in sources:
        on_progress(f"measuring {source} ...")
        models.append(load(source))
        measured.append(
            measure_reconstructions(
                models[-1], images, name=source, limit=limit, extractor=extractor, device=device
            )
        )
    for one in measured[1:]:
        if why := measured[0].summary.ground.differs(one.summary.ground):
            raise InputError(f"{sources[0]} and {one.summary.model} do not compare: {why}.")
    rows = sorted(
        (Row(_rank(one, measured), one.summary) for one in measured),
        key=lambda row: -row.numbers.psnr,
    )
    images = images.for_channels(models[0].spec.input_shape[0])
    numbers = _chosen(torch.stack([one.per_image["psnr"] for one in measured]).mean(0))
    picture = _picture(sources, models, images, numbers)
    return Comparison(tuple(rows), picture, tuple(images.key(number) for number in numbers))


def _rank(one: Measured, every: Sequence[Measured]) -> int | None:
    better = 0
    for other in every:
        if other is not one:
            apart, error = mean_of(other.per_image["psnr"] - one.per_image["psnr"])
            if error is None:
                return None
            better += apart > 0 and apart >= SURE * error
    return 1 + better


def _chosen(psnr: Tensor) -> list[int]:
    """Numbers of typical images, nearest the median, and of the worst: by PSNR `(N,)`."""
    order = psnr.argsort().tolist()
    some = min(SHOWN, len(order))
    worst = order[:some]
    middle = [n for n in order[max(0, len(order) // 2 - some // 2) :] if n not in worst][:some]
    return [*middle, *worst]


def _picture(
    sources: Sequence[str],
    models: Sequence[Autoencoder],
    images: PreparedImages,
    numbers: list[int],
) -> bytes:
    """A row for each image: the middle of it, and of each model's reconstruction."""
    from PIL import Image, ImageDraw

    rows = []
    for number in numbers:
        pixels = images.one(number)
        shown = [pixels.float() / 255]
        with torch.inference_mode():
            for model in models:
                y, _ = reconstruct_levels(model, pixels, images.protocol, images.title(number))
                shown.append(y.float())
        rows.append([_crop(one) for one in shown])
    high = [max(one.shape[1] for one in row) for row in rows]
    wide = max(one.shape[2] for row in rows for one in row)
    columns = len(models) + 1
    tall = HEADING + sum(high) + GAP * (len(rows) - 1)
    sheet = torch.ones(3, tall, columns * (wide + GAP) - GAP)
    top = HEADING
    for row, height in zip(rows, high, strict=True):
        for column, one in enumerate(row):
            left = column * (wide + GAP)
            sheet[:, top : top + one.shape[1], left : left + one.shape[2]] = one
        top += height + GAP
    levels = (sheet * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    drawn = Image.fromarray(levels)
    pen = ImageDraw.Draw(drawn)
    for column, name in enumerate(["original", *sources]):
        pen.text((column * (wide + GAP), 1), name[-MOST_LETTERS:], fill="black")
    drawn.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _crop(image: Tensor) -> Tensor:
    """The middle of an image `(C, H, W)` in [0, 1], in color; a small one enlarged by a whole factor."""
    image = image.expand(3, -1, -1)
    down, across = (max(0, (side - SIDE) // 2) for side in image.shape[1:])
    image = image[:, down : down + SIDE, across : across + SIDE]
    factor = max(1, SIDE // max(image.shape[1:]))
    return image.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
