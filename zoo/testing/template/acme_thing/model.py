"""The family `thing`: image -> one hidden layer -> code, and back.

It is small and whole, to be replaced by your own, method by method; `zoo plugins check thing` says
what does not hold.
"""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent

import zoo


class ThingSpec(zoo.Spec):
    """The settings of Thing, each with its default, its bounds and its meaning.

    `input_shape`, (channels, height, width), is inherited. Once you have published weights, only
    add fields, whose defaults mean the old function.
    """

    latent_dim: int = Field(default=8, ge=1, le=4_096, description="numbers in a code")
    hidden: int = Field(default=128, ge=1, le=65_536, description="units of the hidden layers")

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.latent_dim,)


class Thing(zoo.Autoencoder):
    """An autoencoder whose pixels are Bernoulli. Its only argument is its Spec."""

    Spec = ThingSpec
    spec: ThingSpec

    def __init__(self, spec: ThingSpec) -> None:
        super().__init__(spec)
        self.encoder = nn.Linear(spec.input_size, spec.hidden)
        self.to_code = nn.Linear(spec.hidden, spec.latent_dim)
        self.from_code = nn.Linear(spec.latent_dim, spec.hidden)
        self.decoder = nn.Linear(spec.hidden, spec.input_size)

    def _encode(self, x: Tensor) -> Tensor:
        h = F.silu(self.encoder(x.flatten(1)))  # (N, hidden)
        return self.to_code(h)  # (N, latent_dim)

    def _likelihood(self, z: Tensor) -> Distribution:
        h = F.silu(self.from_code(z.to(self.dtype)))  # (*batch, hidden)
        logits = self.decoder(h).float().unflatten(-1, self.spec.input_shape)  # (*batch, C, H, W)
        pixels = Bernoulli(logits=logits, validate_args=False)  # gray pixels have a score too
        return Independent(pixels, 3, validate_args=False)  # batch (*batch,), event (C, H, W)
