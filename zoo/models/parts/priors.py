"""Learned priors: the VampPrior, a mixture of the posteriors of pseudo-inputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from zoo.distributions.mixture import NormalMixture
from zoo.specs.domains import Domain
from zoo.specs.parts import NormalPrior, VampPrior

Encode = Callable[[Tensor], Distribution]


def build_prior(prior: NormalPrior | VampPrior, domain: Domain) -> Vamp | None:
    """The module of a learned prior; None for a standard normal, which has no parameters."""
    return None if isinstance(prior, NormalPrior) else Vamp(prior.components, domain)


class Vamp(nn.Module):
    """Uniform mixture of the posteriors of K learned pseudo-inputs (Tomczak & Welling 2018, eq. 9).

    Pseudo-inputs are stored as logits for images, and as standardized values for rows and series.
    """

    def __init__(self, components: int, domain: Domain) -> None:
        super().__init__()
        self.is_image = domain.is_image
        start = torch.randn(components, *domain.shape)
        self.logits = nn.Parameter(start - 1.0 if self.is_image else start)

    def forward(self, encode: Encode) -> NormalMixture:
        """The mixture, where `encode` maps `(K, *input_shape)` to Gaussian posteriors over `(d,)`."""
        posterior = encode(torch.sigmoid(self.logits) if self.is_image else self.logits)
        assert isinstance(posterior, Independent)
        assert isinstance(posterior.base_dist, Normal)
        return NormalMixture(posterior.base_dist.loc, posterior.base_dist.scale)
