"""Diagonal Gaussians over codes: construction, sampling, KL to the prior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from zoo.distributions.mixture import NormalMixture


def gaussian_posterior(mean: Tensor, log_variance: Tensor) -> Distribution:
    """A diagonal Gaussian over the dimensions after the first, float32."""
    return normal(mean.float(), torch.exp(0.5 * log_variance.float()), mean.dim() - 1)


def normal(loc: Tensor, scale: Tensor, event_dims: int) -> Independent:
    return Independent(Normal(loc, scale, validate_args=False), event_dims, validate_args=False)


_standard = normal(torch.zeros(1), torch.ones(1), 1)
kl_divergence(_standard, _standard)
"""Warms up torch's dispatch of the formula, which `torch.compile` cannot trace."""


def draw_at(posterior: Distribution, noise: Tensor) -> Tensor:
    """A sample at noise `(*draws, N, *latent_shape)`, bitwise identical to `rsample` of a Gaussian.

    A posterior that is not Gaussian ignores the noise and samples by itself.
    """
    base = posterior.base_dist if isinstance(posterior, Independent) else posterior
    if isinstance(base, Normal):
        return base.loc + noise * base.scale
    batch = len(posterior.batch_shape) + len(posterior.event_shape)
    return posterior.rsample(noise.shape[: noise.dim() - batch])


def divergence(posterior: Distribution, prior: Distribution, z: Tensor) -> Tensor:
    """KL(q || p) per example, `(N,)` in nats: closed form, or for a mixture estimated at `z`, `(K, N, d)`."""
    if isinstance(prior, NormalMixture):
        return (posterior.log_prob(z) - prior.log_prob(z)).mean(0)
    return kl_divergence(posterior, prior)


def without_gradient(posterior: Distribution) -> Distribution:
    """The Gaussian with mean and scale detached."""
    loc, scale = posterior.mean.detach(), posterior.stddev.detach()
    return normal(loc, scale, len(posterior.event_shape))
