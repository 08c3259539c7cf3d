"""The [data] of a recipe: which examples, and what is done to them before a model sees them. No torch here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from zoo.datasets import NAMED
from zoo.errors import InputError, RecipeError
from zoo.specs.protocols import Protocol
from zoo.specs.validation import Strict, validated

FOUND = "auto"
"""A column that is looked for."""


class Transform(Strict):
    """Resize, then crop to the model's height and width, then flip. `off` is a value.

    Training crops and flips at random where it says so, drawn from the seed, the epoch and the
    image's number. Everywhere else a random crop is the one in the center, and nothing is flipped.
    """

    resize: Literal["off"] | Annotated[int, Field(ge=1, le=16384)] = Field(
        default="off", description="pixels of the shorter side, with antialiasing"
    )
    resampler: Literal["bilinear", "bicubic", "lanczos", "box", "nearest"] = Field(
        default="bilinear", description="how a resize interpolates"
    )
    crop: Literal["off", "center", "random"] = Field(
        default="off", description="to the model's height and width, after the resize"
    )
    flip: bool = Field(default=False, description="left to right, every second time, in training")

    @property
    def is_random(self) -> bool:
        """Whether training shows an image differently from epoch to epoch."""
        return self.crop == "random" or self.flip

    @property
    def in_words(self) -> str:
        """Such as `resized to 64, cropped in the center`; nothing where nothing is done."""
        how = "" if self.resampler == "bilinear" else f" ({self.resampler})"
        said = (
            [f"resized to {self.resize} on the shorter side{how}"] if self.resize != "off" else []
        )
        said += {"off": [], "center": ["cropped in the center"]}.get(
            self.crop, ["cropped at random in training and in the center elsewhere"]
        )
        return ", ".join([*said, *(["flipped at random in training"] if self.flip else [])])


class DataSettings(Strict):
    """Which examples, which of them, and what the model is shown."""

    dataset: str = Field(
        description=f"{', '.join(NAMED)}, or an installed package's; a folder of "
        "images; tar shards, such as photos/train-{000..099}.tar; hf-dataset:org/name; a folder of parquet files; "
        "a .npy or .npz file of images, rows or series"
    )
    fit: Literal["train", "train+validation"] = Field(
        default="train",
        description="train leaves the validation split for choices; "
        "train+validation is for a final run in which nothing is chosen",
    )
    protocol: Protocol = Field(
        description="binarized or gray for a Bernoulli likelihood, levels for a discretized logistic one, "
        "dequantized for other images; real for rows and series"
    )
    transform: Transform = Field(
        default=Transform(),
        description="what makes images of any size fit: {resize = 64, crop = 'random', flip = true}",
    )
    column: str = Field(
        default=FOUND,
        description="of parquet files and hf-datasets, where several could hold images; of tar shards "
        "with several images a sample, what follows the first dot of their names, as seg.png",
    )
    max_damaged: int = Field(
        default=0,
        ge=0,
        description="examples that may be left out because they cannot be read, or are not finite",
    )


def transform_of(fields: Mapping[str, object]) -> Transform:
    """A transform from its fields. Raises InputError for mistakes, all of them listed."""
    return validated(Transform, dict(fields), InputError, "The transform")


def data_settings(recipe: str) -> DataSettings:
    """The [data] of a model's recipe.toml; the family that [model] names is not looked at.

    Raises RecipeError if it has mistakes.
    """
    section = parsed(recipe.encode(), "The recipe").get("data", {})
    return validated(DataSettings, section, RecipeError, "The recipe's [data]")


def parsed(data: bytes, what: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises RecipeError, with `what` it is."""
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as broken:  # a number of thousands of digits is one
        raise RecipeError(f"{what} is not TOML: {broken}.") from None
