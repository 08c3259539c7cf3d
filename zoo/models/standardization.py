"""Standardization of rows and series: from the user's units to network inputs, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.specs.domains import Domain

FLOAT64 = ("standardization.mean", "standardization.scale")
"""The float64 tensors of a model's state; all other floating-point ones are float32 in a file."""


class Standardization(nn.Module):
    """(x - mean) / scale for each column of a row, or each channel of a series.

    The buffers are float64 whatever the model's dtype, so that a column such as a timestamp of
    1.7e9 keeps its digits. They are initialized to 0 and 1 and set from the training data. On a
    device without float64 they stay on the CPU, where values are then standardized.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, domain: Domain) -> None:
        super().__init__()
        columns = domain.shape if domain.kind == "vector" else (domain.shape[0], 1)
        self.repeats = domain.size // columns[0]
        self.register_buffer("mean", torch.zeros(columns, dtype=torch.float64))  # (D,) or (C, 1)
        self.register_buffer("scale", torch.ones(columns, dtype=torch.float64))

    def set(self, mean: Tensor, scale: Tensor) -> None:
        """Sets each column's mean and positive scale, `(D,)` or `(C, 1)`."""
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
        return self.base.log_prob(standardized) - self.standardization.log_volume()

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Samples `(*sample_shape, *batch, *shape)`, float64."""
        return self.standardization.restore(self.base.sample(torch.Size(sample_shape)))
