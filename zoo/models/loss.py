"""What a loss is given and what it gives: a `Batch`, a `Code`, a `Loss`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """A batch as a model computes on it: images in [0, 1], rows and series standardized.

    `input` is what the model is shown and `target` what it is to give back, `(N, *input_shape)`
    each. They are one tensor unless a model learns to restore.
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
    """A code that gradients pass through, with what a family adds to its loss."""

    z: Tensor
    """`(N, *latent_shape)`"""
    per_example: dict[str, Tensor] = field(default_factory=dict)
    """Regularizers, `(N,)` each, in nats."""
    batch: dict[str, Tensor] = field(default_factory=dict)
    """Regularizers that have no value per example: scalars, means over the batch."""
    statistics: dict[str, Tensor] = field(default_factory=dict)
    """What buffers learn from a batch without a gradient: means over its examples, for `_learn`."""


@dataclass(frozen=True)
class Loss:
    """A loss by its terms, in nats.

    Args:
        per_example: terms with a value for each example, `(N,)`.
        batch: terms of a batch as a whole, scalar tensors: a total correlation, a discriminator's
            loss.
        weights: constant weights of terms by name; a term without one has weight 1.
        statistics: what buffers learn from a batch without a gradient: means over its examples,
            for the family's `_learn`.
        floors: values below which the mean of a term is not lowered further (free bits).
    """

    per_example: dict[str, Tensor] = field(default_factory=dict)
    batch: dict[str, Tensor] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    statistics: dict[str, Tensor] = field(default_factory=dict, repr=False)
    floors: Mapping[str, float] = field(default_factory=dict)

    @property
    def terms(self) -> dict[str, Tensor]:
        """Each term's mean over the batch, a scalar tensor, not below its floor."""
        means = {name: values.mean() for name, values in self.per_example.items()}
        floored = {n: means[n].clamp(min=least) for n, least in self.floors.items() if least}
        return means | floored | self.batch

    @property
    def scores(self) -> Tensor:
        """The weighted sum of the terms that have a value per example, `(N,)`."""
        weighted = [self.weights.get(n, 1.0) * values for n, values in self.per_example.items()]
        return torch.stack(weighted).sum(0)

    @property
    def total(self) -> Tensor:
        """The weighted sum of the terms, a scalar tensor."""
        return self.scaled({})

    def scaled(self, factors: Mapping[str, float]) -> Tensor:
        """The total with some weights multiplied by a factor, by name: a warm-up."""
        return weighted_sum(self.terms, self.weights, factors)


def weighted_sum(
    terms: Mapping[str, Tensor], weights: Mapping[str, float], factors: Mapping[str, float]
) -> Tensor:
    """The sum of scalar terms, each times its weight and its factor, which are 1 where none is given."""
    weighted = [
        term * (weights.get(name, 1.0) * factors.get(name, 1.0)) for name, term in terms.items()
    ]
    return torch.stack(weighted).sum()
