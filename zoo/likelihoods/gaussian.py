"""`gaussian`: for images, vectors and series."""

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
"""Floor of the learned scale of images: one gray level. Without it the density is unbounded."""
MIN_SCALE_OF_REALS = 1e-3
"""Floor of the learned scale of vectors and series, in standard deviations of a column."""


class GaussianLikelihood(Likelihood):
    """Independent Gaussian values around the decoder's output.

    The mean is the sigmoid of the output for images, and the output itself for vectors and series.
    Scales are relative to [0, 1] for images, else to the standard deviation of a column.
    """

    kind: Literal["gaussian"] = "gaussian"
    scale: Literal["learned", "per-column"] | Annotated[float, Field(ge=1e-3, le=1e3)] = Field(
        default="learned",
        description="learned: one scale for all values; per-column: a learned scale per column of a vector or "
        "channel of a series or image; or a fixed scale, in standard deviations of a column (images: in [0, 1])",
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
