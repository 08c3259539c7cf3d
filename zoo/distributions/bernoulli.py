"""Bernoulli and continuous Bernoulli distributions over whole examples, from logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution


class Bernoulli(Distribution):
    """Independent Bernoulli distribution over the values of an example, from logits.

    The log-probability is linear in the example, so for a gray image it is the negative
    cross-entropy. It is computed as `x . logits - sum softplus(logits)`, for any number of codes per
    example at once.

    Args:
        logits: `(*batch, *event)`.
        event_dims: number of dimensions of an example: 3 for an image `(C, H, W)`.
    """

    def __init__(self, logits: Tensor, event_dims: int = 3) -> None:
        self.logits, self.event_dims = logits, event_dims
        batch, event = logits.shape[:-event_dims], logits.shape[-event_dims:]
        super().__init__(batch, event, validate_args=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(logits: {tuple(self.logits.shape)})"

    @property
    def mean(self) -> Tensor:
        """Probability of each value, `(*batch, *event)`."""
        return torch.sigmoid(self.logits)

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Samples of zeros and ones, `(*sample_shape, *batch, *event)`."""
        with torch.no_grad():
            return torch.bernoulli(self.mean.expand(*sample_shape, *self.logits.shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability in nats of each example `(..., *event)`, summed over its values."""
        logits, value = self._flat(self.logits), self._flat(value)  # (*batch, D)
        if logits.requires_grad and logits.dim() == 2:  # published weights depend on its rounding
            return torch.einsum("...d,...d->...", logits, value) - F.softplus(logits).sum(-1)
        softplus = _SoftplusSum.apply(logits)
        assert isinstance(softplus, Tensor)
        return (logits * value).sum(-1) - softplus

    def per_value(self, value: Tensor) -> Tensor:
        """Log-probability in nats of each value of examples `(..., *event)`; `log_prob` is its sum."""
        return self.logits * value - F.softplus(self.logits)

    def _flat(self, values: Tensor) -> Tensor:
        return values.flatten(-self.event_dims)


class _SoftplusSum(torch.autograd.Function):
    """The sum of log(1 + exp(l)) over the last dimension of `(*batch, D)`.

    Logarithms dominate the cost on a CPU, so one is taken per product of 16 values. This loses no
    accuracy: sigmoid(|l|) is at least 1/2, so the product does not underflow.
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


class ContinuousBernoulli(Bernoulli):
    """Independent continuous Bernoulli distribution on [0, 1] (Loaiza-Ganem & Cunningham 2019, eq. 5).

    For a logit l the density of a value x is exp(x l) / (1 + exp(l)) times the normalizing constant
    l / tanh(l / 2). Computed from logits it is accurate everywhere, while torch's implementation
    clamps probabilities and is wrong beyond |l| = 16.
    """

    @property
    def mean(self) -> Tensor:
        """Mean of each value, `(*batch, *event)`: 1 / (1 - exp(-l)) - 1 / l.

        Near zero, where the terms cancel, a series is used, which is accurate also in graphs without expm1.
        """
        near, far = _split_at_zero(self.logits, 0.5)
        square = self.logits.square()
        series = 0.5 + self.logits * (1 / 12 - square * (1 / 720 - square / 30_240))
        return torch.where(near, series, -1 / torch.expm1(-far) - 1 / far)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats of each example `(..., *event)`, summed over its values."""
        return super().log_prob(value) + self._flat(self._log_constant()).sum(-1)

    def per_value(self, value: Tensor) -> Tensor:
        """Log-density in nats of each value of examples `(..., *event)`; `log_prob` is its sum."""
        return super().per_value(value) + self._log_constant()

    def _log_constant(self) -> Tensor:
        near, far = _split_at_zero(self.logits, 0.02)
        size = far.abs()  # the constant is an even function of the logit
        exact = size.log() - torch.log(torch.tanh(size / 2))
        return torch.where(near, math.log(2) + self.logits.square() / 12, exact)


def _split_at_zero(logits: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Mask of logits near zero, and the logits with those replaced by 1."""
    near = logits.abs() < bound
    return near, torch.where(near, 1.0, logits)
