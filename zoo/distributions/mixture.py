"""A uniform mixture of diagonal Gaussians."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution


class NormalMixture(Distribution):
    """A uniform mixture of K diagonal Gaussians over vectors `(d,)`."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale  # (K, d)
        super().__init__(torch.Size(), loc.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc.mean(0)

    @property
    def variance(self) -> Tensor:
        return (self.scale.square() + self.loc.square()).mean(0) - self.mean.square()

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density `(*batch,)` in nats of vectors `(*batch, d)`."""
        z = value.float().flatten(0, -2)  # (B, d)
        precision = self.scale.pow(-2)
        centered = self.loc * precision  # squares are expanded to avoid a (B, K, d) tensor
        squares = (
            z.square() @ precision.T - 2 * z @ centered.T + (self.loc * centered).sum(1)
        )  # (B, K)
        volume = self.scale.log().sum(1) + 0.5 * math.log(2 * math.pi) * z.shape[1]  # (K,)
        scores = (-0.5 * squares - volume).logsumexp(1) - math.log(len(self.loc))
        return scores.view(value.shape[:-1])

    def codes_from(self, noise: Tensor, temperature: float = 1.0) -> Tensor:
        """Samples `(n, d)` at standard normal noise `(n, d + 1)`, whose last column selects the component."""
        chosen = torch.special.ndtr(noise[:, -1].float()) * len(self.loc)
        component = chosen.long().clamp_(max=len(self.loc) - 1)
        return self.loc[component] + temperature * self.scale[component] * noise[:, :-1].float()

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Samples `(*sample_shape, d)`."""
        noise = torch.randn(math.prod(sample_shape), self.loc.shape[1] + 1, device=self.loc.device)
        with torch.no_grad():
            return self.codes_from(noise).view(*sample_shape, *self.event_shape)
