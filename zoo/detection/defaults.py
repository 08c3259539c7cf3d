"""The default recipe and the default score of a detector, by the kind and number of its examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from zoo.detection.scores import Complexity, Distance, Ensemble, Latent, NegELBO, Reconstruction
from zoo.detection.scores.base import Score
from zoo.models import Autoencoder
from zoo.models.primitives import parts_of
from zoo.registry import families
from zoo.specs.domains import domain_of
from zoo.training.recipe import Recipe

STEPS = {"vector": 1000, "series": 1500, "image": 3000}
"""Most optimizer steps; of images, at least EPOCHS epochs."""
EPOCHS = 20
SMALL_IMAGE = 1024
"""Most values of an image for which fully connected layers are the default."""
BATCH = 128
MOST_LATENTS = 512
"""Most latents whose covariance is part of a default score."""
OWN_EXAMPLES = "a detector's examples"
"""What a recipe calls the data that `fit` was given."""


def default_score(model: Autoencoder) -> Score:
    """The score of a detector for which none is named.

    Images of variational families: the mean of the standardized squared error, negative ELBO, and
    complexity; of other families, of squared error and latent distance. These had the highest mean
    AUROC on sprites, flipped, inverted and patch-shuffled images and noise, against training images
    of MNIST and Fashion-MNIST. Rows and series: the mean of the standardized
    negative ELBO, or squared error, and of the distance to the training mean, which had the highest
    mean AUROC on ten tables of ADBench, numbers 1 to 14.
    """
    has_elbo = {"posterior", "prior", "likelihood"} <= parts_of(type(model))
    if model.spec.domain.is_real:
        return Ensemble(members=(NegELBO() if has_elbo else Reconstruction(), Distance()))
    if has_elbo:
        return Ensemble(members=(Reconstruction(), NegELBO(samples=4), Complexity(samples=4)))
    if math.prod(model.latent_shape) > MOST_LATENTS:
        return Reconstruction()
    return Ensemble(members=(Reconstruction(), Latent()))


def default_recipe(
    family: str, shape: tuple[int, ...], count: int, seed: int, settings: Mapping[str, Any]
) -> Recipe:
    """The recipe of a detector of a family, sized by the examples' shape and number.

    Steps, learning rates and layers had the highest mean AUROC on ten tables of ADBench, numbers 1 to
    14, and on two classes of MNIST's validation split.

    Args:
        family: a family or preset.
        shape: shape of one example.
        count: number of training examples.
        seed: seed of the training.
        settings: settings to change, by dotted key, as overrides of `zoo.train`.

    Raises RecipeError, listing every problem.
    """
    domain = domain_of(shape)
    size = max(1, min(BATCH, count // 8))
    epochs = max(1, STEPS[domain.kind] // -(-count // size))
    training: dict[str, Any] = {"batch_size": size, "seed": seed, "early_stopping": 20}
    if domain.is_image:
        is_small = math.prod(shape) <= SMALL_IMAGE
        body = {"kind": "mlp", "hidden": [512, 256]} if is_small else {"kind": "conv"}
        model: dict[str, Any] = {"latent_dim": 32, "body": body}
        if shape[0] != 1:
            model["likelihood"] = {"kind": "gaussian"}
        protocol = "gray" if shape[0] == 1 else "dequantized"
        epochs = max(EPOCHS, epochs) if is_small else EPOCHS
        training |= {"epochs": epochs, "learning_rate": 1e-3}
    else:
        model = {
            "latent_dim": 2 if domain.kind == "vector" else 8,
            "body": {"kind": "mlp", "hidden": [128, 64]},
            "likelihood": {"kind": "gaussian", "scale": "per-column"},
        }
        protocol = "real"
        training |= {"epochs": epochs, "learning_rate": 3e-3 if domain.kind == "vector" else 1e-3}
    found, _ = families.expanded(family, {})
    model = {name: value for name, value in model.items() if name in found.spec_class.model_fields}
    recipe = Recipe.parse(
        {
            "model": {"family": family, "input_shape": list(shape), **model},
            "data": {"dataset": OWN_EXAMPLES, "protocol": protocol},
            "training": training,
        }
    )
    return recipe.with_overrides(settings) if settings else recipe
