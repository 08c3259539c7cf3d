"""Settings of the building blocks of families: bodies and priors. No torch here."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from zoo.specs.validation import Strict

Width = Annotated[int, Field(ge=1, le=65_536)]


Activation = Literal["relu", "leaky-relu", "elu", "gelu", "silu", "tanh"]


class MLPBody(Strict):
    """Fully connected layers of the encoder, mirrored in the decoder."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = Field(
        default=(512, 256),
        max_length=32,
        description="units of the encoder's hidden layers; reversed in the decoder",
    )
    activation: Activation = Field(default="relu", description="after every hidden layer")


class Convolutions(Strict):
    """Base of convolutional bodies: strided convolutions and residual blocks."""

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
        description="residual blocks of two 3x3 convolutions, at the lowest resolution",
    )

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width in pixels before the first convolution and after each one."""
        sizes = [(height, width)]
        for _ in self.channels:
            sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        return sizes

    def check_fits(self, height: int, width: int) -> None:
        """Raises ValueError for images too small for that many strided convolutions."""
        if min(self.sizes(height, width)[-1]) < 1:
            most = int(math.log2(min(height, width)))
            raise ValueError(
                f"body.channels has {len(self.channels)} entries, each halving the image; "
                f"{height} x {width} pixels can be halved at most {most} times"
            )


class ConvBody(Convolutions):
    """Strided convolutions, residual blocks and dense layers; mirrored in the decoder."""

    hidden: tuple[Width, ...] = Field(
        default=(256,), max_length=32, description="units of the dense layers before the latent"
    )
    activation: Activation = Field(default="silu", description="between all layers")


class GridBody(Convolutions):
    """Strided convolutions and residual blocks that end in a feature map; mirrored in the decoder."""

    activation: Activation = Field(default="silu", description="between all layers")


class NormalPrior(Strict):
    """Standard normal over all latents."""

    kind: Literal["normal"] = "normal"


class VampPrior(Strict):
    """Uniform mixture of the posteriors of learned pseudo-inputs (Tomczak & Welling 2018)."""

    kind: Literal["vamp"] = "vamp"
    components: int = Field(
        default=500, ge=1, le=10_000, description="number of learned pseudo-inputs"
    )


Body = Annotated[MLPBody | ConvBody, Field(discriminator="kind")]


Prior = Annotated[NormalPrior | VampPrior, Field(discriminator="kind")]
