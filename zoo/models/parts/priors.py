"""Priors that are learned: a mixture of the posteriors of pseudo-inputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from zoo.distributions.mixture import NormalMixture
from zoo.specs.domains import domain_of
from zoo.specs.parts import NormalPrior, VampPrior

Encode = Callable[[Tensor], Distribution]


def build_prior(prior: NormalPrior | VampPrior, input_shape: tuple[int, ...]) -> Vamp | None:
    """The module that gives a learned prior; None for a standard normal, which has no parameters."""
    return None if isinstance(prior, NormalPrior) else Vamp(prior.components, input_shape)


class Vamp(nn.Module):
    """The mean of the posteriors of K learned pseudo-inputs (Tomczak & Welling 2018, eq. 9).

    Those of images are held as logits; those of a real domain as they are, standardized.
    """

    def __init__(self, components: int, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.is_image = domain_of(input_shape).is_image
        self.logits = nn.Parameter(torch.randn(components, *input_shape) - float(self.is_image))

    def forward(self, encode: Encode) -> NormalMixture:
        """The mixture, by the family's own `encode`: examples `(K, *input_shape)` -> Gaussians over `(d,)`."""
        posterior = encode(torch.sigmoid(self.logits) if self.is_image else self.logits)
        assert isinstance(posterior, Independent)
        assert isinstance(posterior.base_dist, Normal)
        return NormalMixture(posterior.base_dist.loc, posterior.base_dist.scale)
