"""The Spec of `unet`. No torch here."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from zoo.specs.base import Spec


class UNetSpec(Spec):
    """A U-Net for images of any size whose sides are multiples of its stride."""

    parts: ClassVar = ("code",)

    channels: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(64, 128, 256),
        min_length=1,
        max_length=8,
        description="channels of each level; the first has half of the image's height and width, and each "
        "further one half of the level before",
    )
    residual_blocks: int = Field(
        default=1,
        ge=0,
        le=32,
        description="residual blocks of two 3x3 convolutions at each level, of encoder and decoder",
    )

    @property
    def stride(self) -> int:
        return 2 ** len(self.channels)

    @property
    def reach(self) -> int:
        levels = len(self.channels)
        both = [
            2 if level < levels else 1 for level in range(1, levels + 1)
        ]  # of encoder and decoder
        blocks = sum(2**level * n for level, n in enumerate(both, 1)) * 2 * self.residual_blocks
        return blocks + 2 * 2 + self.stride  # of two more convolutions, and of the squares

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        _, height, width = self.input_shape
        folded = [n * (self.stride >> level) ** 2 for level, n in enumerate(self.channels, 1)]
        return (sum(folded), height // self.stride, width // self.stride)

    @model_validator(mode="after")
    def _halves_evenly(self):
        if any(side % self.stride for side in self.input_shape[1:]):
            raise ValueError(
                f"input_shape: {len(self.channels)} levels halve an image {len(self.channels)} times, so "
                f"its height and width are multiples of {self.stride}, not {self.input_shape[1:]}"
            )
        return self
