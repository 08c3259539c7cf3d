"""An even mixture of Gaussians, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from zoo.distributions.gaussians import divergence, draw_at, gaussian_posterior, normal
from zoo.distributions.mixture import NormalMixture


@pytest.fixture
def mixture() -> NormalMixture:
    torch.manual_seed(0)
    return NormalMixture(torch.randn(5, 3), torch.rand(5, 3) + 0.3)


def test_its_density_and_moments_are_torchs(mixture):
    torchs = MixtureSameFamily(
        Categorical(torch.ones(5)), Independent(Normal(mixture.loc, mixture.scale), 1)
    )
    z = torch.randn(2, 7, 3)
    torch.testing.assert_close(mixture.log_prob(z), torchs.log_prob(z), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mixture.mean, torchs.mean)
    torch.testing.assert_close(mixture.variance, torchs.variance)


def test_its_draws_have_its_moments(mixture):
    drawn = mixture.sample((40_000,))
    torch.testing.assert_close(drawn.mean(0), mixture.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.var(0), mixture.variance, rtol=0.05, atol=0)


def test_a_draw_at_given_noise_is_the_mean_plus_so_many_deviations():
    posterior = gaussian_posterior(torch.randn(4, 3), torch.randn(4, 3))
    noise = torch.randn(4, 3)
    assert torch.equal(draw_at(posterior, noise), posterior.mean + noise * posterior.stddev)


def test_the_divergence_from_a_mixture_is_taken_at_the_draws(mixture):
    posterior = normal(torch.zeros(4, 3), torch.ones(4, 3), 1)
    z = torch.randn(6, 4, 3)
    expected = (posterior.log_prob(z) - mixture.log_prob(z)).mean(0)
    torch.testing.assert_close(divergence(posterior, mixture, z), expected)
