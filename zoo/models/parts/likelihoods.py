"""Likelihoods: from a decoder's logits to a distribution over images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from zoo.models.parts.discretized import DiscretizedLogisticImage, logistics_of
from zoo.specs.parts import DiscretizedLogisticLikelihood, Likelihood

MIN_SCALE = 1 / 256
"""Least scale of a Gaussian pixel: one gray level. Without a floor the density is unbounded."""


class BernoulliImage(Distribution):
    """Independent coins over the pixels of an image, by their logits `(*batch, C, H, W)`.

    The log-probability is linear in the image, so a gray image gets its cross-entropy. It is
    computed as `x . logits - sum softplus(logits)`, for any number of codes per image at once.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape[:-3], logits.shape[-3:], validate_args=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(logits: {tuple(self.logits.shape)})"

    @property
    def mean(self) -> Tensor:
        """Probability of each pixel, `(*batch, C, H, W)`."""
        return torch.sigmoid(self.logits)

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Images of zeros and ones, `(*sample_shape, *batch, C, H, W)`."""
        with torch.no_grad():
            return torch.bernoulli(self.mean.expand(*sample_shape, *self.logits.shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats of each image `(..., C, H, W)`, summed over its pixels."""
        logits, value = self.logits.flatten(-3), value.flatten(-3)  # (*batch, D)
        if logits.requires_grad and logits.dim() == 2:  # one code an image: published bits stay
            return torch.einsum("...d,...d->...", logits, value) - F.softplus(logits).sum(-1)
        softplus = _SoftplusSum.apply(logits)
        assert isinstance(softplus, Tensor)
        return (logits * value).sum(-1) - softplus


class _SoftplusSum(torch.autograd.Function):
    """The sum of log(1 + exp(l)) over the last dimension of `(*batch, D)`.

    Logarithms cost a processor the most, so that one is taken of 16 values' product. As exact: a
    sigmoid of |l| is a half or more, and such a product does not underflow.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.save_for_backward(logits)
        factors = logits.abs().sigmoid_()
        for _ in range(4):
            if factors.shape[-1] % 2 == 0:
                left, right = factors.chunk(2, -1)
                factors = left * right
        return F.relu(logits).sum(-1) - factors.log_().sum(-1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]  # one input
        (logits,) = ctx.saved_tensors
        return logits.sigmoid() * gradient[..., None]


class ContinuousBernoulliImage(BernoulliImage):
    """Independent continuous Bernoulli pixels on [0, 1] (Loaiza-Ganem & Cunningham 2019, eq. 5).

    By a pixel's logit l its density is exp(x l) / (1 + exp(l)) times the constant l / tanh(l / 2),
    which makes it integrate to one. Computed from the logits, it holds for any of them; torch's own
    distribution works with clamped probabilities and loses the constant beyond |l| = 16.
    """

    @property
    def mean(self) -> Tensor:
        """Expected value of each pixel, `(*batch, C, H, W)`: 1 / (1 - exp(-l)) - 1 / l.

        Near zero, where the terms cancel, from its series: exact also where a graph has no expm1.
        """
        near, far = _split_at_zero(self.logits, 0.5)
        square = self.logits.square()
        series = 0.5 + self.logits * (1 / 12 - square * (1 / 720 - square / 30_240))
        return torch.where(near, series, -1 / torch.expm1(-far) - 1 / far)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats of each image's density `(..., C, H, W)`, summed over its pixels."""
        near, far = _split_at_zero(self.logits, 0.02)
        size = far.abs()  # the constant is even in the logit
        exact = size.log() - torch.log(torch.tanh(size / 2))
        constant = torch.where(near, math.log(2) + self.logits.square() / 12, exact)
        return super().log_prob(value) + constant.flatten(-3).sum(-1)


def _split_at_zero(logits: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Where a logit is so near zero that a series is better, and the logits with 1 in those places."""
    near = logits.abs() < bound
    return near, torch.where(near, 1.0, logits)


class Bernoulli(nn.Module):
    """Logits -> coins."""

    def distribution(self, logits: Tensor) -> Distribution:
        return BernoulliImage(logits)

    def logits_of(self, mean: Tensor) -> Tensor:
        """Logits whose expected image is `mean`."""
        return torch.logit(mean, eps=1e-3)


class ContinuousBernoulliPixels(Bernoulli):
    """Logits -> continuous Bernoulli pixels."""

    def distribution(self, logits: Tensor) -> Distribution:
        return ContinuousBernoulliImage(logits)


class Gaussian(Bernoulli):
    """Logits -> Gaussian pixels around their sigmoid, with one learned scale for all."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(0.1)))

    def distribution(self, logits: Tensor) -> Distribution:
        scale = MIN_SCALE + self.log_scale.float().exp()
        return Independent(Normal(torch.sigmoid(logits), scale, validate_args=False), 3, False)


class DiscretizedLogistic(Bernoulli):
    """What a decoder gives -> 256 levels, by a mixture of discretized logistics."""

    def __init__(self, components: int) -> None:
        super().__init__()
        self.components = components

    def distribution(self, logits: Tensor) -> Distribution:
        return DiscretizedLogisticImage(logits, self.components)

    def logits_of(self, mean: Tensor) -> Tensor:
        return logistics_of(mean, self.components)


def build_likelihood(likelihood: Likelihood) -> Bernoulli:
    """The module that turns what a decoder gives into a distribution over images `(*batch, C, H, W)`.

    That is a logit for every value, or as many numbers a pixel as `likelihood.outputs` says.
    """
    if isinstance(likelihood, DiscretizedLogisticLikelihood):
        return DiscretizedLogistic(likelihood.components)
    kinds = {
        "bernoulli": Bernoulli,
        "continuous-bernoulli": ContinuousBernoulliPixels,
        "gaussian": Gaussian,
    }
    return kinds[likelihood.kind]()
