"""The measurements: each takes a float32 model and images, and gives a number per image."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.data import as_grey
from zoo.evaluation.noise import IMPORTANCE_STREAM, elbo_noise, image_noise
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.models.variational import VALUES_AT_ONCE
from zoo.registry import families
from zoo.specs.metrics import OwnNumber

IMAGES_AT_ONCE = 500


def mean_of(values: Tensor) -> tuple[float, float]:
    """Mean and standard error of one number per image `(N,)`, in float64."""
    values = values.double()
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return values.mean().item(), error


def measure_elbo(model: VariationalAutoencoder, shown: Tensor, seed: int) -> dict[str, Tensor]:
    """The negative ELBO's terms of each image `(N, C, H, W)`, at beta = 1.

    The one-sample "reconstruction" and the closed-form "kl", `(N,)` in nats, and the posterior
    means as "codes", `(N, d)`.
    """

    def terms(x: Tensor, first: int) -> dict[str, Tensor]:
        noise = elbo_noise(seed, first, len(x), model.latent_shape).to(x.device)
        reconstruction, kl = model.elbo_terms(x, noise)
        return {"reconstruction": reconstruction, "kl": kl, "codes": model._encode(x).flatten(1)}

    return _per_image(model, shown, terms)


def measure_nll(model: VariationalAutoencoder, shown: Tensor, seed: int, samples: int) -> Tensor:
    """Minus the importance-weighted bound with K = `samples` of each image, `(N,)`, float64."""
    device = model.device
    bounds = []
    for image, x in enumerate(shown.split(1)):
        noise = image_noise(seed, image, samples, model.latent_shape, IMPORTANCE_STREAM)
        bounds.append(model.importance_bound(x.to(device), noise[:, None].to(device)).cpu())
    return -torch.cat(bounds)


def measure_likelihood(model: Autoencoder, shown: Tensor) -> dict[str, Tensor]:
    """-log p(x | encode(x)) of each image as "reconstruction", `(N,)` in nats.

    Nothing for a family without a likelihood.
    """
    likelihood = getattr(model, "_likelihood", None)
    if likelihood is None:
        return {}
    return _per_image(
        model, shown, lambda x, _: {"reconstruction": -likelihood(model._encode(x)).log_prob(x)}
    )


def measure_reconstruction(model: Autoencoder, pixels: Tensor) -> dict[str, Tensor]:
    """Errors of `decode(encode(x))` of grey images, given as levels `(N, C, H, W)` uint8.

    MSE per pixel value and PSNR in dB of each, `(N,)`, and SSIM where images are large enough.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    def errors(levels: Tensor, _: int) -> dict[str, Tensor]:
        x = as_grey(levels)
        y = model._decode(model._encode(x))
        psnr = peak_signal_noise_ratio(y, x, data_range=1.0, reduction="none", dim=(1, 2, 3))
        found = {"mse": (y - x).square().flatten(1).mean(1), "psnr": psnr}
        if min(model.spec.image_shape[1:]) >= 11:
            ssim = structural_similarity_index_measure(
                y, x, data_range=1.0, kernel_size=11, sigma=1.5, reduction="none"
            )
            found["ssim"] = torch.as_tensor(ssim)
        return found

    return _per_image(model, pixels, errors)


def _per_image(
    model: Autoencoder, images: Tensor, measure: Callable[[Tensor, int], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """What `measure` gives of batches on the model's device and their first image's number, joined."""
    size = _batch(model)
    batches = enumerate(images.split(size))
    parts = [measure(batch.to(model.device), n * size) for n, batch in batches]
    return {name: torch.cat([part[name].cpu() for part in parts]) for name in parts[0]}


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
