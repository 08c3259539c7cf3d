"""The measurements: each takes a float32 model and images, and gives a number per image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.data import as_grey
from zoo.evaluation.noise import IMPORTANCE_STREAM, elbo_noise, image_noise
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.models.variational import VALUES_AT_ONCE
from zoo.registry import families
from zoo.specs.metrics import OwnNumber

IMAGES_AT_ONCE = 500


class Mean(NamedTuple):
    """A mean over images and its standard error."""

    value: float
    error: float


def mean_of(values: Tensor) -> Mean:
    """Mean and standard error of one number per image `(N,)`, in float64."""
    values = values.double()
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Mean(values.mean().item(), error)


def measure_elbo(
    model: VariationalAutoencoder, shown: Tensor, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The negative ELBO's terms of each image `(N, C, H, W)`, at beta = 1.

    Returns the one-sample reconstruction and the closed-form KL, `(N,)` in nats, and the
    posterior means, `(N, d)`.
    """
    device = model.device
    reconstructions, kls, codes = [], [], []
    first = 0
    for batch in shown.split(_batch(model)):
        noise = elbo_noise(seed, first, len(batch), model.latent_shape).to(device)
        x = batch.to(device)
        reconstruction, kl = model.elbo_terms(x, noise)
        reconstructions.append(reconstruction.cpu())
        kls.append(kl.cpu())
        codes.append(model._encode(x).flatten(1).cpu())
        first += len(batch)
    return torch.cat(reconstructions), torch.cat(kls), torch.cat(codes)


def measure_nll(
    model: VariationalAutoencoder,
    shown: Tensor,
    seed: int,
    samples: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """Minus the importance-weighted bound with K = `samples` of each image, `(N,)`, float64."""
    device = model.device
    bounds = []
    for image, x in enumerate(shown.split(1)):
        noise = image_noise(seed, image, samples, model.latent_shape, IMPORTANCE_STREAM)
        bounds.append(model.importance_bound(x.to(device), noise[:, None].to(device)).cpu())
        on_progress(image + 1)
    return -torch.cat(bounds)


def measure_likelihood(model: Autoencoder, shown: Tensor) -> Tensor | None:
    """-log p(x | encode(x)) of each image, `(N,)` in nats; None for a family without a likelihood."""
    likelihood = getattr(model, "_likelihood", None)
    if likelihood is None:
        return None
    device = model.device
    parts = []
    for batch in shown.split(_batch(model)):
        x = batch.to(device)
        parts.append(-likelihood(model._encode(x)).log_prob(x).cpu())
    return torch.cat(parts)


def measure_reconstruction(model: Autoencoder, pixels: Tensor) -> dict[str, Tensor]:
    """Errors of `decode(encode(x))` of grey images, given as levels `(N, C, H, W)` uint8.

    MSE per pixel value and PSNR in dB of each, `(N,)`, and SSIM where images are large enough.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    device = model.device
    wide = min(model.spec.image_shape[1:]) >= 11
    mse, psnr, ssim = [], [], []
    for batch in pixels.split(_batch(model)):
        x = as_grey(batch.to(device))
        y = model._decode(model._encode(x))
        mse.append((y - x).square().flatten(1).mean(1).cpu())
        psnr.append(
            peak_signal_noise_ratio(y, x, data_range=1.0, reduction="none", dim=(1, 2, 3)).cpu()
        )
        if wide:
            similarity = structural_similarity_index_measure(
                y, x, data_range=1.0, kernel_size=11, sigma=1.5, reduction="none"
            )
            ssim.append(torch.as_tensor(similarity).cpu())
    parts = {"mse": mse, "psnr": psnr} | ({"ssim": ssim} if wide else {})
    return {name: torch.cat(values) for name, values in parts.items()}


def measure_own(model: Autoencoder, pixels: Tensor) -> dict[str, OwnNumber]:
    """A family's own numbers of grey images, given as levels `(N, C, H, W)` uint8.

    Raises PluginError where the family fails to give them.
    """
    if not model.own_metrics:
        return {}
    device = model.device
    batches = (as_grey(batch.to(device)) for batch in pixels.split(_batch(model)))
    with families.guarded(model, "failed to measure its own metrics"):
        given = {name: float(value) for name, value in model._measure(batches).items()}
        if given.keys() != model.own_metrics.keys():
            wanted = ", ".join(model.own_metrics)
            raise ValueError(
                f"_measure(self, batches) gives {list(given)}; own_metrics names {wanted}"
            )
        if not all(map(math.isfinite, given.values())):
            raise ValueError(f"these are not all finite: {given}")
    return {
        name: OwnNumber(value=given[name], unit=unit) for name, unit in model.own_metrics.items()
    }


def active_units(codes: Tensor) -> int:
    """Latents whose posterior mean varies over the data by more than 0.01 (Burda et al. 2016)."""
    return int((codes.double().var(0) > 0.01).sum()) if len(codes) > 1 else 0


def _batch(model: Autoencoder) -> int:
    """Images at once: bounded memory for any image size."""
    return max(1, min(IMAGES_AT_ONCE, VALUES_AT_ONCE // model.spec.pixels))
