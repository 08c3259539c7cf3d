"""The Specs of the built-in families. No torch here."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo.specs.base import Spec
from zoo.specs.parts import (
    BernoulliLikelihood,
    Body,
    ConvBody,
    GaussianLikelihood,
    Likelihood,
    MLPBody,
    NormalPrior,
    Prior,
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
        check_body_fits(self.body, self.image_shape)
        return self

    def parameter_count(self) -> int:
        channels, height, width = self.image_shape
        flat, convolutions = self.pixels, 0
        if isinstance(self.body, ConvBody):
            flat = self.body.channels[-1] * math.prod(self.body.sizes(height, width)[-1])
            convolutions = conv_parameters(self.body, channels)
        encoder = [flat, *self.body.hidden]
        heads = self.codes_per_image * dense_parameters([encoder[-1], self.latent_dim])
        back = dense_parameters([self.latent_dim, *reversed(encoder)])
        dense = dense_parameters(encoder) + heads + back
        return convolutions + dense + isinstance(self.likelihood, GaussianLikelihood)

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
        default=NormalPrior(), description="what codes are drawn from: a standard normal, or learnt"
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

    beta: float = Field(
        default=6.0,
        gt=0.0,
        le=1000.0,
        description="weight of the total correlation in the loss; 1 is a plain VAE",
    )
    objectives: ClassVar[tuple[str, ...]] = ()


class FactorVAESpec(VAESpec):
    """A VAE with a penalty on the total correlation of its codes, which a discriminator measures."""

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


def check_body_fits(body: Body, image_shape: tuple[int, int, int]) -> None:
    """Raises ValueError for images that are too small for these layers."""
    _, height, width = image_shape
    if min(height, width) < 8:
        raise ValueError(f"images are at least 8 x 8 pixels, not {height} x {width}")
    if isinstance(body, ConvBody) and min(body.sizes(height, width)[-1]) < 1:
        most = int(math.log2(min(height, width)))
        raise ValueError(
            f"body.channels has {len(body.channels)} entries, each halving the image; "
            f"{height} x {width} pixels can be halved {most} times"
        )


def conv_parameters(body: ConvBody, channels: int) -> int:
    """Parameters of the convolutions of encoder and decoder, for images of so many channels."""
    widths = [channels, *body.channels]
    strided = 16 * sum(a * b for a, b in itertools.pairwise(widths))
    block = 2 * (9 * widths[-1] ** 2 + widths[-1])
    both = 2 * (strided + body.residual_blocks * block)
    return both + sum(widths[1:]) + sum(widths[:-1])  # and the strided ones' biases


def dense_parameters(sizes: list[int]) -> int:
    """Parameters of linear layers of the given sizes."""
    return sum(a * b + b for a, b in itertools.pairwise(sizes))
