"""Missing values of examples, drawn given the observed ones, by a variational model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.likelihoods.fitting import accepts_missing
from zoo.models import VariationalAutoencoder
from zoo.models.objectives.bounds import VALUES_AT_ONCE
from zoo.registry import families
from zoo.runtime.devices import fork_rng
from zoo.specs.restoration import STEPS

WARM_UP = 10
"""Steps of pseudo-Gibbs, at most half of the chain. It has no stationary distribution and may diverge, so the chain
continues from the most probable of its states."""


@dataclass(frozen=True)
class Draws:
    """The last states of independent chains."""

    z: Tensor
    """Codes `(samples, N, *latent_shape)`."""
    drawn: Tensor
    """Examples `(samples, N, *input_shape)`, standardized: missing values are draws from p(x | z)."""
    expected: Tensor
    """The same with the means of p(x | z) for missing values."""
    accepted: float
    """Share of the proposals after the first steps that were accepted."""


def conditional_draws(
    model: VariationalAutoencoder,
    x: Tensor,
    missing: Tensor,
    *,
    samples: int,
    steps: int = STEPS,
    seed: int = 0,
) -> Draws:
    """Draws of the missing values given the observed ones, one chain for each.

    Each chain starts from an example that the model samples. Its first steps, 10 at most, alternate between
    q(z | x) and p(x | z) (pseudo-Gibbs: Rezende et al. 2014, appendix F). From the most probable of these states
    on, a code proposed by q(z | x) is accepted or not (Metropolis-within-Gibbs: Mattei & Frellsen 2018, algorithm 1), so that the
    stationary distribution is the model's own p(z, missing | observed).

    Args:
        model: in eval mode.
        x: standardized examples `(N, *input_shape)`; what is missing may hold any values.
        missing: bool, of the same shape.
        samples: chains of each example.
        steps: of a chain.
        seed: of all random numbers.
    """
    size = max(1, VALUES_AT_ONCE // (samples * x[:1].numel()))
    parts = []
    guard = families.guarded(model, "failed to draw missing values")
    with torch.inference_mode(), seeded(model.device, seed), guard:
        for rows, holes in zip(x.split(size), missing.split(size), strict=True):
            parts.append(_chains(model, rows, holes, samples, steps))
    z, drawn, expected = (torch.cat([part[i] for part in parts], 1) for i in range(3))
    shares = [part[3] for part in parts]
    return Draws(z, drawn, expected, sum(shares) / len(shares))


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seeds torch's generators of the CPU and of a GPU, and restores their states afterward."""
    with fork_rng(device):
        torch.manual_seed(seed)
        yield


def _chains(
    model: VariationalAutoencoder, x: Tensor, missing: Tensor, samples: int, steps: int
) -> tuple[Tensor, Tensor, Tensor, float]:
    """The last codes, draws and means `(samples, N, ...)` of all chains side by side, and the accepted share."""
    count = len(x)
    x = x.repeat(samples, *[1] * (x.dim() - 1))  # (samples * N, *input_shape)
    missing = missing.repeat(samples, *[1] * (missing.dim() - 1))
    marks_missing = accepts_missing(model.spec)
    hidden = x.masked_fill(missing, float("nan"))
    prior = model.prior()

    def posterior_of(filled: Tensor) -> Distribution:
        return model._posterior(hidden if marks_missing else filled)

    def filled_by(likelihood: Distribution) -> Tensor:
        return torch.where(missing, likelihood.sample().to(x.dtype), x)

    def joint(z: Tensor, filled: Tensor, likelihood: Distribution) -> Tensor:
        """log p(x, z) of filled examples, `(samples * N,)`."""
        return likelihood.log_prob(filled) + prior.log_prob(z)

    noise = torch.randn(len(x), *model._prior_noise_shape).to(x.device, x.dtype)
    z = model._prior_codes(noise)
    likelihood = model._likelihood(z)
    filled = filled_by(likelihood)
    most, code, example = joint(z, filled, likelihood), z, filled
    warm_up = min(WARM_UP, steps // 2)
    for _ in range(warm_up):
        z = posterior_of(filled).sample()
        likelihood = model._likelihood(z)
        filled = filled_by(likelihood)
        density = joint(z, filled, likelihood)
        better = density > most
        most = _where(better, density, most)
        code, example = _where(better, z, code), _where(better, filled, example)
    z, filled, accepted = code, example, 0.0
    likelihood = model._likelihood(z)
    for _ in range(steps - warm_up):
        posterior = posterior_of(filled)
        proposal = posterior.sample()
        proposed = model._likelihood(proposal)
        ratio = joint(proposal, filled, proposed) - joint(z, filled, likelihood)
        ratio = ratio + posterior.log_prob(z) - posterior.log_prob(proposal)
        takes = torch.rand(len(ratio), device=ratio.device).log() < ratio  # (samples * N,)
        accepted += takes.float().mean().item()
        z = _where(takes, proposal, z)
        likelihood = model._likelihood(z)
        filled = filled_by(likelihood)
    expected = torch.where(missing, likelihood.mean.to(x.dtype), x)
    split = (samples, count)
    return (
        z.unflatten(0, split),
        filled.unflatten(0, split),
        expected.unflatten(0, split),
        accepted / (steps - warm_up),
    )


def _where(chosen: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Rows of one where they are chosen, `(n,)`, else of the other."""
    return torch.where(chosen.view(-1, *[1] * (one.dim() - 1)), one, other)
