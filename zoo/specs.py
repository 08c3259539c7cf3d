"""The Specs: what function a model is, as validated, immutable data. No torch here."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from zoo.errors import SpecError
from zoo.validation import Strict, validated

MAX_PARAMETERS = 1_000_000_000

Width = Annotated[int, Field(ge=1, le=65_536)]
Activation = Literal["relu", "leaky-relu", "elu", "gelu", "silu", "tanh"]


class MLPBody(Strict):
    """Fully connected layers: the encoder's, and mirrored, the decoder's."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = Field(
        default=(512, 256),
        max_length=32,
        description="units of the encoder's hidden layers, the decoder's in reverse",
    )
    activation: Activation = Field(default="relu", description="after every hidden layer")


class ConvBody(Strict):
    """Strided convolutions, residual blocks and dense layers; mirrored in the decoder."""

    kind: Literal["conv"] = "conv"
    channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(32, 64),
        min_length=1,
        max_length=8,
        description="channels after each 4x4 convolution of stride 2, which halves height and width",
    )
    residual_blocks: int = Field(
        default=1,
        ge=0,
        le=32,
        description="residual blocks of two 3x3 convolutions, at the smallest height and width",
    )
    hidden: tuple[Width, ...] = Field(
        default=(256,), max_length=32, description="units of the dense layers before the latent"
    )
    activation: Activation = Field(default="silu", description="between all layers")

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width in pixels before the first convolution and after each one."""
        sizes = [(height, width)]
        for _ in self.channels:
            sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        return sizes


class BernoulliLikelihood(Strict):
    """Each pixel is a coin whose probability is the decoder's output."""

    kind: Literal["bernoulli"] = "bernoulli"


class ContinuousBernoulliLikelihood(Strict):
    """Each pixel follows a continuous Bernoulli on [0, 1] (Loaiza-Ganem & Cunningham 2019)."""

    kind: Literal["continuous-bernoulli"] = "continuous-bernoulli"


class GaussianLikelihood(Strict):
    """Each pixel is Gaussian around the decoder's output, with one learnt scale of at least 1/256."""

    kind: Literal["gaussian"] = "gaussian"


Body = Annotated[MLPBody | ConvBody, Field(discriminator="kind")]
Likelihood = Annotated[
    BernoulliLikelihood | ContinuousBernoulliLikelihood | GaussianLikelihood,
    Field(discriminator="kind"),
]
SpecT = TypeVar("SpecT", bound="Spec")


class Spec(Strict):
    """What every family's Spec has. A family subclasses it and adds fields with defaults."""

    image_shape: tuple[
        Annotated[int, Field(ge=1, le=64)],
        Annotated[int, Field(ge=1, le=4096)],
        Annotated[int, Field(ge=1, le=4096)],
    ] = Field(description="channels, height, width of an image, in pixels")

    @property
    def pixels(self) -> int:
        """Values in one image: channels times height times width."""
        return math.prod(self.image_shape)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one image's code."""
        raise NotImplementedError

    def parameter_count(self) -> int:
        """Number of parameters of a model with this Spec, in closed form."""
        raise NotImplementedError

    @classmethod
    def parse(cls: type[SpecT], fields: Mapping[str, Any]) -> SpecT:
        """A Spec from plain fields; lists are tuples. Raises SpecError with every problem at once."""
        return validated(cls, fields, SpecError, f"This {cls.__name__}")

    @model_validator(mode="after")
    def _not_too_large(self):
        if self.parameter_count() > MAX_PARAMETERS:
            raise ValueError(
                f"the model would have {self.parameter_count():,} parameters; "
                f"the zoo builds at most {MAX_PARAMETERS:,}"
            )
        return self


def likelihood_kind(spec: Spec) -> str:
    """How images are scored, such as `bernoulli`; empty for a family without a likelihood."""
    return str(getattr(getattr(spec, "likelihood", None), "kind", ""))


def check_sizes(spec: Spec) -> None:
    """Raises ValueError for a Spec whose code or parameters cannot be counted."""
    shape, count = spec.latent_shape, spec.parameter_count()
    if not (isinstance(shape, tuple) and shape and all(_is_count(size) for size in shape)):
        raise ValueError(f"latent_shape is a tuple of whole numbers of 1 or more, not {shape!r}")
    if not _is_count(count):
        raise ValueError(f"parameter_count() is a whole number of 1 or more, not {count!r}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def plain_fields(spec: Spec) -> dict[str, Any]:
    """The fields as JSON and TOML hold them.

    Raises ValueError, or what Pydantic does, for fields that come back changed, or not at all.
    """
    fields = spec.model_dump(mode="json")
    if type(spec).model_validate_json(json.dumps(fields)) != spec:
        raise ValueError("its fields do not come back from JSON as they were")
    if name := _first_null(fields):
        raise ValueError(f"{name} is null, which TOML cannot say: let a word such as 'off' mean it")
    return fields


def _first_null(value: Any, path: str = "") -> str:
    """The path of the first null in plain data, or nothing."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        where = f"{path}.{key}" if path else str(key)
        if inner is None:
            return where
        if isinstance(inner, dict | list) and (found := _first_null(inner, where)):
            return found
    return ""


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
