"""Lower bounds on log p(x), with their sign turned: the ELBO and the importance-weighted bound."""

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
"""Values that are decoded in one go: small enough for a CPU's cache, and for any memory."""


class NegativeELBO(Objective[ELBO]):
    """Reconstruction and KL (Kingma & Welling 2014, eq. 10), means over draws where there are several.

    With `gradient="stl"` the KL is taken at the draw and the score term is left out, whose mean is
    zero: less variance near the optimum (sticking the landing, Roeder et al. 2017, eq. 8).
    """

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        """As any objective; noise may have draws in front, `(K, N, *latent_shape)`."""
        assert noise is not None
        inference = model._infer(batch.input, noise, stl=self.gradient == "stl")
        nats = reconstruction(model, inference.likelihood, batch.target)
        with full_precision(batch.input.device):
            terms = {"reconstruction": nats, **inference.kl}
            terms = {n: one.mean(0) if one.dim() == 2 else one for n, one in terms.items()}
        floors = dict.fromkeys(inference.kl, self.settings.free_bits)
        return Loss(terms, weights=model.loss_weights, floors=floors)


class NegativeBound(Objective[IWAE]):
    """Minus the importance-weighted bound of K draws: one term, `iwae` (Burda et al. 2016, eq. 8).

    `gradient="dreg"` is what stl is for the ELBO: the doubly reparameterized gradient (Tucker et
    al. 2019, eq. 8).
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
    """log p(x | z) + log p(z) - log q(z | x), `(K, N)` in nats, of codes `(K, N, *latent_shape)`.

    The codes are decoded in chunks of K; with a gradient, every chunk's graph is kept.
    """
    prior = model.prior()

    def weigh(part: Tensor) -> Tensor:
        score = -reconstruction(model, model._likelihood(part), target)
        return score + prior.log_prob(part) - posterior.log_prob(part)

    return in_chunks(weigh, z, target)


def in_chunks(function: Callable[[Tensor], Tensor], draws: Tensor, x: Tensor) -> Tensor:
    """A function of draws `(K, N, ...)`, some of the K at a time: memory does not grow with K."""
    most = VALUES_AT_ONCE if x.device.type == "cpu" else 64 * VALUES_AT_ONCE  # to fill a GPU
    return torch.cat([function(part) for part in draws.split(max(1, most // x.numel()))])
