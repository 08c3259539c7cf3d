"""The methods on all data: the detector, the same network untrained, and PCA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

from zoo.data import Examples, moments
from zoo.detection.defaults import default_recipe
from zoo.models import Autoencoder
from zoo.registry import families
from zoo.sklearn import Detector

DETECTOR, UNTRAINED = "detector", "untrained"
COMPONENTS = 32
"""Number of components of PCA."""


@dataclass(frozen=True)
class Recipe:
    """How a detector is made: its family, score and settings."""

    family: str = "vae"
    score: str | dict[str, Any] = "default"
    contamination: float = 0.1
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    def detector(self, seed: int) -> Detector:
        """A detector, not fitted."""
        return self._of(self.family, seed, self.settings)

    def untrained(self, examples: Examples, seed: int) -> Detector:
        """A detector with the network that training starts from, and its standardization of rows.

        Its fit learns the score and calibrates, and does not train.
        """
        recipe = default_recipe(self.family, examples.shape, len(examples), seed, self.settings)
        model = families.get(recipe.family).build(recipe.spec, seed)
        if model.standardization is not None:
            model.standardization.set(*moments(examples))
        return self._of(model.eval(), seed, None)

    def _of(
        self, model: str | Autoencoder, seed: int, settings: Mapping[str, Any] | None
    ) -> Detector:
        return Detector(
            model,
            anomaly_score=self.score,
            contamination=self.contamination,
            settings=settings or None,
            device=self.device,
            random_state=seed,
        )


def fit_pca(images: torch.Tensor) -> Callable[[torch.Tensor], np.ndarray]:
    """PCA of images `(N, C, H, W)` uint8, in [0, 1]: a function that gives each image's squared error, `(M,)`."""
    pca = PCA(min(COMPONENTS, len(images)), svd_solver="covariance_eigh").fit(_flat(images))

    def errors(others: torch.Tensor) -> np.ndarray:
        x = _flat(others)
        return np.square(x - pca.inverse_transform(pca.transform(x))).sum(1)

    return errors


def _flat(images: torch.Tensor) -> np.ndarray:
    return images.flatten(1).double().div(255).numpy()
