"""`bernoulli`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.likelihoods.base import Likelihood

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.distributions.bernoulli import Bernoulli


class BernoulliLikelihood(Likelihood):
    """Independent Bernoulli pixels; the decoder outputs logits."""

    kind: Literal["bernoulli"] = "bernoulli"
    protocols = ("binarized", "gray")

    def distribution(
        self, outputs: Tensor, shape: tuple[int, ...], **parameters: Tensor
    ) -> Bernoulli:
        from zoo.distributions.bernoulli import Bernoulli

        return Bernoulli(outputs, len(shape))

    def outputs_for(self, mean: Tensor) -> Tensor:
        return mean.logit(eps=1e-3)
