"""Gradient estimators of the importance-weighted bound: doubly reparameterized, and resampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

ToCodes = Callable[[Tensor], Tensor]
"""Standard normal noise `(K, N, *latent_shape)` -> posterior samples."""
LogWeights = Callable[[Tensor], Tensor]
"""Codes `(K, N, *latent_shape)` -> log importance weights `(K, N)`."""


def log_weight_sum(
    codes: ToCodes,
    log_weights: LogWeights,
    noise: Tensor,
    doubly: bool,
    resampled: Literal["off"] | int,
) -> Tensor:
    """log of the summed importance weights of each example, `(N,)` in nats, with a gradient.

    Args:
        codes: maps noise to posterior samples.
        log_weights: uses detached posteriors if `doubly`.
        noise: `(K, N, *latent_shape)`; with `resampled`, `(K + 1, N, *latent_shape)`: the last row drives it.
        doubly: the doubly reparameterized gradient (Tucker et al. 2019, eq. 8).
        resampled: number of samples, resampled by weight, through which to backpropagate: an
            unbiased estimate of the full gradient (Burda et al. 2016, section 3).
    """
    if resampled == "off":
        z = codes(noise)
        return (_doubly_reparameterized(log_weights, z) if doubly else log_weights(z)).logsumexp(0)
    noise, selector = noise[:-1], noise[-1].flatten(1)[:, 0]
    with torch.no_grad():
        logs = log_weights(codes(noise))
        normalized = logs.softmax(0)
        chosen = systematic(normalized, selector, resampled)  # (resampled, N)
    examples = torch.arange(noise.shape[1], device=noise.device)
    z = codes(noise[chosen, examples])
    if doubly:
        z = _with_scaled_gradient(z, normalized[chosen, examples])
    mean = log_weights(z).mean(0)
    return logs.logsumexp(0) + mean - mean.detach()


def systematic(weights: Tensor, noise: Tensor, count: int) -> Tensor:
    """Systematic resampling (Kitagawa 1996): indices `(count, N)` of samples with normalized weights `(K, N)`.

    Standard normal noise `(N,)` sets the offset. Each sample is selected `count` times its weight in
    expectation.
    """
    steps = torch.arange(count, device=noise.device)[:, None] + torch.special.ndtr(noise.float())
    ends = weights.cumsum(0).T.contiguous()  # (N, K)
    found = torch.searchsorted(ends, (steps / count).T.contiguous(), right=True)  # (N, count)
    return found.T.clamp(max=len(weights) - 1).contiguous()


def _doubly_reparameterized(log_weights: LogWeights, z: Tensor) -> Tensor:
    """Log-weights whose gradient w.r.t. z is scaled once more by the normalized weight (DReG, eq. 8)."""
    if torch.compiler.is_compiling():  # a hook cannot use values computed later in the graph
        with torch.no_grad():
            normalized = log_weights(z).softmax(0)
        return log_weights(_with_scaled_gradient(z, normalized))
    logs = log_weights(z)
    normalized = logs.detach().softmax(0)
    if z.requires_grad:
        z.register_hook(lambda gradient: _scaled(gradient, normalized))
    return logs


def _with_scaled_gradient(z: Tensor, factors: Tensor) -> Tensor:
    """Codes `(K, N, *latent_shape)`, with their gradient multiplied by factors `(K, N)`."""
    return z.detach() + _scaled(z - z.detach(), factors)


def _scaled(codes: Tensor, factors: Tensor) -> Tensor:
    """Codes `(K, N, *latent_shape)` times factors `(K, N)`."""
    return codes * factors.view(*factors.shape, *[1] * (codes.dim() - 2))
