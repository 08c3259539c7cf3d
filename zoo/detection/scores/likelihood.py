"""Scores from the reconstruction and from bounds on log p(x)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from zoo.detection.scores.base import Batches, Learned, Score
from zoo.distributions.values import log_prob_by_value
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.models.loss import Batch
from zoo.models.objectives import NegativeELBO
from zoo.models.objectives.base import reconstruction
from zoo.models.objectives.bounds import VALUES_AT_ONCE
from zoo.specs.objectives import ELBO

SEED = 0
"""Seed of the posterior samples, which are the same for every example."""


class Reconstruction(Score):
    """Error of `decode(encode(x))`, averaged over values.

    `squared` and `absolute` errors are of images in [0, 1] or standardized rows and series; `nats` is
    -log p(x | encode(x)).
    """

    kind: Literal["reconstruction"] = "reconstruction"
    error: Literal["squared", "absolute", "nats"] = Field(
        default="squared", description="squared or absolute error, or negative log-likelihood"
    )
    has_map = True
    needs = ("code",)

    def parts(self) -> tuple[str, ...]:
        return ("code", "likelihood") if self.error == "nats" else ("code",)

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        if self.error == "nats":
            return reconstruction(model, model._likelihood(model._encode(x)), x)
        return self._errors(model, x).flatten(1).mean(1)

    def map(self, model: Autoencoder, x: Tensor) -> Tensor | None:
        if self.error == "nats":
            nats = log_prob_by_value(model._likelihood(model._encode(x)), x)
            return None if nats is None else -nats
        return self._errors(model, x)

    def _errors(self, model: Autoencoder, x: Tensor) -> Tensor:
        difference = model._decode(model._encode(x)) - x
        return difference.abs() if self.error == "absolute" else difference.square()


class NegELBO(Score):
    """Negative ELBO in nats, averaged over posterior samples (An & Cho 2015)."""

    kind: Literal["neg-elbo"] = "neg-elbo"
    samples: int = Field(default=16, ge=1, le=10_000, description="posterior samples per example")
    has_map = True
    needs = ("posterior", "prior", "likelihood")
    paper = (
        "An & Cho, Variational Autoencoder based Anomaly Detection using Reconstruction Probability, "
        "2015"
    )

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        return elbo_terms(model, x, self.samples).sum(0)

    def map(self, model: Autoencoder, x: Tensor) -> Tensor | None:
        return expected_nats_by_value(model, x, self.samples)


class NLL(Score):
    """Minus the importance-weighted bound on log p(x), in nats (Burda et al. 2016, eq. 8)."""

    kind: Literal["nll"] = "nll"
    samples: int = Field(default=100, ge=1, le=1_000_000, description="importance samples K")
    has_map = True
    needs = ("posterior", "prior", "likelihood")
    paper = "Burda et al., Importance Weighted Autoencoders, ICLR 2016, arXiv:1509.00519"

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        assert isinstance(model, VariationalAutoencoder)
        noise = shared_noise(model, self.samples)
        return -model.importance_bound(x, noise.expand(-1, len(x), *model.latent_shape))

    def map(self, model: Autoencoder, x: Tensor) -> Tensor | None:
        return expected_nats_by_value(model, x, min(self.samples, 16))


class KL(Score):
    """KL of the posterior to the prior, in nats."""

    kind: Literal["kl"] = "kl"
    needs = ("posterior", "prior", "likelihood")

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        return elbo_terms(model, x, 1)[1]


class Typicality(Score):
    """Distance of the negative ELBO from its mean over the reference examples (Nalisnick et al. 2019)."""

    kind: Literal["typicality"] = "typicality"
    samples: int = Field(default=16, ge=1, le=10_000, description="posterior samples per example")
    needs = ("posterior", "prior", "likelihood")
    learns = True
    paper = (
        "Nalisnick et al., Detecting Out-of-Distribution Inputs to Deep Generative Models Using "
        "Typicality, 2019, arXiv:1906.02994"
    )

    def learn(self, model: Autoencoder, batches: Batches) -> dict[str, Tensor]:
        nats = [elbo_terms(model, x, self.samples).sum(0) for x in batches()]
        return {"entropy": torch.cat(nats).double().mean()}

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        return (elbo_terms(model, x, self.samples).sum(0) - learned["entropy"]).abs()


def shared_noise(model: Autoencoder, samples: int) -> Tensor:
    """Standard normal noise `(K, 1, *latent_shape)`, the same for every example."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(samples, 1, *model.latent_shape, generator=generator).to(model.device)


def elbo_terms(model: Autoencoder, x: Tensor, samples: int) -> Tensor:
    """Reconstruction and KL of each example, `(2, N)` in nats, averaged over shared posterior samples."""
    total = torch.zeros(2, len(x), dtype=torch.float64)
    for part in shared_noise(model, samples).split(max(1, VALUES_AT_ONCE // x.numel())):
        at = part.expand(-1, len(x), *model.latent_shape)  # (K, N, *latent_shape)
        terms = dict(NegativeELBO(ELBO()).loss(model, Batch.of(x), at).per_example)
        error = terms.pop("reconstruction")
        means = torch.stack([error, torch.stack(list(terms.values())).sum(0)])  # (2, N)
        total += len(part) * means.cpu().double()
    return total / samples


def expected_nats_by_value(model: Autoencoder, x: Tensor, samples: int) -> Tensor | None:
    """-log p(x_i | z) of each value, `(N, *input_shape)`, averaged over shared posterior samples."""
    total = torch.zeros_like(x)
    for noise in shared_noise(model, samples):
        inference = model._infer(x, noise.expand(len(x), *model.latent_shape))
        nats = log_prob_by_value(inference.likelihood, x)
        if nats is None:
            return None
        total -= nats
    return total / samples
