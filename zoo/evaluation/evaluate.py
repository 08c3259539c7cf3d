"""A model and images -> Metrics."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from zoo.data import Images, shown_in_testing
from zoo.errors import InputError
from zoo.evaluation.measure import (
    active_units,
    mean_of,
    measure_elbo,
    measure_likelihood,
    measure_nll,
    measure_own,
    measure_reconstruction,
)
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.registry import families
from zoo.specs.base import likelihood_kind
from zoo.specs.metrics import Metrics
from zoo.specs.parts import MLPBody
from zoo.specs.protocols import FITTING, Protocol, check_protocol

NLL_IMAGES = 1000
"""Images behind the importance-weighted bound where a decoder is slow."""


def evaluate_model(
    model: Autoencoder,
    images: Images,
    *,
    protocol: Protocol | None = None,
    nll_samples: int = 0,
    limit: int | None = None,
    seed: int = 0,
    device: torch.device | None = None,
) -> Metrics:
    """Measures a model on one split.

    Args:
        model: any model; it is measured in float32, whatever its dtype, and is not changed.
        images: the split.
        protocol: None is the likelihood's own.
        nll_samples: K of the importance-weighted bound; 0 leaves it out. It is taken on all images
            for fully connected bodies, on the first 1,000 for others.
        limit: measure everything on the first so many images only.
        seed: of the posterior's draws, which are made per image.
        device: where it computes; None is where the model is.

    Raises:
        InputError: for images of another shape, a protocol that does not fit the likelihood, or
            a limit below 1.
    """
    check_shape(model, images)
    kind = likelihood_kind(model.spec)
    if protocol is None:  # an autoencoder's code is measured on grey images
        own_first = FITTING.get(kind, ("grey",))
        protocol = own_first[0 if isinstance(model, VariationalAutoencoder) else -1]
    check_protocol(protocol, kind)
    if limit is not None and limit < 1:
        raise InputError(f"limit is a number of images, 1 or more; got {limit}.")
    if nll_samples < 0:
        raise InputError(f"nll_samples is a number of draws, 0 or more; got {nll_samples}.")
    pixels = images.pixels[:limit]
    shown = shown_in_testing(pixels, protocol)
    device = device or model.device
    measured = model
    if model.training or (model.dtype, model.device) != (torch.float32, device):
        measured = copy.deepcopy(model).to(device=device, dtype=torch.float32).eval()
    guard = families.guarded(model, "failed to be measured")
    with guard, torch.inference_mode(), exact_float32():
        own = measure_own(measured, pixels)
        values = _means(measure_reconstruction(measured, pixels))
        if isinstance(measured, VariationalAutoencoder):
            values |= _bounds(measured, shown, protocol, seed)
            if nll_samples and protocol != "grey":
                cheap = isinstance(getattr(model.spec, "body", None), MLPBody)
                some = shown if cheap else shown[:NLL_IMAGES]
                values |= _means({"nll": measure_nll(measured, some, seed, nll_samples)})
                values |= {"nll_samples": nll_samples, "nll_n_images": len(some)}
        else:
            values |= _means(measure_likelihood(measured, shown))
    return Metrics(
        dataset=images.dataset,
        split=images.split,
        protocol=protocol,
        n_images=len(pixels),
        dataset_sha256=images.sha256,
        seed=seed,
        own=own,
        **values,
    )


def validation_loss(model: Autoencoder, shown: Tensor) -> float:
    """The loss that choices minimise, in nats per image, with fixed noise."""
    with torch.inference_mode(), exact_float32():
        if isinstance(model, VariationalAutoencoder):
            terms = measure_elbo(model, shown, seed=0)
            weight = model.loss_weights.get("kl", 1.0)
            return mean_of(terms["reconstruction"] + weight * terms["kl"])[0]
        if scores := measure_likelihood(model, shown):
            return mean_of(scores["reconstruction"])[0]
        losses = [model._loss(x.to(model.device)).total for x in shown.split(500)]
        return float(sum(losses) / len(losses))


def _bounds(
    model: VariationalAutoencoder, shown: Tensor, protocol: Protocol, seed: int
) -> dict[str, Any]:
    terms = measure_elbo(model, shown, seed)
    codes = terms.pop("codes")
    total = "bce_plus_kl" if protocol == "grey" else "neg_elbo"
    values = _means({**terms, total: terms["reconstruction"].double() + terms["kl"].double()})
    if total == "neg_elbo":
        per_bit = model.spec.pixels * math.log(2)
        shift = 8.0 if protocol == "dequantised" else 0.0  # 256 levels were squeezed into [0, 1]
        values["bits_per_dim"] = values[total] / per_bit + shift
        values["bits_per_dim_se"] = values[f"{total}_se"] / per_bit
    return values | {"active_units": active_units(codes)}


def _means(per_image: dict[str, Tensor]) -> dict[str, Any]:
    """Mean and standard error, `<name>_se`, of the numbers `(N,)` of each name."""
    values = {}
    for name, numbers in per_image.items():
        values[name], values[f"{name}_se"] = mean_of(numbers)
    return values


def check_shape(model: Autoencoder, images: Images) -> None:
    """Raises InputError for images of another shape than the model takes."""
    if images.shape != model.spec.image_shape:
        raise InputError(
            f"The model takes images of {model.spec.image_shape}; {images.dataset} has "
            f"{images.shape}."
        )


@contextmanager
def exact_float32() -> Iterator[None]:
    """TF32 off for as long as it lasts."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
