"""`distance`: the squared distance to the mean of the training examples."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from zoo.detection.scores.base import Batches, Learned, Score
from zoo.models import Autoencoder


class Distance(Score):
    """Mean squared distance to the mean of the reference examples, in standard deviations of each value.

    The score of a model that predicts the mean. Categorical columns are one-hot; a missing value counts 0.
    """

    kind: Literal["distance"] = "distance"
    learns = True

    def learn(self, model: Autoencoder, batches: Batches) -> dict[str, Tensor]:
        values = torch.cat([_features(model, x) for x in batches()])
        scale = values.std(0, correction=0)
        return {"mean": values.mean(0), "scale": scale.where(scale > 0, torch.ones_like(scale))}

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        apart = (_features(model, x) - learned["mean"]) / learned["scale"]
        return apart.square().mean(1)


def _features(model: Autoencoder, x: Tensor) -> Tensor:
    """What an encoder sees of examples, `(N, F)`, float64 on the CPU."""
    head = getattr(model, "likelihood_head", None)
    features = x if head is None else head.features(x)
    return features.flatten(1).cpu().double()
