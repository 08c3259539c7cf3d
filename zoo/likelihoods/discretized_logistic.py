"""`discretized-logistic`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zoo.likelihoods.base import Likelihood

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.distributions.discretized_logistic import DiscretizedLogisticImage


class DiscretizedLogisticLikelihood(Likelihood):
    """Mixture of discretized logistics over 256 levels (Salimans et al. 2017).

    The channels of a pixel share the mixture component, and the mean of each channel depends linearly
    on the preceding channels.
    """

    kind: Literal["discretized-logistic"] = "discretized-logistic"
    components: int = Field(default=5, ge=1, le=100, description="mixture components per pixel")
    protocols = ("levels",)

    def outputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """K (C + 1) (C + 2) / 2 channels: per component a weight, C means, C scales, C (C - 1) / 2 couplings."""
        channels, *size = shape
        return (self.components * (channels + 1) * (channels + 2) // 2, *size)

    def distribution(
        self, outputs: Tensor, shape: tuple[int, ...], **parameters: Tensor
    ) -> DiscretizedLogisticImage:
        from zoo.distributions.discretized_logistic import DiscretizedLogisticImage

        return DiscretizedLogisticImage(outputs, self.components)

    def outputs_for(self, mean: Tensor) -> Tensor:
        from zoo.distributions.discretized_logistic import logistics_of

        return logistics_of(mean, self.components)
