"""The Specs of the built-in families. No torch here."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo.specs.base import Spec
from zoo.specs.parts import (
    BernoulliLikelihood,
    Body,
    ConvBody,
    Likelihood,
    MLPBody,
    Width,
)


class VectorSpec(Spec):
    """What the built-in families share: a code of `latent_dim` numbers, a body, a likelihood."""

    latent_dim: Width = Field(description="numbers in a code")
    body: Body = Field(default=MLPBody(), description="the layers of encoder and decoder")
    likelihood: Likelihood = Field(
        default=BernoulliLikelihood(),
        description="how a decoded image is scored against the real one",
    )

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.latent_dim,)

    @model_validator(mode="after")
    def _body_fits_the_image(self):
        _, height, width = self.image_shape
        if min(height, width) < 8:
            raise ValueError(f"images are at least 8 x 8 pixels, not {height} x {width}")
        if isinstance(self.body, ConvBody):
            self.body.check_fits(height, width)
        return self

    def parameter_count(self) -> int:
        channels, height, width = self.image_shape
        body, flat, convolutions = self.body, self.pixels, 0
        shape = self.likelihood.output_shape(self.image_shape)
        values = math.prod(shape)  # that the decoder's dense layers end in
        if isinstance(body, ConvBody):
            height, width = body.sizes(height, width)[-1]
            flat = values = body.channels[-1] * height * width
            convolutions = body.convolution_parameters(channels, shape[0])
        encoder = [flat, *body.hidden]
        heads = self.codes_per_image * _dense([encoder[-1], self.latent_dim])
        decoder = [self.latent_dim, *reversed(body.hidden), values]
        dense = _dense(encoder) + heads + _dense(decoder)
        return convolutions + dense + self.likelihood.parameters

    @property
    def codes_per_image(self) -> int:
        """Vectors of `latent_dim` numbers that the encoder ends in."""
        return 1


class AESpec(VectorSpec):
    """An autoencoder: image -> code -> image."""

    latent_activation: Literal["identity", "relu", "tanh"] = Field(
        default="identity", description="what the code goes through last"
    )


class VAESpec(VectorSpec):
    """A variational autoencoder with a diagonal Gaussian posterior (Kingma & Welling 2014)."""

    heads: Literal["joint", "separate"] = Field(
        default="joint",
        description="one last layer split into mean and log-variance, or a layer for each",
    )
    log_variance_bound: Literal["off"] | Annotated[float, Field(ge=1.0, le=30.0)] = Field(
        default=10.0, description="log-variances stay within plus or minus this b, as b tanh(v / b)"
    )

    @property
    def codes_per_image(self) -> int:
        return 2


class BetaVAESpec(VAESpec):
    """A VAE whose loss weighs the KL term by beta (Higgins et al. 2017)."""

    beta: float = Field(
        default=4.0,
        gt=0.0,
        le=1000.0,
        description="weight of the KL term in the loss; 1 is a plain VAE",
    )


class ConvAESpec(AESpec):
    """An autoencoder whose default body is convolutional."""

    body: Body = Field(default=ConvBody(), description="the layers of encoder and decoder")


class ConvVAESpec(VAESpec):
    """A variational autoencoder whose default body is convolutional."""

    body: Body = Field(default=ConvBody(), description="the layers of encoder and decoder")


def _dense(sizes: list[int]) -> int:
    """Parameters of linear layers of the given sizes."""
    return sum(a * b + b for a, b in itertools.pairwise(sizes))
