"""`continuous-bernoulli`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.likelihoods.base import Likelihood

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.distributions.bernoulli import ContinuousBernoulli


class ContinuousBernoulliLikelihood(Likelihood):
    """Independent continuous Bernoulli pixels on [0, 1] (Loaiza-Ganem & Cunningham 2019)."""

    kind: Literal["continuous-bernoulli"] = "continuous-bernoulli"
    protocols = ("dequantized",)

    def distribution(
        self, outputs: Tensor, shape: tuple[int, ...], **parameters: Tensor
    ) -> ContinuousBernoulli:
        from zoo.distributions.bernoulli import ContinuousBernoulli

        return ContinuousBernoulli(outputs, len(shape))

    def outputs_for(self, mean: Tensor) -> Tensor:
        return mean.logit(eps=1e-3)
