"""The family `thing`: image -> one hidden layer -> code, and back.

It is small and whole, to be replaced by your own, method by method; `zoo plugins check thing` says
what does not hold.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

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

    def _decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self._logits(z))  # (*batch, C, H, W), in [0, 1]

    def _loss(self, x: Tensor) -> zoo.Loss:
        logits = self._logits(self._encode(x))  # (N, C, H, W)
        nats = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        return zoo.Loss({"reconstruction": nats.flatten(1).sum(1).mean()})  # nats per image

    def _logits(self, z: Tensor) -> Tensor:
        h = F.silu(self.from_code(z))  # (*batch, hidden)
        return self.decoder(h).unflatten(-1, self.spec.input_shape)  # (*batch, C, H, W)
