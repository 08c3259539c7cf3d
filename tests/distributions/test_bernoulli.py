"""Bernoulli and continuous Bernoulli from logits, against torch's own and by integration."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import ContinuousBernoulli as TorchContinuousBernoulli
from torch.distributions import Independent

from zoo.distributions.bernoulli import Bernoulli, ContinuousBernoulli


@pytest.mark.parametrize("shape", [(7,), (2, 5), (1, 3, 4)])
def test_log_probabilities_and_means_are_torchs(shape):
    torch.manual_seed(0)
    logits, x = torch.randn(6, *shape).double(), torch.rand(6, *shape).double()
    for own, torchs in (
        (Bernoulli, TorchBernoulli),
        (ContinuousBernoulli, TorchContinuousBernoulli),
    ):
        ours = own(logits, len(shape))
        theirs = Independent(torchs(logits=logits, validate_args=False), len(shape))
        assert (ours.batch_shape, ours.event_shape) == (theirs.batch_shape, theirs.event_shape)
        torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(ours.mean, theirs.mean, rtol=1e-3, atol=1e-3)


def test_it_sums_to_one_and_is_the_cross_entropy():
    logits = torch.randn(1, 2, 2)
    images = torch.tensor([[float(b) for b in f"{i:04b}"] for i in range(16)]).view(16, 1, 2, 2)
    assert Bernoulli(logits).log_prob(images).exp().sum().item() == pytest.approx(1, abs=1e-5)
    gray = torch.rand(5, 1, 2, 2)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits.expand_as(gray), gray, reduction="none"
    )
    torch.testing.assert_close(-Bernoulli(logits).log_prob(gray), expected.flatten(1).sum(1))


def test_it_scores_the_same_with_and_without_a_gradient():
    logits = torch.linspace(-90, 90, 4 * 784).view(4, 1, 28, 28)
    logits[0, 0, 0, :3] = torch.tensor([0.0, 1e4, -1e4])
    x = (torch.arange(784) % 2).float().view(1, 1, 28, 28)
    exact = Bernoulli(logits.double().requires_grad_()).log_prob(x.double()).detach()
    for given in (logits, logits.clone().requires_grad_()):
        assert torch.allclose(Bernoulli(given).log_prob(x).double(), exact, rtol=1e-6)


def test_samples_of_many_codes_are_zeros_and_ones_of_that_probability():
    drawn = Bernoulli(torch.full((2, 1, 3, 3), 1.0)).sample((4000,))
    assert drawn.shape == (4000, 2, 1, 3, 3)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn.mean().item() == pytest.approx(torch.sigmoid(torch.tensor(1.0)).item(), abs=0.01)


def test_a_continuous_bernoulli_integrates_to_one_and_to_its_mean():
    x = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    for logit in (-40.0, -3.0, -0.03, 0.0, 0.01, 0.7, 5.0, 25.0):
        one = ContinuousBernoulli(torch.full((1, 1, 1), logit))
        density = one.log_prob(x.float().view(-1, 1, 1, 1)).double().exp()
        assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=1e-3)
        assert one.mean.item() == pytest.approx(torch.trapezoid(x * density, x).item(), abs=1e-3)
