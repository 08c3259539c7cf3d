"""Standardization of rows and series: from the user's units to network inputs, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from zoo.distributions.columns import Columns
from zoo.errors import InputError
from zoo.specs.domains import Domain

FLOAT64 = ("standardization.mean", "standardization.scale")
"""The float64 tensors of a model's state; all other floating-point ones are float32 in a file."""


class Standardization(nn.Module):
    """(x - mean) / scale for each column of a row, or each channel of a series.

    The buffers are float64 whatever the model's dtype, so that a column such as a timestamp of
    1.7e9 keeps its digits. They are initialized to 0 and 1 and set from the training data. On a
    device without float64 they stay on the CPU, where values are then standardized.

    Args:
        domain: rows or series.
        columns: which columns, or channels, are standardized; the others keep mean 0 and scale 1. None
            is all of them.
        has_missing: whether NaN is a missing value.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, domain: Domain, columns: tuple[bool, ...] | None = None, has_missing: bool = False
    ) -> None:
        super().__init__()
        self.columns, self.has_missing = columns, has_missing
        shape = domain.shape if domain.kind == "vector" else (domain.shape[0], 1)
        self.repeats = domain.size // shape[0]
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))  # (D,) or (C, 1)
        self.register_buffer("scale", torch.ones(shape, dtype=torch.float64))

    def set(self, mean: Tensor, scale: Tensor) -> None:
        """Sets each column's mean and positive scale, `(D,)` or `(C, 1)`, where it is standardized."""
        if self.columns is not None:
            kept = ~torch.tensor(self.columns, device=mean.device).view_as(mean)
            mean, scale = mean.masked_fill(kept, 0.0), scale.masked_fill(kept, 1.0)
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Standardizes values `(*batch, *shape)` in the user's units; float64."""
        return (x.to(self.mean.device, torch.float64) - self.mean) / self.scale

    def restore(self, x: Tensor) -> Tensor:
        """Maps standardized values `(*batch, *shape)` to the user's units; float64."""
        return x.to(self.mean.device, torch.float64) * self.scale + self.mean

    def log_volume(self) -> Tensor:
        """log |dx/dy| for x = scale * y + mean, summed over an example: a float32 scalar in nats."""
        return (self.scale.log().sum() * self.repeats).float()

    def log_volume_of(self, x: Tensor) -> Tensor:
        """`log_volume` of the observed values of each example `(*batch, *shape)`.

        A scalar, or `(*batch,)` where NaN is a missing value.
        """
        if not self.has_missing:
            return self.log_volume()
        observed = (~torch.isnan(x)).to(self.scale.device, torch.float64)
        nats = observed * self.scale.log()
        return nats.flatten(x.dim() - self.scale.dim()).sum(-1).to(x.device, torch.float32)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves the buffers with the model but keeps their dtype; they stay put without float64 support."""
        for name, buffer in self._buffers.items():
            assert buffer is not None
            device = fn(torch.empty(0)).device
            if device.type != "mps":
                self._buffers[name] = buffer.to(device)
        return self


class Restored(Distribution):
    """A distribution over standardized values, transformed to the user's units."""

    def __init__(self, base: Distribution, standardization: Standardization) -> None:
        self.base, self.standardization = base, standardization
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The expected example, `(*batch, *shape)`, float64."""
        return self.standardization.restore(self.base.mean)

    @property
    def stddev(self) -> Tensor:
        """Standard deviation of each value, `(*batch, *shape)`, float64."""
        return self.base.stddev.double() * self.standardization.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density in nats of examples `(..., *shape)` in the user's units."""
        standardized = self.standardization(value).float()
        return self.base.log_prob(standardized) - self.standardization.log_volume_of(standardized)

    def per_value(self, value: Tensor) -> Tensor:
        """Log-density in nats of each value of examples `(..., *shape)`, 0 for a missing one.

        In the user's units; `log_prob` is its sum. Raises InputError for a likelihood whose values are
        not independent.
        """
        standardized = self.standardization(value).float()
        if isinstance(self.base, Independent):
            nats = self.base.base_dist.log_prob(standardized)
        elif isinstance(self.base, Columns):
            nats = self.base.per_value(standardized)
        else:
            raise InputError(f"{type(self.base).__name__} has no log-density per value.")
        volume = self.standardization.scale.log().to(nats.device, nats.dtype)
        return nats - torch.where(torch.isnan(standardized), 0.0, volume)

    @property
    def probabilities(self) -> Mapping[int, Tensor]:
        """The probability of each code, `(*batch, K)`, by the number of each categorical column.

        Empty for a likelihood without categorical columns.
        """
        return self.base.probabilities if isinstance(self.base, Columns) else {}

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Samples `(*sample_shape, *batch, *shape)`, float64."""
        return self.standardization.restore(self.base.sample(torch.Size(sample_shape)))
