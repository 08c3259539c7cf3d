"""Going down through groups of latents: what is met on the way, and how a group is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from zoo.distributions.gaussians import normal
from zoo.models.parts.bodies import ACTIVATIONS, ResidualBlock

Choose = Callable[[int, Distribution | None, Distribution | None], Tensor]
"""The latents of group i, by its prior and, where there is an image, its posterior."""


@dataclass
class Descent:
    """A way from the top group of latents down to the image."""

    priors: list[Distribution]
    """p(z_i | z above) of each group."""
    posteriors: list[Distribution]
    """q(z_i | z above, x) of each group; empty without an image."""
    latents: list[Tensor]
    grid: Tensor
    """What the decoder makes an image of: `(N, channels[-1], h, w)`."""

    @property
    def codes(self) -> Tensor:
        """All groups, flat, one after the other: `(N, latent_dim + ...)`."""
        return torch.cat([z.flatten(1) for z in self.latents], 1)


@dataclass
class Features:
    """What the encoder knows of images: a grid, and the top group's posterior."""

    grid: Tensor  # (N, channels[-1], h, w)
    loc: Tensor  # (N, latent_dim)
    scale: Tensor  # (N, latent_dim)

    @property
    def top(self) -> Independent:
        """q(z_1 | x)"""
        return normal(self.loc, self.scale, 1)

    def repeated(self, times: int) -> Features:
        """Those of all images so many times, one after the other."""
        parts = (self.grid, self.loc, self.scale)
        return Features(*(one.repeat(times, *[1] * (one.dim() - 1)) for one in parts))


class Group(nn.Module):
    """One group of latents on a grid: its prior, its posterior, and what it does to the decoder."""

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
        """Mean and log-variance `(N, 2 c, h, w)` given the latents above, as the decoder's grid."""
        return self.prior_head(self.activate(grid))

    def posterior(self, grid: Tensor, image: Tensor) -> Tensor:
        """What the image adds, `(N, 2 c, h, w)`: to the prior's mean so many of its deviations, and to
        its log-variance."""
        h = self.posterior_block(grid + self.from_image(image))
        return self.posterior_head(self.activate(h))

    def forward(self, grid: Tensor, z: Tensor) -> Tensor:
        """The decoder's grid after latents `(N, c, h, w)`."""
        h = grid + self.from_latents(z)
        for block in self.blocks:
            h = block(h)
        return h


def at(noise: list[Tensor]) -> Choose:
    """Each posterior's draw at standard normal noise."""

    def choose(number: int, _: Distribution | None, posterior: Distribution | None) -> Tensor:
        assert posterior is not None
        return posterior.mean + posterior.stddev * noise[number]

    return choose


def given(latents: list[Tensor]) -> Choose:
    return lambda number, prior, posterior: latents[number]


def drawn_kl(descent: Descent) -> Tensor:
    """log q(z | x) - log p(z) at the latents, `(N,)` in nats."""
    groups = zip(descent.posteriors, descent.priors, descent.latents, strict=True)
    return torch.stack([q.log_prob(z) - p.log_prob(z) for q, p, z in groups]).sum(0)
