"""`Objective`: a loss as a function of a model's parts, a batch and its random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.models.loss import Batch, Loss
from zoo.models.primitives import Primitives, full_precision
from zoo.specs.objectives import Gradient, ObjectiveSettings

Distance = Callable[[Tensor, Tensor], Tensor]
"""Distance `(N,)` between pairs of images `(N, C, H, W)` in [0, 1]."""
Shape = tuple[int, ...]
Settings = TypeVar("Settings", bound=ObjectiveSettings)


class Objective(Generic[Settings]):
    """An objective with its settings; terms have a value per example wherever that is defined."""

    def __init__(self, settings: Settings, gradient: Gradient = "reparameterized") -> None:
        self.settings, self.gradient = settings, gradient

    def noise(
        self, model: Primitives, code: Shape, size: int, generator: torch.Generator | None = None
    ) -> Tensor | None:
        """The random numbers of a whole batch's loss, one row per example; or None.

        `code` is the shape of one example's code.
        """
        if self.samples_posterior(model):
            return model._noise(code, size, generator)
        return model._code_noise(size, generator)

    def samples_posterior(self, model: Primitives) -> bool:
        """Whether its noise is standard normal, a vector per posterior sample; else that of `_code`."""
        return True

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        """The loss of a batch, given its rows of the noise."""
        raise NotImplementedError


def reconstruction(model: Primitives, likelihood: Distribution, target: Tensor) -> Tensor:
    """-log p(target | z) of each example, `(*draws, N)` in nats; for real domains, in the user's units."""
    with full_precision(target.device):
        nats = -likelihood.log_prob(target.float())
        if model.standardization is not None:
            nats = nats + model.standardization.log_volume_of(target)
        return nats
