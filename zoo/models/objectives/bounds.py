"""Negative lower bounds on log p(x): the ELBO and the importance-weighted bound."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.distributions.gaussians import without_gradient
from zoo.models.loss import Batch, Loss
from zoo.models.objectives.base import Objective, Shape, reconstruction
from zoo.models.objectives.importance import log_weight_sum
from zoo.models.primitives import Primitives, full_precision
from zoo.specs.objectives import ELBO, IWAE

VALUES_AT_ONCE = 400_000
"""Values decoded at once: few enough for a CPU's cache."""


class NegativeELBO(Objective[ELBO]):
    """Reconstruction and KL (Kingma & Welling 2014, eq. 10), averaged over posterior samples.

    With `gradient="stl"` the KL is estimated at the samples and its zero-mean score term is dropped,
    which reduces variance near the optimum (sticking the landing, Roeder et al. 2017, eq. 8).
    """

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        """See `Objective.loss`; noise may also be `(K, N, *latent_shape)`, for K samples."""
        assert noise is not None
        inference = model._infer(batch.input, noise, stl=self.gradient == "stl")
        nats = reconstruction(model, inference.likelihood, batch.target)
        with full_precision(batch.input.device):
            terms = {"reconstruction": nats, **inference.kl}
            terms = {n: one.mean(0) if one.dim() == 2 else one for n, one in terms.items()}
        floors = dict.fromkeys(inference.kl, self.settings.free_bits)
        return Loss(terms, weights=model.loss_weights, floors=floors)


class NegativeBound(Objective[IWAE]):
    """Negative importance-weighted bound of K samples: one term, `iwae` (Burda et al. 2016, eq. 8).

    `gradient="dreg"` selects the doubly reparameterized gradient (Tucker et al. 2019, eq. 8).
    """

    def noise(
        self, model: Primitives, code: Shape, size: int, generator: torch.Generator | None = None
    ) -> Tensor | None:
        count = self.settings.noises
        return model._noise(code, size * count, generator).unflatten(0, (size, count))

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        assert noise is not None
        posterior = model._posterior(batch.input)
        doubly = self.gradient == "dreg"
        scored = without_gradient(posterior) if doubly else posterior
        with full_precision(batch.input.device):
            bound = log_weight_sum(
                lambda noise: posterior.mean + posterior.stddev * noise,
                lambda z: log_weights(model, batch.target, z, scored),
                noise.transpose(0, 1),
                doubly,
                self.settings.resampled,
            )
            return Loss({"iwae": math.log(self.settings.samples) - bound})


def log_weights(model: Primitives, target: Tensor, z: Tensor, posterior: Distribution) -> Tensor:
    """log p(x | z) + log p(z) - log q(z | x), `(K, N)` in nats, for codes `(K, N, *latent_shape)`.

    Codes are decoded in chunks along K; with gradients enabled, all graphs are kept.
    """
    prior = model.prior()

    def of_chunk(part: Tensor) -> Tensor:
        score = -reconstruction(model, model._likelihood(part), target)
        return score + prior.log_prob(part) - posterior.log_prob(part)

    return in_chunks(of_chunk, z, target)


def in_chunks(function: Callable[[Tensor], Tensor], draws: Tensor, x: Tensor) -> Tensor:
    """`function` of samples `(K, N, ...)`, in chunks along K that bound memory."""
    most = VALUES_AT_ONCE if x.device.type == "cpu" else 64 * VALUES_AT_ONCE  # to fill a GPU
    return torch.cat([function(part) for part in draws.split(max(1, most // x.numel()))])
