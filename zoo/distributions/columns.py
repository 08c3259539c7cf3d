"""A distribution over rows whose columns are real, binary or categorical, independent given a code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution


@dataclass(frozen=True)
class Places:
    """Where the columns of each kind are in a row, and in a decoder's outputs: integer tensors.

    R columns are real, B are binary, and n have K categories, for each K of `categorical`.
    """

    real: tuple[Tensor, Tensor]
    """Columns and outputs, `(R,)` each."""
    binary: tuple[Tensor, Tensor]
    """Columns and outputs, `(B,)` each."""
    categorical: tuple[tuple[Tensor, Tensor], ...]
    """Columns `(n,)` and outputs `(n, K)`, for each K."""
    order: Tensor
    """`(D,)`: for each column its place among the real, binary and categorical ones, joined."""


class Columns(Distribution):
    """Independent Gaussian, Bernoulli and categorical columns of rows `(D,)`.

    A binary column holds 0 or 1, a categorical one of K categories a code from 0 to K - 1. NaN is a
    missing value. Given a code the columns are independent, so the log-probability of the observed
    ones is their sum, and missing ones are left out of it (cf. Mattei & Frellsen 2019, section 2).

    Args:
        outputs: `(*batch, F)`: the mean of a real column, the logit of a binary one, and K logits of a
            categorical one.
        scale: standard deviation of each real column, `(R,)`, in their order.
        places: where the columns are.
    """

    def __init__(self, outputs: Tensor, scale: Tensor, places: Places) -> None:
        self.scale, self.places = scale, places
        self.loc = outputs[..., places.real[1]]  # (*batch, R)
        self.logits = outputs[..., places.binary[1]]  # (*batch, B)
        self.scores = [  # log-probabilities (*batch, n, K)
            outputs[..., index].log_softmax(-1) for _, index in places.categorical
        ]
        event = torch.Size((len(places.order),))
        super().__init__(outputs.shape[:-1], event, validate_args=False)

    def __repr__(self) -> str:
        groups = [
            f"{len(columns)} of {index.shape[1]}" for columns, index in self.places.categorical
        ]
        kinds = f"{self.loc.shape[-1]} real, {self.logits.shape[-1]} binary"
        kinds += f", {' and '.join(groups)} categories" if groups else ""
        return f"{type(self).__name__}({kinds}: {tuple(self.batch_shape + self.event_shape)})"

    @property
    def mean(self) -> Tensor:
        """What to expect of each column, `(*batch, D)`.

        The mean of a real column, the probability of 1 of a binary one, and the most probable code of
        a categorical one.
        """
        codes = [scores.argmax(-1).to(scores.dtype) for scores in self.scores]
        return self._in_order([self.loc, torch.sigmoid(self.logits), *codes])

    @property
    def variance(self) -> Tensor:
        """Variance of each column, `(*batch, D)`.

        For a categorical column, of the event that it has its most probable code.
        """
        chances = [torch.sigmoid(self.logits), *(scores.amax(-1).exp() for scores in self.scores)]
        real = self.scale.square().expand_as(self.loc)
        return self._in_order([real, *(p * (1 - p) for p in chances)])

    @property
    def probabilities(self) -> Mapping[int, Tensor]:
        """The probability of each code, `(*batch, K)`, by the number of each categorical column."""
        found = {}
        for (columns, _), scores in zip(self.places.categorical, self.scores, strict=True):
            found |= zip(columns.tolist(), scores.exp().unbind(-2), strict=True)
        return dict(sorted(found.items()))

    def per_value(self, value: Tensor) -> Tensor:
        """Log-probability in nats of each value of rows `(..., D)`: `(..., D)`, 0 for a missing one.

        Of a real column it is a log-density.
        """
        missing = torch.isnan(value)
        value = value.masked_fill(missing, 0.0)
        real, binary = value[..., self.places.real[0]], value[..., self.places.binary[0]]
        deviations = (real - self.loc) / self.scale
        constant = self.scale.log() + 0.5 * math.log(2 * math.pi)
        parts = [
            -0.5 * deviations.square() - constant,
            binary * self.logits - F.softplus(self.logits),
        ]
        for (columns, _), scores in zip(self.places.categorical, self.scores, strict=True):
            codes = value[..., columns].long().clamp(0, scores.shape[-1] - 1)  # (..., n)
            shape = torch.broadcast_shapes(codes.shape, scores.shape[:-1])
            chosen = codes.expand(shape)[..., None]
            parts.append(scores.expand(*shape, -1).gather(-1, chosen)[..., 0])
        return self._in_order(parts).masked_fill(missing, 0.0)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability in nats of each row `(..., D)`, summed over its observed columns."""
        return self.per_value(value).sum(-1)

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Sampled rows `(*sample_shape, *batch, D)`: real numbers, zeros and ones, and codes."""
        with torch.no_grad():
            loc = self.loc.expand(*sample_shape, *self.loc.shape)
            chance = torch.sigmoid(self.logits).expand(*sample_shape, *self.logits.shape)
            drawn = [loc + self.scale * torch.randn_like(loc), torch.bernoulli(chance)]
            for scores in self.scores:
                noise = torch.empty(*sample_shape, *scores.shape, device=scores.device)
                gumbel = -noise.exponential_().log()
                drawn.append((scores + gumbel).argmax(-1).to(loc.dtype))
            return self._in_order(drawn)

    def _in_order(self, parts: Sequence[Tensor]) -> Tensor:
        """Columns by kind, `(..., n)` each, in the order of the row: `(..., D)`."""
        return torch.cat([*parts], -1)[..., self.places.order]


def features_of(x: Tensor, source: Tensor, code: Tensor) -> Tensor:
    """What an encoder sees of rows `(*batch, D)`: `(*batch, F)`, zeros for a missing value.

    Args:
        x: rows; NaN is a missing value.
        source: the column of each feature, `(F,)`.
        code: the code for which a feature is 1, `(F,)`; -1 for the column itself.
    """
    values = x[..., source]
    hot = (values == code).to(x.dtype)
    return torch.where(code < 0, values, hot).masked_fill(torch.isnan(values), 0.0)
