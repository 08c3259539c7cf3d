"""`regret` and `llr`: how much a bound changes when its posterior does."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from zoo.detection.scores.base import Learned, Score
from zoo.detection.scores.likelihood import elbo_terms, shared_noise
from zoo.distributions.gaussians import divergence, normal
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.models.objectives.base import reconstruction


class Regret(Score):
    """Likelihood regret: the ELBO gained by optimizing the posterior of one example (Xiao et al. 2020).

    The mean and log-variance of q(z | x) are optimized directly with Adam, starting at the encoder's;
    the decoder does not change. It is slow: hundreds of passes through the decoder per example.
    """

    kind: Literal["regret"] = "regret"
    steps: int = Field(default=100, ge=1, le=100_000, description="Adam steps per example")
    learning_rate: float = Field(default=0.03, gt=0, le=10, description="of Adam")
    samples: int = Field(default=4, ge=1, le=1000, description="posterior samples per step")
    needs = ("ungrouped posterior", "prior", "likelihood")
    paper = (
        "Xiao et al., Likelihood Regret: An Out-of-Distribution Detection Score For Variational "
        "Auto-encoder, NeurIPS 2020, arXiv:2003.02977"
    )

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        assert isinstance(model, VariationalAutoencoder)
        posterior = model._posterior(x)
        noise = shared_noise(model, self.samples)  # (K, 1, *latent_shape)
        with torch.inference_mode(False), torch.enable_grad():
            example, noise = x.clone(), noise.clone()
            mean = posterior.mean.float().clone().requires_grad_()
            log_scale = posterior.stddev.float().log().clone().requires_grad_()
            first = best = self._negative_elbo(model, example, mean, log_scale, noise).detach()
            adam = torch.optim.Adam([mean, log_scale], lr=self.learning_rate)
            for _ in range(self.steps):
                adam.zero_grad()
                loss = self._negative_elbo(model, example, mean, log_scale, noise)
                best = torch.minimum(best, loss.detach())
                mean.grad, log_scale.grad = torch.autograd.grad(loss.sum(), [mean, log_scale])
                adam.step()
            best = torch.minimum(
                best, self._negative_elbo(model, example, mean, log_scale, noise).detach()
            )
        return first - best

    def _negative_elbo(
        self,
        model: VariationalAutoencoder,
        x: Tensor,
        mean: Tensor,
        log_scale: Tensor,
        noise: Tensor,
    ) -> Tensor:
        posterior = normal(mean, log_scale.exp(), len(model.latent_shape))
        z = mean + log_scale.exp() * noise  # (K, N, *latent_shape)
        nats = reconstruction(model, model._likelihood(z), x).mean(0)
        return nats + divergence(posterior, model.prior(), z)


class LLR(Score):
    """Likelihood ratio of a hierarchy: its ELBO less the bound with lower groups from the prior.

    In the second bound only the first `groups` groups, from the top, are sampled from the posterior
    (Havtorn et al. 2021, eq. 9).
    """

    kind: Literal["llr"] = "llr"
    groups: int = Field(default=1, ge=1, le=100, description="groups that keep their posterior")
    samples: int = Field(default=16, ge=1, le=10_000, description="posterior samples per example")
    needs = ("latent groups",)
    paper = (
        "Havtorn et al., Hierarchical VAEs Know What They Don't Know, ICML 2021, arXiv:2102.08248"
    )

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        total = torch.zeros(len(x), dtype=torch.float64)
        for noise in shared_noise(model, self.samples):
            inference = model._infer_top(x, noise.expand(len(x), *model.latent_shape), self.groups)
            nats = reconstruction(model, inference.likelihood, x)
            total += (nats + torch.stack(list(inference.kl.values())).sum(0)).cpu().double()
        return total / self.samples - elbo_terms(model, x, self.samples).sum(0)
