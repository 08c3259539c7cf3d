"""The parts that the built-in families are put together from: bodies and priors. No torch here."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from zoo.specs.validation import Strict

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


class Convolutions(Strict):
    """What convolutional bodies share: the strided convolutions and the residual blocks."""

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

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width in pixels before the first convolution and after each one."""
        sizes = [(height, width)]
        for _ in self.channels:
            sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        return sizes

    def check_fits(self, height: int, width: int) -> None:
        """Raises ValueError for images that cannot be halved so often."""
        if min(self.sizes(height, width)[-1]) < 1:
            most = int(math.log2(min(height, width)))
            raise ValueError(
                f"body.channels has {len(self.channels)} entries, each halving the image; "
                f"{height} x {width} pixels can be halved {most} times"
            )


class ConvBody(Convolutions):
    """Strided convolutions, residual blocks and dense layers; mirrored in the decoder."""

    hidden: tuple[Width, ...] = Field(
        default=(256,), max_length=32, description="units of the dense layers before the latent"
    )
    activation: Activation = Field(default="silu", description="between all layers")


class GridBody(Convolutions):
    """Strided convolutions and residual blocks, whose last small picture is kept as one; mirrored."""

    activation: Activation = Field(default="silu", description="between all layers")


class NormalPrior(Strict):
    """A standard normal over all latents."""

    kind: Literal["normal"] = "normal"


class VampPrior(Strict):
    """The even mixture of the posteriors of learned pseudo-inputs (Tomczak & Welling 2018)."""

    kind: Literal["vamp"] = "vamp"
    components: int = Field(
        default=500, ge=1, le=10_000, description="pseudo-inputs, each an image that is learned"
    )


Body = Annotated[MLPBody | ConvBody, Field(discriminator="kind")]


Prior = Annotated[NormalPrior | VampPrior, Field(discriminator="kind")]
