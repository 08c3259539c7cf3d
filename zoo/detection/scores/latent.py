"""`latent`: the distance of a code to the codes of the training examples."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from zoo.detection.scores.base import Batches, Learned, Score
from zoo.models import Autoencoder


class Latent(Score):
    """Squared Mahalanobis distance of `encode(x)` to the mean of the reference codes (Lee et al. 2018).

    The covariance is shrunk toward a multiple of the identity (Ledoit & Wolf 2004).
    """

    kind: Literal["latent"] = "latent"
    needs = ("code",)
    learns = True
    paper = (
        "Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples and "
        "Adversarial Attacks, NeurIPS 2018, arXiv:1807.03888"
    )

    def learn(self, model: Autoencoder, batches: Batches) -> dict[str, Tensor]:
        from sklearn.covariance import ledoit_wolf

        codes = torch.cat([_codes(model, x) for x in batches()])
        mean = codes.mean(0)
        covariance, _ = ledoit_wolf((codes - mean).numpy(), assume_centered=True)
        ridge = 1e-12 * torch.eye(codes.shape[1], dtype=torch.float64)  # for constant codes
        return {"mean": mean, "precision": torch.linalg.inv(torch.from_numpy(covariance) + ridge)}

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        apart = _codes(model, x) - learned["mean"]
        return torch.einsum("nd,de,ne->n", apart, learned["precision"], apart)


def _codes(model: Autoencoder, x: Tensor) -> Tensor:
    """Codes `(N, D)`, float64 on the CPU."""
    return model._encode(x).flatten(1).cpu().double()
