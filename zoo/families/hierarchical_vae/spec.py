"""The Spec of the hierarchical variational autoencoder. No torch here."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo.likelihoods.field import AnyLikelihood
from zoo.specs.base import Spec
from zoo.specs.parts import ConvBody, NormalPrior, Prior, Width


class HierarchicalVAESpec(Spec):
    """A VAE with groups of latents, each conditioned on those above it: a vector, then grids."""

    parts: ClassVar = ("code", "latent groups", "likelihood", "posterior", "prior")

    latent_dim: Width = Field(description="dimension of the top group, a vector")
    groups: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        default=(4,),
        min_length=1,
        max_length=32,
        description="channels of each group below it, a grid at the body's lowest resolution",
    )
    body: ConvBody = Field(default=ConvBody(), description="the layers of encoder and decoder")
    likelihood: AnyLikelihood
    prior: Prior = Field(
        default=NormalPrior(),
        description="distribution of the top group: normal, or vamp, which is learned",
    )
    log_variance_bound: Literal["off"] | Annotated[float, Field(ge=1.0, le=30.0)] = Field(
        default=6.0, description="soft clamp of log-variances v to b tanh(v / b)"
    )

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the groups below the top one."""
        return self.body.sizes(*self.input_shape[1:])[-1]

    @property
    def group_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each group, the top one first."""
        return ((self.latent_dim,), *((channels, *self.grid) for channels in self.groups))

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (sum(map(math.prod, self.group_shapes)),)

    @model_validator(mode="after")
    def _body_fits_the_image(self):
        self.body.check_fits(*self.input_shape[1:])
        return self
