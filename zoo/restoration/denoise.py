"""Denoising by a model: its reconstruction, or its posterior mean by importance weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.registry import families
from zoo.restoration.conditional import seeded
from zoo.restoration.noise import estimate_sigma
from zoo.restoration.tiles import in_tiles
from zoo.specs.restoration import TILE


def denoised(
    model: Autoencoder,
    x: Tensor,
    *,
    sigma: float | None = None,
    strength: float = 1.0,
    samples: int = 0,
    tile: int = TILE,
    seed: int = 0,
) -> Tensor:
    """Images without their noise, `(N, C, H, W)` float32 in [0, 1], on the CPU.

    Args and errors as of `zoo.denoise`, but for a source.
    """
    check_fits(model, tuple(x.shape[1:]))
    apart = is_by_channel(model, x.shape[1])
    seen = x.flatten(0, 1)[:, None] if apart else x
    if samples:
        clean = _posterior_means(model, seen, sigma, samples, seed)
    else:
        clean = reconstructed(model, seen, tile)
    clean = clean.view_as(x) if apart else clean
    noisy = x.detach().cpu().float()
    return torch.lerp(noisy, clean, strength).clamp(0, 1)


def reconstructed(model: Autoencoder, x: Tensor, tile: int = TILE) -> Tensor:
    """`decode(encode(x))` of images `(N, C, H, W)` of any values, and of any size where the model takes it: on the CPU."""

    def compute(part: Tensor) -> Tensor:
        return model._decode(model._encode(model.standardized(part)))

    with torch.inference_mode(), families.guarded(model, "failed to denoise"):
        if model.spec.stride:
            reach = model.spec.reach
            side, margin = (max(x.shape[-2:]), 0) if reach is None else (tile, reach)
            return in_tiles(compute, x, model.spec.stride, side, margin)
        return torch.cat([compute(part).float().cpu() for part in x.split(64)])


def is_by_channel(model: Autoencoder, channels: int) -> bool:
    """Whether a gray model sees each channel of color images as an image."""
    return model.spec.input_shape[0] == 1 < channels


def check_fits(model: Autoencoder, shape: tuple[int, ...]) -> None:
    """Raises InputError for a model of other images: of other channels, or of one other size."""
    domain = model.spec.domain
    if not domain.is_image:
        raise InputError(f"Denoising is for images; this model takes {domain}.")
    channels, *size = model.spec.input_shape
    if channels not in (1, shape[0]):
        raise InputError(
            f"This model takes {channels} channels; the images have {shape[0]}. A gray model runs on each "
            "channel of any image."
        )
    if not model.spec.stride and tuple(shape[1:]) != tuple(size):
        raise InputError(
            f"This model takes images of {size[0]} x {size[1]} alone; got {shape[1]} x {shape[2]}. "
            "Models of the family 'unet' take any size."
        )


def _posterior_means(
    model: Autoencoder, y: Tensor, sigma: float | None, samples: int, seed: int
) -> Tensor:
    """E[decode(z) | y] for y = decode(z) + noise of a known sigma, by self-normalized importance weights.

    Codes are drawn from q(z | y) and weighted by N(y; decode(z), sigma^2) p(z) / q(z | y).
    """
    if not isinstance(model, VariationalAutoencoder):
        raise InputError(
            f"samples need a posterior, which {type(model).__name__} has not: leave them out."
        )
    if not model.spec.takes(tuple(y.shape[1:])) or model.spec.stride:
        raise InputError("samples are for images of the model's own size: leave them out.")
    means, guard = [], families.guarded(model, "failed to denoise")
    with torch.inference_mode(), seeded(model.device, seed), guard:
        prior = model.prior()
        for one in model.standardized(y).split(1) if len(y) else ():
            level = float(estimate_sigma(one)[0]) if sigma is None else sigma
            if math.isnan(level):
                raise InputError(
                    "The noise of images of less than 16 pixels a side cannot be estimated: give sigma."
                )
            posterior = model._posterior(one)
            z = posterior.sample(torch.Size([samples]))  # (K, 1, *latent_shape)
            decoded = model._decode(z).float()  # (K, 1, C, H, W)
            fit = -(one - decoded).square().flatten(2).sum(2) / (2 * max(level, 1 / 255) ** 2)
            nats = fit + prior.log_prob(z) - posterior.log_prob(z)  # (K, 1)
            weights = torch.softmax(nats.cpu().double(), 0).float().to(decoded.device)
            means.append((weights[..., None, None, None] * decoded).sum(0).cpu())
    return torch.cat(means) if means else torch.zeros(y.shape)
