"""The family `thing`: example -> one hidden layer -> posterior over codes, and code -> example.

It is small and whole, to be replaced by your own, method by method; `zoo plugins check thing` says
what does not hold. Examples are images, rows or series: a model sees images in [0, 1], and rows and
series standardized.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

import zoo


class ThingSpec(zoo.Spec):
    """The settings of Thing, each with its default, its bounds and its meaning.

    `input_shape` is inherited. Once you have published weights, only add fields, whose defaults
    mean the old function.
    """

    domains = ("vector", "series", "image")

    latent_dim: int = Field(default=8, ge=1, le=4_096, description="numbers in a code")
    hidden: int = Field(default=128, ge=1, le=65_536, description="units of the hidden layers")
    likelihood: zoo.AnyLikelihood

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.latent_dim,)


class Thing(zoo.VariationalAutoencoder):
    """A VAE with a diagonal Gaussian posterior, trained on the ELBO. Its only argument is its Spec."""

    Spec = ThingSpec
    spec: ThingSpec

    def __init__(self, spec: ThingSpec) -> None:
        super().__init__(spec)
        self.likelihood_head = zoo.LikelihoodHead(spec.likelihood, spec.input_shape)
        self.encoder = nn.Linear(spec.input_size, spec.hidden)
        self.to_posterior = nn.Linear(spec.hidden, 2 * spec.latent_dim)
        self.from_code = nn.Linear(spec.latent_dim, spec.hidden)
        self.decoder = nn.Linear(spec.hidden, math.prod(self.likelihood_head.outputs))

    def _posterior(self, x: Tensor) -> Distribution:
        h = F.silu(self.encoder(x.flatten(1)))  # (N, hidden)
        mean, scale = self.to_posterior(h).float().chunk(2, dim=1)  # (N, latent_dim) each
        normal = Normal(mean, F.softplus(scale) + 1e-3, validate_args=False)
        return Independent(normal, 1, validate_args=False)  # batch (N,), event (latent_dim,)

    def _likelihood(self, z: Tensor) -> Distribution:
        h = F.silu(self.from_code(z.to(self.dtype)))  # (*batch, hidden)
        outputs = self.decoder(h).float().unflatten(-1, self.likelihood_head.outputs)
        return self.likelihood_head.distribution(outputs)  # batch (*batch,), event input_shape

    def set_output_mean(self, mean: Tensor) -> None:
        with torch.no_grad():
            self.decoder.bias.copy_(self.likelihood_head.outputs_for(mean).flatten())
