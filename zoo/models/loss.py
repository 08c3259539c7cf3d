"""Inputs and outputs of a loss: `Batch`, `Code` and `Loss`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """A batch of examples: images in [0, 1], rows and series standardized.

    The model encodes `input` and reconstructs `target`, `(N, *input_shape)` each: one tensor unless
    a model learns to restore.
    """

    input: Tensor
    target: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Batch:
        """A batch whose target is its input."""
        return cls(x, x)

    def __len__(self) -> int:
        return len(self.input)


@dataclass(frozen=True)
class Code:
    """A code that gradients pass through, and the family's regularizers."""

    z: Tensor
    """`(N, *latent_shape)`"""
    per_example: dict[str, Tensor] = field(default_factory=dict)
    """Regularizers, `(N,)` each, in nats."""
    batch: dict[str, Tensor] = field(default_factory=dict)
    """Regularizers without values per example: scalars, means over the batch."""
    statistics: dict[str, Tensor] = field(default_factory=dict)
    """Means over the batch from which `_learn` updates buffers, without a gradient."""


@dataclass(frozen=True)
class Loss:
    """A loss by its terms, in nats.

    Args:
        per_example: terms with a value per example, `(N,)`.
        batch: terms of the batch as a whole, scalar tensors, such as a discriminator's loss.
        weights: constant weights of terms by name, 1 by default.
        statistics: means over the batch from which the family's `_learn` updates buffers.
        floors: lower clamps of terms' means (free bits).
    """

    per_example: dict[str, Tensor] = field(default_factory=dict)
    batch: dict[str, Tensor] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    statistics: dict[str, Tensor] = field(default_factory=dict, repr=False)
    floors: Mapping[str, float] = field(default_factory=dict)

    @property
    def terms(self) -> dict[str, Tensor]:
        """Each term's mean over the batch, a scalar tensor, clamped to its floor."""
        means = {name: values.mean() for name, values in self.per_example.items()}
        floored = {n: means[n].clamp(min=least) for n, least in self.floors.items() if least}
        return means | floored | self.batch

    @property
    def scores(self) -> Tensor:
        """The weighted sum of the terms with a value per example, `(N,)`."""
        weighted = [self.weights.get(n, 1.0) * values for n, values in self.per_example.items()]
        return torch.stack(weighted).sum(0)

    @property
    def total(self) -> Tensor:
        """The weighted sum of the terms, a scalar tensor."""
        return self.scaled({})

    def scaled(self, factors: Mapping[str, float]) -> Tensor:
        """The total with some weights multiplied by factors, by name, for a warm-up."""
        return weighted_sum(self.terms, self.weights, factors)


def weighted_sum(
    terms: Mapping[str, Tensor], weights: Mapping[str, float], factors: Mapping[str, float]
) -> Tensor:
    """The sum of scalar terms, each times its weight and factor, both 1 by default."""
    weighted = [
        term * (weights.get(name, 1.0) * factors.get(name, 1.0)) for name, term in terms.items()
    ]
    return torch.stack(weighted).sum()
