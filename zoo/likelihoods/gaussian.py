"""`gaussian`: of images, vectors and series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zoo.likelihoods.base import Likelihood
from zoo.specs.domains import KINDS, domain_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Distribution

MIN_SCALE_OF_LEVELS = 1 / 256
"""Smallest learned scale of an image's values: one gray level. Without a floor the density is unbounded."""
MIN_SCALE_OF_REALS = 1e-3
"""Smallest learned scale of a vector's or a series' values, in standard deviations of their column."""


class GaussianLikelihood(Likelihood):
    """Each value is Gaussian around the decoder's output, with one scale, one per column, or a fixed one.

    The mean is the sigmoid of the output for an image, and the output itself for a vector or a
    series. Scales are in units of [0, 1] for an image, else in standard deviations of a column.
    """

    kind: Literal["gaussian"] = "gaussian"
    scale: Literal["learned", "per-column"] | Annotated[float, Field(ge=1e-3, le=1e3)] = Field(
        default="learned",
        description="one scale for all values, one for each column of a vector or channel of a series or "
        "image, both learned; or a fixed one, in standard deviations of a column (of an image: in [0, 1])",
    )
    domains = KINDS
    protocols = ("dequantized",)

    def parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        import torch

        if isinstance(self.scale, float):
            return {}
        start = math.log(0.1) if domain_of(shape).is_image else 0.0
        columns = (shape[0], *(1 for _ in shape[1:]))  # (D,), (C, 1) or (C, 1, 1)
        sizes = columns if self.scale == "per-column" else ()
        return {"log_scale": torch.full(sizes, start)}

    def distribution(
        self, outputs: Tensor, shape: tuple[int, ...], **parameters: Tensor
    ) -> Distribution:
        import torch

        from zoo.distributions.gaussians import normal

        is_image = domain_of(shape).is_image
        if isinstance(self.scale, float):
            scale = outputs.new_tensor(self.scale)
        else:
            floor = MIN_SCALE_OF_LEVELS if is_image else MIN_SCALE_OF_REALS
            scale = floor + parameters["log_scale"].exp()
        return normal(torch.sigmoid(outputs) if is_image else outputs, scale, len(shape))

    def outputs_for(self, mean: Tensor) -> Tensor:
        return mean.logit(eps=1e-3) if domain_of(tuple(mean.shape)).is_image else mean
