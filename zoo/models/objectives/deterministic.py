"""Objectives of deterministic codes, the reconstruction error, and a family's own loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence

from zoo.distributions.gaussians import divergence, draw_at
from zoo.errors import PluginError
from zoo.models.loss import Batch, Loss
from zoo.models.objectives.base import Distance, Objective, reconstruction
from zoo.models.primitives import Primitives, full_precision, parts_of
from zoo.specs.objectives import Gradient, Likelihood, Own, Pixels


class NegativeLogLikelihood(Objective[Likelihood]):
    """-log p(x | z) at the deterministic code, plus the family's regularizers."""

    def samples_posterior(self, model: Primitives) -> bool:
        return False

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        code = model._code(batch.input, noise)
        nats = reconstruction(model, model._likelihood(code.z), batch.target)
        per_example = {"reconstruction": nats, **code.per_example}
        return Loss(per_example, code.batch, model.loss_weights, code.statistics)


class ReconstructionError(Objective[Pixels]):
    """Summed reconstruction error, plus the KL for families with a posterior."""

    def __init__(
        self,
        settings: Pixels,
        gradient: Gradient = "reparameterized",
        distance: Distance | None = None,
    ) -> None:
        super().__init__(settings, gradient)
        self.distance = distance
        """Perceptual distance, if the settings name an extractor."""

    def samples_posterior(self, model: Primitives) -> bool:
        return "posterior" in parts_of(type(model))

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        settings, x = self.settings, batch.target
        terms, batch_terms, statistics = {}, {}, {}
        if self.samples_posterior(model):
            posterior = model._posterior(batch.input)
            assert noise is not None
            z = draw_at(posterior, noise)
            with full_precision(x.device):
                terms["kl"] = _divergence(posterior, model._prior_over(z), z)
        else:
            code = model._code(batch.input, noise)
            z, batch_terms, statistics = code.z, code.batch, code.statistics
            terms |= code.per_example
        x_hat = model._output(z)
        with full_precision(x.device):
            difference = x_hat.float() - x.float()
            if model.standardization is not None and model.standardization.has_missing:
                difference = difference.masked_fill(torch.isnan(x), 0.0)
            error = difference.abs() if settings.error == "l1" else difference.square()
            terms = {settings.error: error.sum(tuple(range(1, error.dim()))), **terms}
            if self.distance is not None:
                terms["perceptual"] = self.distance(x_hat.float().clamp(0, 1), x.float())
        weights = {"kl": settings.kl, "perceptual": settings.perceptual}
        weights = {name: weights[name] for name in weights if name in terms}
        return Loss(terms, batch_terms, dict(model.loss_weights) | weights, statistics)


class OwnLoss(Objective[Own]):
    """A family's own `_loss`."""

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        assert noise is not None
        loss = model._loss(batch, noise)
        if not isinstance(loss, Loss):
            name = type(model).__name__
            raise PluginError(f"{name}._loss gives {type(loss).__name__}, not zoo.Loss.")
        return loss


def _divergence(posterior: Distribution, prior: Distribution, z: Tensor) -> Tensor:
    """KL(q || p) per example, `(N,)` in nats, of posteriors over vectors or grids."""
    if not (isinstance(posterior, Independent) and isinstance(prior, Independent)):
        return divergence(posterior, prior, z[None])
    nats = kl_divergence(posterior.base_dist, prior.base_dist)
    return nats.sum(
        tuple(range(1, nats.dim()))
    )  # torch.compile cannot reshape a grid of other strides
