"""How images are corrupted: settings of trainings and of protocols of restoration. No torch here.

Strengths are a number, or two between which each image draws its own. Pixels are in [0, 1]: a sigma of
25 of 255 levels is `"25/255"`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from zoo.errors import RecipeError
from zoo.specs.data import parsed
from zoo.specs.validation import Strict, validated

_RATIO = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)")


def as_number(value: Any) -> Any:
    """A ratio such as `"25/255"` as a number; anything else unchanged."""
    found = _RATIO.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not float(found[2]):
        return value
    return float(found[1]) / float(found[2])


def _as_range(value: Any) -> Any:
    """One strength as a range of one."""
    if isinstance(value, list | tuple):
        return tuple(as_number(one) for one in value)
    number = as_number(value)
    if isinstance(number, str):
        raise ValueError(f'{number!r} is no number, ratio such as "25/255" or range [low, high]')
    return (number, number) if isinstance(number, int | float) else number


def _in_unit(sigma: float) -> float:
    if sigma > 1:
        raise ValueError(f'pixels are in [0, 1], and {sigma:g} is above 1: write "{sigma:g}/255"')
    return sigma


Sigma = Annotated[float, Field(ge=0), AfterValidator(_in_unit)]
Share = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[float, Field(ge=0, le=20)]
Photons = Annotated[float, Field(ge=0.1, le=10_000)]
ONE_OR_RANGE = BeforeValidator(_as_range)


class _Corruption(Strict):
    probability: float = Field(
        default=1.0, gt=0, le=1, description="that an image is corrupted so, in training"
    )

    @property
    def in_words(self) -> str:
        """Such as `gaussian, sigma 0 to 0.2157`."""
        words = [str(self.model_dump()["kind"])]
        for name, value in self:
            if isinstance(value, tuple):
                low, high = (f"{one:.4g}" for one in value)
                words.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
            elif name != "kind" and (name, value) != ("probability", 1):
                words.append(f"{name} {value}")
        return ", ".join(words)

    @model_validator(mode="after")
    def _ranges_ascend(self):
        for name, value in self:
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(
                    f"{name}: a range goes from the smaller to the larger, not {list(value)}"
                )
        return self


class GaussianNoise(_Corruption):
    """Independent Gaussian noise; pixels are not clipped."""

    kind: Literal["gaussian"] = "gaussian"
    sigma: Annotated[tuple[Sigma, Sigma], ONE_OR_RANGE] = Field(
        description='standard deviation, pixels in [0, 1]: 0.1, "25/255", or [0.0, 0.4]'
    )


class PoissonNoise(_Corruption):
    """Photon counts, over the count at white; pixels are not clipped."""

    kind: Literal["poisson"] = "poisson"
    peak: Annotated[tuple[Photons, Photons], ONE_OR_RANGE] = Field(description="photons at white")


class SaltPepper(_Corruption):
    """Some pixels are black or white, in all channels."""

    kind: Literal["salt-pepper"] = "salt-pepper"
    share: Annotated[tuple[Share, Share], ONE_OR_RANGE] = Field(description="share of the pixels")


class Mask(_Corruption):
    """Some pixels, or squares of them, are 0 in all channels."""

    kind: Literal["mask"] = "mask"
    share: Annotated[tuple[Share, Share], ONE_OR_RANGE] = Field(
        description="probability that a pixel, or a square, is missing"
    )
    side: int = Field(default=1, ge=1, le=512, description="side of the squares in pixels")


class Blur(_Corruption):
    """A Gaussian blur; edges are repeated."""

    kind: Literal["blur"] = "blur"
    sigma: Annotated[tuple[Pixels, Pixels], ONE_OR_RANGE] = Field(
        description="standard deviation in pixels"
    )


class Downscale(_Corruption):
    """Means over squares, each repeated to the image's size."""

    kind: Literal["downscale"] = "downscale"
    factor: int = Field(ge=2, le=16, description="side of the squares in pixels")


Corruption = Annotated[
    GaussianNoise | PoissonNoise | SaltPepper | Mask | Blur | Downscale,
    Field(discriminator="kind"),
]


def _as_tuple(value: Any) -> Any:
    if isinstance(value, dict):
        return (value,)
    return () if value == "off" else tuple(value) if isinstance(value, list) else value


Corruptions = Annotated[tuple[Corruption, ...], BeforeValidator(_as_tuple), Field(max_length=8)]
"""Several in order; a single one may be written without a list, and none as "off"."""


class _OfTraining(Strict):
    model_config = ConfigDict(extra="ignore")

    corruption: Corruptions = ()


def corruptions_of(recipe: str) -> tuple[Corruption, ...]:
    """The corruptions of a recipe.toml; the rest of it is not read. Raises RecipeError if they are invalid."""
    section = parsed(recipe.encode(), "The recipe").get("training", {})
    return validated(_OfTraining, section, RecipeError, "The recipe's [training]").corruption
