"""The Specs of the built-in families. No torch here."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo.likelihoods.field import DEFAULTS, AnyLikelihood, default_likelihood
from zoo.specs.base import Spec
from zoo.specs.parts import (
    Body,
    ConvBody,
    MLPBody,
    NormalPrior,
    Prior,
    Width,
)


class VectorSpec(Spec):
    """What the built-in families share: a code of `latent_dim` numbers, a body, a likelihood."""

    latent_dim: Width = Field(description="numbers in a code")
    body: Body = Field(default=MLPBody(), description="the layers of encoder and decoder")
    likelihood: AnyLikelihood = Field(
        default_factory=default_likelihood,
        description="how an example is scored given its code",
        json_schema_extra={"default": DEFAULTS},
    )

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.latent_dim,)

    @model_validator(mode="after")
    def _body_fits_the_image(self):
        _, height, width = self.input_shape
        if min(height, width) < 8:
            raise ValueError(f"images are at least 8 x 8 pixels, not {height} x {width}")
        if isinstance(self.body, ConvBody):
            self.body.check_fits(height, width)
        return self

    def parameter_count(self) -> int:
        channels, height, width = self.input_shape
        body, flat, convolutions = self.body, self.pixels, 0
        shape = self.likelihood.outputs(self.input_shape)
        values = math.prod(shape)  # that the decoder's dense layers end in
        if isinstance(body, ConvBody):
            height, width = body.sizes(height, width)[-1]
            flat = values = body.channels[-1] * height * width
            convolutions = body.convolution_parameters(channels, shape[0])
        encoder = [flat, *body.hidden]
        heads = self.codes_per_image * dense_parameters([encoder[-1], self.latent_dim])
        decoder = [self.latent_dim, *reversed(body.hidden), values]
        dense = dense_parameters(encoder) + heads + dense_parameters(decoder)
        return convolutions + dense + likelihood_parameters(self)

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

    prior: Prior = Field(
        default=NormalPrior(),
        description="what codes are drawn from: a standard normal, or learned",
    )
    objectives: ClassVar[tuple[str, ...]] = ("elbo", "iwae")

    @property
    def codes_per_image(self) -> int:
        return 2

    def parameter_count(self) -> int:
        return super().parameter_count() + prior_parameters(self.prior, self.pixels)


class BetaVAESpec(VAESpec):
    """A VAE whose loss weighs the KL term by beta (Higgins et al. 2017)."""

    objectives: ClassVar[tuple[str, ...]] = ("elbo",)

    beta: float = Field(
        default=4.0,
        gt=0.0,
        le=1000.0,
        description="weight of the KL term in the loss; 1 is a plain VAE",
    )


class BetaTCVAESpec(VAESpec):
    """A VAE whose loss weighs the total correlation of its codes (Chen et al. 2018)."""

    mixes_images: ClassVar[bool] = True
    beta: float = Field(
        default=6.0,
        gt=0.0,
        le=1000.0,
        description="weight of the total correlation in the loss; 1 is a plain VAE",
    )
    objectives: ClassVar[tuple[str, ...]] = ()


class FactorVAESpec(VAESpec):
    """A VAE with a penalty on the total correlation of its codes, which a discriminator measures."""

    mixes_images: ClassVar[bool] = True
    gamma: float = Field(
        default=10.0, gt=0.0, le=1000.0, description="weight of the total correlation in the loss"
    )
    discriminator: tuple[Width, ...] = Field(
        default=(256, 256, 256),
        min_length=1,
        max_length=32,
        description="units of the hidden layers that tell codes from shuffled ones",
    )
    objectives: ClassVar[tuple[str, ...]] = ("elbo",)

    def parameter_count(self) -> int:
        return super().parameter_count() + dense_parameters(
            [self.latent_dim, *self.discriminator, 1]
        )


class ConvAESpec(AESpec):
    """An autoencoder whose default body is convolutional."""

    body: Body = Field(default=ConvBody(), description="the layers of encoder and decoder")


class ConvVAESpec(VAESpec):
    """A variational autoencoder whose default body is convolutional."""

    body: Body = Field(default=ConvBody(), description="the layers of encoder and decoder")


def prior_parameters(prior: Prior, pixels: int) -> int:
    """Parameters of a prior over codes of images of so many values."""
    return 0 if isinstance(prior, NormalPrior) else prior.components * pixels


def likelihood_parameters(spec: Spec) -> int:
    """Parameters that are the likelihood's own."""
    return sum(own.numel() for own in spec.likelihood.parameters(spec.input_shape).values())


def dense_parameters(sizes: list[int]) -> int:
    """Parameters of linear layers of the given sizes."""
    return sum(a * b + b for a, b in itertools.pairwise(sizes))
