"""Top-down pass through the latent groups: its records, its layers, and how latents are selected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from zoo.distributions.gaussians import normal
from zoo.models.parts.bodies import ACTIVATIONS, ResidualBlock

SelectLatents = Callable[[int, Distribution | None, Distribution | None], Tensor]
"""Latents of group i, given its prior and, if an image is encoded, its posterior."""


@dataclass
class Descent:
    """Record of a top-down pass."""

    priors: list[Distribution]
    """p(z_i | z above) of each group."""
    posteriors: list[Distribution]
    """q(z_i | z above, x) of each group; empty without an image."""
    latents: list[Tensor]
    grid: Tensor
    """The decoder's last feature map, `(N, channels[-1], h, w)`."""

    @property
    def codes(self) -> Tensor:
        """All groups, flattened and concatenated: `(N, latent_dim + ...)`."""
        return torch.cat([z.flatten(1) for z in self.latents], 1)


@dataclass
class Features:
    """Encoder features of images: a feature map and the top group's posterior."""

    grid: Tensor  # (N, channels[-1], h, w)
    loc: Tensor  # (N, latent_dim)
    scale: Tensor  # (N, latent_dim)

    @property
    def top(self) -> Independent:
        """q(z_1 | x)"""
        return normal(self.loc, self.scale, 1)

    def repeated(self, times: int) -> Features:
        """The features tiled `times` times along the batch."""
        parts = (self.grid, self.loc, self.scale)
        return Features(*(one.repeat(times, *[1] * (one.dim() - 1)) for one in parts))


class Group(nn.Module):
    """One group of latents on a grid: its prior, its posterior, and its update of the decoder."""

    def __init__(self, channels: int, width: int, blocks: int, activation: str) -> None:
        super().__init__()
        self.prior_head = nn.Conv2d(width, 2 * channels, 1)
        self.from_image = nn.Conv2d(width, width, 1)
        self.posterior_block = ResidualBlock(width, activation)
        self.posterior_head = nn.Conv2d(width, 2 * channels, 1)
        self.from_latents = nn.Conv2d(channels, width, 1)
        self.blocks = nn.ModuleList(ResidualBlock(width, activation) for _ in range(blocks))
        self.activate = ACTIVATIONS[activation]

    def prior(self, grid: Tensor) -> Tensor:
        """Mean and log-variance `(N, 2 c, h, w)` from the decoder's feature map."""
        return self.prior_head(self.activate(grid))

    def posterior(self, grid: Tensor, image: Tensor) -> Tensor:
        """Shifts `(N, 2 c, h, w)` of the prior's mean, in its standard deviations, and of its log-variance."""
        h = self.posterior_block(grid + self.from_image(image))
        return self.posterior_head(self.activate(h))

    def forward(self, grid: Tensor, z: Tensor) -> Tensor:
        """The decoder's feature map after adding latents `(N, c, h, w)`."""
        h = grid + self.from_latents(z)
        for block in self.blocks:
            h = block(h)
        return h


def posterior_samples(noise: list[Tensor]) -> SelectLatents:
    """Samples each group's posterior at standard normal noise."""

    def select(number: int, _: Distribution | None, posterior: Distribution | None) -> Tensor:
        assert posterior is not None
        return posterior.mean + posterior.stddev * noise[number]

    return select


def fixed(latents: list[Tensor]) -> SelectLatents:
    return lambda number, prior, posterior: latents[number]


def sampled_kl(descent: Descent) -> Tensor:
    """log q(z | x) - log p(z) at the latents, `(N,)` in nats."""
    groups = zip(descent.posteriors, descent.priors, descent.latents, strict=True)
    return torch.stack([q.log_prob(z) - p.log_prob(z) for q, p, z in groups]).sum(0)
