"""The importance-weighted bound as it is trained: doubly reparameterized, and at a few of its draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Codes = Callable[[Tensor], Tensor]
"""Standard normal noise `(K, N, *latent_shape)` -> codes of the posteriors."""
Weigh = Callable[[Tensor], Tensor]
"""Codes `(K, N, *latent_shape)` -> the logarithms of their weights, `(K, N)`."""


def log_weight_sum(
    codes: Codes, weigh: Weigh, noise: Tensor, doubly: bool, resampled: Literal["off"] | int
) -> Tensor:
    """log of the sum of K draws' weights of each image, `(N,)` in nats, to be trained on.

    Args:
        codes: of the posteriors.
        weigh: by posteriors without gradient where it comes doubly reparameterized.
        noise: `(K, N, *latent_shape)`; with `resampled` `(K + 1, N, *latent_shape)`, of which the last chooses.
        doubly: the doubly reparameterized gradient (Tucker et al. 2019, eq. 8).
        resampled: draws, chosen by their weight, at which the gradient is taken. Its mean is that
            of all draws (Burda et al. 2016, section 3).
    """
    if resampled == "off":
        z = codes(noise)
        return (_doubly_reparameterized(weigh, z) if doubly else weigh(z)).logsumexp(0)
    noise, chooser = noise[:-1], noise[-1].flatten(1)[:, 0]
    with torch.no_grad():
        weights = weigh(codes(noise))
        shares = weights.softmax(0)
        chosen = systematic(shares, chooser, resampled)  # (resampled, N)
    images = torch.arange(noise.shape[1], device=noise.device)
    z = codes(noise[chosen, images])
    if doubly:
        z = _with_gradient_times(shares[chosen, images], z)
    mean = weigh(z).mean(0)
    return weights.logsumexp(0) + mean - mean.detach()


def systematic(shares: Tensor, noise: Tensor, count: int) -> Tensor:
    """Which of K draws `count` even steps through their shares `(K, N)` fall on: `(count, N)`.

    Standard normal noise `(N,)` draws where the first step falls, so that a draw is taken `count`
    times its share, in the mean (Kitagawa 1996).
    """
    steps = torch.arange(count, device=noise.device)[:, None] + torch.special.ndtr(noise.float())
    ends = shares.cumsum(0).T.contiguous()  # (N, K)
    found = torch.searchsorted(ends, (steps / count).T.contiguous(), right=True)  # (N, count)
    return found.T.clamp(max=len(shares) - 1).contiguous()


def _doubly_reparameterized(weigh: Weigh, z: Tensor) -> Tensor:
    """The draws' weights, of whose gradient a draw's share comes to its code once more: of its square, eq. 8."""
    if torch.compiler.is_compiling():  # a graph's hook cannot wait for the shares
        with torch.no_grad():
            shares = weigh(z).softmax(0)
        return weigh(_with_gradient_times(shares, z))
    weights = weigh(z)
    shares = weights.detach().softmax(0)
    if z.requires_grad:
        z.register_hook(lambda gradient: _scaled(gradient, shares))
    return weights


def _with_gradient_times(factors: Tensor, z: Tensor) -> Tensor:
    """The same codes `(K, N, *latent_shape)`, whose gradient is multiplied by each one's factor `(K, N)`."""
    return z.detach() + _scaled(z - z.detach(), factors)


def _scaled(codes: Tensor, factors: Tensor) -> Tensor:
    """Codes `(K, N, *latent_shape)`, each times its factor `(K, N)`."""
    return codes * factors.view(*factors.shape, *[1] * (codes.dim() - 2))
