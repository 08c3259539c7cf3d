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
    GaussianLikelihood,
    Likelihood,
    MLPBody,
    Width,
)
from zoo.specs.validation import Strict


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
        if isinstance(self.body, ConvBody) and min(self.body.sizes(height, width)[-1]) < 1:
            most = int(math.log2(min(height, width)))
            raise ValueError(
                f"body.channels has {len(self.body.channels)} entries, each halving the image; "
                f"{height} x {width} pixels can be halved {most} times"
            )
        return self

    def parameter_count(self) -> int:
        encoder, features = _encoder_parameters(self.body, self.image_shape)
        decoder = _decoder_parameters(self.body, self.image_shape, self.latent_dim)
        heads = self.codes_per_image * _dense(features, self.latent_dim)
        return encoder + heads + decoder + _likelihood_parameters(self.likelihood)

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


def _dense(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _chain(sizes: list[int]) -> int:
    return sum(_dense(a, b) for a, b in itertools.pairwise(sizes))


def _encoder_parameters(body: MLPBody | ConvBody, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Parameters of an encoder without its last layer, and the features it gives."""
    if isinstance(body, MLPBody):
        sizes = [math.prod(shape), *body.hidden]
        return _chain(sizes), sizes[-1]
    channels = [shape[0], *body.channels]
    strided = sum(16 * a * b + b for a, b in itertools.pairwise(channels))
    height, width = body.sizes(*shape[1:])[-1]
    sizes = [channels[-1] * height * width, *body.hidden]
    return strided + _residual_parameters(body) + _chain(sizes), sizes[-1]


def _decoder_parameters(body: MLPBody | ConvBody, shape: tuple[int, int, int], latent: int) -> int:
    if isinstance(body, MLPBody):
        return _chain([latent, *reversed(body.hidden), math.prod(shape)])
    channels = [shape[0], *body.channels]
    strided = sum(16 * a * b + a for a, b in itertools.pairwise(channels))
    height, width = body.sizes(*shape[1:])[-1]
    dense = _chain([latent, *reversed(body.hidden), channels[-1] * height * width])
    return dense + _residual_parameters(body) + strided


def _residual_parameters(body: ConvBody) -> int:
    channels = body.channels[-1]
    return body.residual_blocks * 2 * (9 * channels * channels + channels)


def _likelihood_parameters(likelihood: Strict) -> int:
    return 1 if isinstance(likelihood, GaussianLikelihood) else 0
