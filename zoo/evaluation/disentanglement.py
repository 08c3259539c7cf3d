"""A model, images and their factors -> the scores of disentanglement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from zoo.data import AnyExamples, as_gray
from zoo.data.factors import Factors
from zoo.errors import DataError, InputError
from zoo.evaluation.factors import BINS, dci, factor_vae_score, mig, sap, uniform
from zoo.evaluation.measure import batch_size
from zoo.models import Autoencoder

POINTS = 10_000
"""Most images that are scored."""


def check_factors(
    model: Autoencoder, images: AnyExamples, factors: Factors, count: int, seed: int
) -> None:
    """Whether the first `count` images can be scored.

    Raises:
        DataError: for factors of another number of images.
        InputError: for fewer than two latents, fewer images than bins, or a factor with one value.
    """
    if len(factors.values) != len(images):
        raise DataError(
            f"{factors.source} has factors of {len(factors.values):,} {model.spec.domain.nouns}; the {images.split} "
            f"split of {images.dataset} has {len(images):,}. Give one row for each, in their order."
        )
    if (latents := math.prod(model.latent_shape)) < 2:
        raise InputError(
            f"Scores against factors compare two latents or more; this model has {latents}."
        )
    if count < BINS:
        raise InputError(
            f"Scores against factors need {BINS} images at least, as many as there are bins; got "
            f"{count}."
        )
    for name, values in zip(factors.names, factors.values[_points(count, seed)].T, strict=True):
        if (values == values[0]).all():
            raise InputError(
                f"The factor {name!r} of {factors.source} is {values[0]} in all {len(values):,} "
                "images, which says nothing of a code: leave it out, or measure on more images."
            )


def measure_factors(
    model: Autoencoder, images: AnyExamples, factors: Factors, count: int, seed: int
) -> dict[str, Any]:
    """The scores of the codes of gray images, of 10,000 drawn from the first `count` if these are more.

    A code is `encode(x)`, so a posterior's mean, all its numbers in a row. Raises InputError for
    codes that are not finite.
    """
    points = _points(count, seed)
    batches = images.read(torch.from_numpy(points).split(batch_size(model.spec.input_size)))
    encoded = [model._encode(as_gray(levels.to(model.device))).flatten(1) for levels in batches]
    codes = torch.cat(encoded).cpu().double().numpy()  # (n, d)
    if not np.isfinite(codes).all():
        raise InputError("The model's codes are not all finite, so nothing can be said of them.")
    values = factors.values[points]
    disentanglement, completeness, informativeness = dci(codes, values, seed)
    return {
        "mig": mig(codes, values),
        "dci_disentanglement": disentanglement,
        "dci_completeness": completeness,
        "dci_informativeness": informativeness,
        "sap": sap(codes, values, seed),
        "factor_vae_score": factor_vae_score(codes, values, seed),
        "factors": factors.names,
        "factors_n_examples": len(points),
        "factors_sha256": factors.sha256,
    }


def _points(count: int, seed: int) -> np.ndarray:
    """Numbers of the images that are scored, in their order, `(n,)`."""
    return np.sort(np.argsort(uniform(seed, 4, count), kind="stable")[:POINTS])
