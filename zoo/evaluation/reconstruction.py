"""A model's reconstructions measured under a protocol: the same numbers from any number of processes."""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data import as_gray
from zoo.errors import InputError
from zoo.evaluation.extractors import Extractor, squared
from zoo.evaluation.frechet import Moments, frechet_distance
from zoo.evaluation.measure import check_finite, exact_float32, mean_of
from zoo.evaluation.prepared import PreparedImages, digest, padded
from zoo.evaluation.tiles import check_tile, decode_tiled, encode_tiled
from zoo.models import Autoencoder
from zoo.registry import families
from zoo.runtime import processes
from zoo.specs.reconstruction import ReconstructionProtocol, Reconstructions

MOST_DB = 100.0
"""PSNR of a perfect reconstruction, and of one so near."""
METRICS = ("mse", "psnr", "ssim")
LEAST_SIDE = 11
"""Of an image that SSIM's window fits into."""
C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants, for values in [0, 1]."""
_GAUSSIAN = [math.exp(-(offset**2) / (2 * 1.5**2)) for offset in range(-5, 6)]
WINDOW = [weight / sum(_GAUSSIAN) for weight in _GAUSSIAN]
"""Of SSIM along one side: its window is the product of two."""
VALUES_IN_BAND = 2**16
"""Values of a channel that are scored at once: few enough to stay in a processor's cache."""


@dataclass(frozen=True)
class Measured:
    """A model's numbers, and those of each image."""

    summary: Reconstructions
    per_image: dict[str, Tensor] = field(repr=False)
    """`mse`, `psnr` and `ssim`, `(N,)` float64."""


def measure_reconstructions(
    model: Autoencoder,
    images: PreparedImages,
    *,
    name: str = "",
    limit: int | None = None,
    extractor: Extractor | None = None,
    device: torch.device | None = None,
) -> Measured:
    """Encodes and decodes images one at a time, in float32, and scores each.

    Args:
        model: any model whose images have the protocol's channels; it is not changed.
        images: under a protocol; color `auto` becomes the model's.
        name: what to call the model; empty is where it came from.
        limit: the first so many images only.
        extractor: a network in whose features distances are taken too.
        device: where it computes; None is where the model is.

    Raises:
        InputError: for a model of rows or series, images of a size that the model does not take, and a
            limit below 1.
        DataError: for images that are damaged or too small.
    """
    check_is_of_images(model)
    if limit is not None and limit < 1:
        raise InputError(f"limit is a number of images, 1 or more; got {limit}.")
    device = device or model.device
    measured = model
    if model.training or (model.dtype, model.device) != (torch.float32, device):
        measured = copy.deepcopy(model).to(device=device, dtype=torch.float32).eval()
    images = images.for_channels(model.spec.input_shape[0])
    count = min(len(images), limit or len(images))
    mine = range(processes.index(), count, processes.count())
    found: list[_One] = []
    seen: tuple[Moments, ...] = ()
    with torch.inference_mode(), exact_float32():
        for number in mine:
            pixels = images.one(number)
            title = images.title(number)
            one, features = _measure(measured, pixels, images.protocol, title, extractor)
            found.append(one)
            if features is None:
                continue
            seen = seen or (Moments(features.shape[1]), Moments(features.shape[1]))
            for moments, own in zip(seen, _of_width(features, seen[0], title), strict=True):
                moments.add(own)
    shares = processes.gathered(found)
    every = [shares[n % len(shares)][n // len(shares)] for n in range(count)]
    values = torch.tensor([row.numbers for row in every], dtype=torch.float64)  # (N, 3)
    digests = [row.digest for row in every]
    per_image: dict[str, Tensor] = dict(zip(METRICS, values.unbind(1), strict=True))
    small = int(sum(row.is_small for row in every))
    if small:
        del per_image["ssim"]
    check_finite(per_image, images.key, model.spec.domain)
    if extractor:
        distances = torch.tensor([row.distance for row in every], dtype=torch.float64)
        check_finite({"feature_distance": distances}, images.key, model.spec.domain)
    means = {metric: mean_of(numbers) for metric, numbers in per_image.items()}
    info = model.info
    summary = Reconstructions(
        model=name or (info.origin if info else type(model).__name__),
        family=info.family if info else families.title_of(model),
        weights_sha256=info.sha256 if info else "",
        dataset=images.dataset,
        split=images.split,
        protocol=images.protocol,
        protocol_id=images.protocol.identity,
        n_examples=count,
        n_distinct=len(set(digests)),
        n_small=small,
        images_sha256=hashlib.sha256(b"".join(digests)).hexdigest(),
        mse=means["mse"][0],
        mse_se=means["mse"][1],
        psnr=means["psnr"][0],
        psnr_se=means["psnr"][1],
        ssim=means["ssim"][0] if "ssim" in means else None,
        ssim_se=means["ssim"][1] if "ssim" in means else None,
        values_per_pixel=sum(row.values for row in every) / sum(row.pixels for row in every),
        parameters=sum(p.numel() for p in model.parameters()),
        seconds_per_image=statistics.median(
            row.seconds for row in every[processes.count() :] or every
        ),
        **(_in_features(extractor, every, seen) if extractor else {}),
    )
    return Measured(summary, per_image)


def check_is_of_images(model: Autoencoder) -> None:
    """Raises InputError for a model of rows or series."""
    domain = model.spec.domain
    if not domain.is_image:
        raise InputError(
            f"Reconstruction protocols are for images, and this model is of {domain}: `zoo eval`, "
            "zoo.evaluate, measures the error of their reconstructions."
        )


def reconstruct_levels(
    model: Autoencoder, pixels: Tensor, protocol: ReconstructionProtocol, title: str
) -> tuple[Tensor, Tensor]:
    """The reconstruction of an image `(C, H, W)` uint8, `(C, H, W)` in [0, 1], and its code."""
    x = padded(pixels[None].to(model.device).float() / 255, model.spec.stride, protocol, title)
    if not model.spec.takes(tuple(x.shape[1:])):
        wanted = " x ".join(map(str, model.spec.input_shape))
        raise InputError(
            f"{title} is {' x '.join(map(str, x.shape[1:]))} under the protocol {protocol.words}; "
            f"the model takes {wanted}."
        )
    check_tile(model, protocol.tile)
    with families.guarded(model, "failed to reconstruct an image"):
        z = encode_tiled(model, x, protocol.tile)
        y = decode_tiled(model, z, protocol.tile)
    return y[0, :, : pixels.shape[1], : pixels.shape[2]], z[0]


@dataclass(frozen=True)
class _One:
    """What is kept of one image."""

    numbers: list[float]
    """MSE, PSNR and SSIM."""
    digest: bytes
    is_small: bool
    """Too small for SSIM."""
    seconds: float
    values: int
    """Numbers in its code."""
    pixels: int
    distance: float
    """By the extractor; NaN without one."""


def _of_width(features: Tensor, moments: Moments, title: str) -> Tensor:
    """Features, if there are as many as of the images before. Raises InputError."""
    if features.shape[1] != len(moments.mean):
        raise InputError(
            f"The extractor gives {features.shape[1]:,} numbers of {title}, and {len(moments.mean):,} of "
            "the images before it, which are of another size: choose a protocol that makes all images "
            "of one, such as center-256."
        )
    return features


def _in_features(
    extractor: Extractor, every: list[_One], seen: tuple[Moments, ...]
) -> dict[str, Any]:
    mean, error = mean_of(torch.tensor([one.distance for one in every], dtype=torch.float64))
    if width := max(processes.gathered(len(seen[0].mean) if seen else 0)):
        mine = seen or (Moments(width), Moments(width))  # of a process without an image
        seen = tuple(moments.over_processes() for moments in mine)
    return {
        "extractor": extractor.name,
        "extractor_kind": extractor.kind,
        "extractor_sha256": extractor.sha256,
        "feature_distance": mean,
        "feature_distance_se": error,
        "frechet_distance": frechet_distance(*seen) if seen else None,
    }


def _measure(
    model: Autoencoder,
    pixels: Tensor,
    protocol: ReconstructionProtocol,
    title: str,
    extractor: Extractor | None,
) -> tuple[_One, Tensor | None]:
    """An image's numbers; and its features and its reconstruction's, `(2, d)` float64, if there are any."""
    started = time.perf_counter()
    y, z = reconstruct_levels(model, pixels, protocol, title)
    seconds = time.perf_counter() - started
    distance, found = math.nan, None
    if extractor is not None:
        both = _values(pixels, "off"), _values(y, protocol.rounding)
        seen = torch.from_numpy(np.stack(both)).float()  # (2, C, H, W)
        found = extractor.features(seen)
        apart = extractor.distance(*seen.split(1)) if found is None else squared(*found.split(1))
        distance = apart.item()
    one = _One(
        errors_of(pixels, y, protocol.rounding),
        digest(pixels),
        min(pixels.shape[1:]) < LEAST_SIDE,
        seconds,
        z.numel(),
        pixels[0].numel(),
        distance,
    )
    return one, None if found is None else found.cpu().double()


def measure_batch(model: Autoencoder, levels: Tensor) -> dict[str, Tensor]:
    """Errors of `decode(encode(x))` of a model's own images, `(N, C, H, W)` uint8, as `native` has them.

    MSE, PSNR, and SSIM where images are large enough: `(N,)` float64 each.
    """
    y = model._decode(model._encode(as_gray(levels.to(model.device)))).cpu()
    rows = [errors_of(*pair) for pair in zip(levels.cpu(), y, strict=True)]
    values = torch.tensor(rows, dtype=torch.float64)  # (N, 3)
    found: dict[str, Tensor] = dict(zip(METRICS, values.unbind(1), strict=True))
    if min(levels.shape[2:]) < LEAST_SIDE:
        del found["ssim"]
    return found


def errors_of(pixels: Tensor, y: Tensor, rounding: str = "uint8") -> list[float]:
    """MSE, PSNR and SSIM of a reconstruction `(C, H, W)` of an image `(C, H, W)` uint8.

    The one definition of all three, as a `ReconstructionProtocol` says it: in float64, whatever the
    threads, in the memory of some rows. SSIM is NaN for images that its window does not fit into.
    """
    mse = _mean_over(_squared, 1, pixels, y, rounding)
    psnr = min(-10 * math.log10(mse), MOST_DB) if mse else MOST_DB  # in this order NaN stays NaN
    return [mse, psnr, _ssim(pixels, y, rounding)]


def _ssim(x: Tensor, y: Tensor, rounding: str = "off") -> float:
    """SSIM of two images `(C, H, W)` (Wang et al. 2004, eq. 13); NaN for small ones."""
    if min(x.shape[1:]) < LEAST_SIDE:
        return math.nan
    return _mean_over(_similarity, LEAST_SIDE, x, y, rounding)


def _mean_over(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    window: int,
    x: Tensor,
    y: Tensor,
    rounding: str,
) -> float:
    """The mean of a score of every place of a window in two images, taken in bands of rows."""
    channels, height, width = x.shape
    step = max(1, VALUES_IN_BAND // width)
    sums: list[float] = []
    for channel, top in itertools.product(range(channels), range(0, height - window + 1, step)):
        rows = slice(top, top + step + window - 1)
        scores = score(_values(x[channel, rows], "off"), _values(y[channel, rows], rounding))
        sums += scores.sum(1).tolist()
    return math.fsum(sums) / (channels * (height - window + 1) * (width - window + 1))


def _values(image: Tensor, rounding: str) -> np.ndarray:
    """Levels, or values in [0, 1], as float64 values; rounded to 256 levels, as a file is, if asked.

    By NumPy, which rounds each sum and product alike on any processor and with any threads.
    """
    values = image.double().numpy()
    if image.dtype == torch.uint8:
        return values / 255
    return np.round(values * 255) / 255 if rounding == "uint8" else values


def _squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (y - x) ** 2


def _similarity(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """SSIM wherever its window fits: `(H - 10, W - 10)` of `(H, W)`."""
    mx, my, squares, product = map(_weighted, (x, y, x * x + y * y, x * y))
    means, squared_means = mx * my, mx * mx + my * my
    top = (2 * means + C1) * (2 * (product - means) + C2)
    return top / ((squared_means + C1) * (squares - squared_means + C2))


def _weighted(values: np.ndarray) -> np.ndarray:
    """Means under SSIM's window, which is the product of a row and a column."""
    for places in (values.shape[0] - LEAST_SIDE + 1, values.shape[1] - LEAST_SIDE + 1):
        total = values[:places] * WINDOW[0]
        for start in range(1, LEAST_SIDE):
            total += values[start : start + places] * WINDOW[start]
        values = total.T
    return values
