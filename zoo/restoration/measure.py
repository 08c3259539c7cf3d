"""Restored images, measured under a protocol; and what a model knows of missing pixels."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.data.corruptions import corrupted_by_number
from zoo.distributions.values import log_prob_where
from zoo.errors import InputError
from zoo.evaluation.measure import mean_of
from zoo.evaluation.reconstruction import errors_of
from zoo.models import VariationalAutoencoder
from zoo.restoration.conditional import conditional_draws, seeded
from zoo.specs.restoration import STEPS, RestorationProtocol


@dataclass(frozen=True)
class Restorations:
    """Means over images, each with its standard error."""

    protocol: str
    """Identity of the protocol."""
    n_examples: int
    sha256: str
    """Of the corrupted images: float32, little endian, one after the other."""
    mse: float
    mse_se: float | None
    psnr: float
    psnr_se: float | None
    ssim: float
    """NaN for images of less than 11 pixels a side."""
    seconds_per_megapixel: float
    psnrs: tuple[float, ...]
    """Of each image."""
    missing_psnr: float | None
    """The mean PSNR of the missing pixels alone, where the protocol has masks, else None."""


def corrupted_images(
    images: Iterable[Tensor], protocol: RestorationProtocol
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images `(C, H, W)` uint8 of any sizes, each with its corrupted one, `(C, H, W)` float32."""
    for number, pixels in enumerate(images):
        x = pixels[None].float() / 255
        y = corrupted_by_number(x, protocol.corruption, [number], protocol.seed, epoch=0)
        if protocol.clipping or protocol.rounding == "uint8":
            y = y.clamp(0, 1)
        if protocol.rounding == "uint8":
            y = (y * 255).round() / 255
        yield pixels, y[0]


def missing_pixels(size: Sequence[int], number: int, protocol: RestorationProtocol) -> Tensor:
    """Which pixels of image `number` the protocol's masks hide: bool `(1, H, W)`, of `(C, H, W)`."""
    if not protocol.only_hides:
        raise InputError(f"Missing pixels are of masks alone, not of {protocol.title}.")
    white = torch.ones(1, *size)
    return corrupted_by_number(white, protocol.corruption, [number], protocol.seed, 0)[0, :1] == 0


def measure_restorations(
    restore: Callable[[Tensor], Tensor], images: Iterable[Tensor], protocol: RestorationProtocol
) -> Restorations:
    """How close restored images are to the uncorrupted ones.

    Args:
        restore: maps a corrupted image `(C, H, W)` float32, perhaps outside [0, 1], to a restored one, which
            is clipped to [0, 1].
        images: `(C, H, W)` uint8, of any sizes.
        protocol: how they are corrupted.

    Raises InputError without images.
    """
    rows, hashed, seconds, pixels_seen = [], hashlib.sha256(), 0.0, 0
    of_missing = []
    for number, (pixels, y) in enumerate(corrupted_images(images, protocol)):
        hashed.update(y.contiguous().numpy().astype("<f4").data)
        begun = time.perf_counter()
        restored = restore(y).float().cpu().clamp(0, 1)
        seconds += time.perf_counter() - begun
        pixels_seen += pixels[0].numel()
        rows.append(errors_of(pixels, restored, "off"))
        if protocol.only_hides:
            hidden = missing_pixels(pixels.shape, number, protocol)[0]
            if hidden.any():
                of_missing.append(
                    errors_of(pixels[:, hidden, None], restored[:, hidden, None], "off")[1]
                )
    if not rows:
        raise InputError("There are no images to restore.")
    mse, psnr, ssim = torch.tensor(rows, dtype=torch.float64).unbind(1)
    return Restorations(
        protocol.identity,
        len(rows),
        hashed.hexdigest(),
        *mean_of(mse),
        *mean_of(psnr),
        ssim.mean().item(),
        seconds / pixels_seen * 1e6,
        tuple(psnr.tolist()),
        sum(of_missing) / len(of_missing) if of_missing else None,
    )


def nrmse(drawn: np.ndarray, x: np.ndarray, missing: np.ndarray, scale: np.ndarray) -> float:
    """Root mean squared error of imputed values, in units of the columns' standard deviations.

    Args:
        drawn: `(draws, N, D)`, complete rows; their mean is the imputed value.
        x: `(N, D)`, the true ones.
        missing: bool `(N, D)`: what was hidden.
        scale: `(D,)`, each column's standard deviation in the training rows.
    """
    errors = (drawn.mean(0) - x) / scale
    return float(np.sqrt(np.square(errors[missing]).mean()))


def missing_nats(
    model: VariationalAutoencoder,
    x: Tensor,
    missing: Tensor,
    *,
    samples: int,
    steps: int = STEPS,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """-log p(missing | observed) and -log p(missing) of each example: `(N,)` each, in nats.

    From importance-weighted bounds on log p(x), log p(observed) and log p(missing): an estimate, which
    converges as `samples` grows. Compare two numbers of samples, as `benchmarks/restoration.py` does.

    Args:
        model: in eval mode.
        x: standardized examples `(N, *input_shape)`, whole.
        missing: bool, of the same shape.
        samples: importance weights, and chains, of each bound.
        steps: of a chain.
        seed: of all random numbers.
    """
    how = {"samples": samples, "steps": steps, "seed": seed}
    whole = partial_bound(model, x, torch.ones_like(missing), **how)
    observed = partial_bound(model, x, ~missing, **how)
    return observed - whole, -partial_bound(model, x, missing, **how)


def partial_bound(
    model: VariationalAutoencoder,
    x: Tensor,
    observed: Tensor,
    *,
    samples: int,
    steps: int = STEPS,
    seed: int = 0,
) -> Tensor:
    """An importance-weighted bound on log p of the observed values of each example, `(N,)` in nats, float64.

    Codes are from q(z | x), where the missing values of x come from independent chains of
    `conditional_draws`, one for each code. Args as of `missing_nats`.
    """
    drawn = x.expand(samples, *x.shape)
    if not observed.all():
        how = {"samples": samples, "steps": steps, "seed": seed}
        drawn = conditional_draws(model, x, ~observed, **how).drawn  # (K, N, *input_shape)
    bounds = []
    with torch.inference_mode(), seeded(model.device, seed + 1):
        prior = model.prior()
        for number in range(len(x)):
            posterior = model._posterior(drawn[:, number])
            z = posterior.sample()  # (K, *latent_shape)
            seen = observed[number].expand(samples, *x.shape[1:])
            fit = log_prob_where(model._likelihood(z), x[number].expand_as(seen), seen)
            weights = (fit + prior.log_prob(z) - posterior.log_prob(z)).cpu().double()
            bounds.append(weights.logsumexp(0, keepdim=True) - math.log(samples))
    return torch.cat(bounds)
