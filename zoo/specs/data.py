"""The [data] section of a recipe: the dataset and its preprocessing. No torch here."""

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
"""Detect the image column."""


class Transform(Strict):
    """Resize, then crop to the model's height and width, then flip; `off` skips a step.

    Random crops and flips apply in training only, drawn from the seed, the epoch and the image's
    index. Elsewhere a random crop is a center crop, and nothing is flipped.
    """

    resize: Literal["off"] | Annotated[int, Field(ge=1, le=16384)] = Field(
        default="off", description="length of the shorter side in pixels, antialiased"
    )
    resampler: Literal["bilinear", "bicubic", "lanczos", "box", "nearest"] = Field(
        default="bilinear", description="interpolation of the resize"
    )
    crop: Literal["off", "center", "random"] = Field(
        default="off", description="to the model's height and width, after the resize"
    )
    flip: bool = Field(
        default=False, description="horizontal flip with probability 1/2, training only"
    )

    @property
    def is_random(self) -> bool:
        """Whether augmentation differs from epoch to epoch."""
        return self.crop == "random" or self.flip

    @property
    def in_words(self) -> str:
        """Such as `resized to 64, cropped in the center`; empty for no transform."""
        how = "" if self.resampler == "bilinear" else f" ({self.resampler})"
        steps = (
            [f"resized to {self.resize} on the shorter side{how}"] if self.resize != "off" else []
        )
        steps += {"off": [], "center": ["cropped in the center"]}.get(
            self.crop, ["cropped at random in training and in the center elsewhere"]
        )
        return ", ".join([*steps, *(["flipped at random in training"] if self.flip else [])])


class DataSettings(Strict):
    """The dataset, its splits, and how its examples are preprocessed."""

    dataset: str = Field(
        description=f"{', '.join(NAMED)}, or an installed package's; a folder of "
        "images; tar shards, such as photos/train-{000..099}.tar; hf-dataset:org/name; a folder of parquet files; "
        "a .npy or .npz file of images, rows or series"
    )
    fit: Literal["train", "train+validation"] = Field(
        default="train",
        description="train keeps the validation split for model selection; "
        "train+validation is for a final run without selection",
    )
    protocol: Protocol = Field(
        description="binarized or gray for a Bernoulli likelihood, levels for a discretized logistic one, "
        "dequantized for other images; real for rows and series"
    )
    transform: Transform = Field(
        default=Transform(),
        description="fits images of any size to the model: {resize = 64, crop = 'random', flip = true}",
    )
    column: str = Field(
        default=FOUND,
        description="image column of parquet files and hf-datasets with several candidates; for tar shards "
        "with several images per sample, the name after its first dot, such as seg.png",
    )
    max_damaged: int = Field(
        default=0,
        ge=0,
        description="unreadable or non-finite examples that may be skipped",
    )


def transform_of(fields: Mapping[str, object]) -> Transform:
    """A transform from its fields. Raises InputError listing every problem."""
    return validated(Transform, dict(fields), InputError, "The transform")


def data_settings(recipe: str) -> DataSettings:
    """The [data] section of a recipe.toml; its [model] section is not read.

    Raises RecipeError if it is invalid.
    """
    section = parsed(recipe.encode(), "The recipe").get("data", {})
    return validated(DataSettings, section, RecipeError, "The recipe's [data]")


def parsed(data: bytes, what: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises RecipeError, in which `what` names the file."""
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as broken:  # thousands of digits are a ValueError
        raise RecipeError(f"{what} is not TOML: {broken}.") from None
