"""Rows of real, binary and categorical columns, against torch's own distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal

from zoo.distributions.columns import Columns, features_of
from zoo.likelihoods.columns import ColumnsLikelihood
from zoo.models.parts.likelihoods import LikelihoodHead

KINDS = "r c3 2b r 2c4 c3"
SHAPE = (8,)


@pytest.fixture
def head() -> LikelihoodHead:
    torch.manual_seed(0)
    head = LikelihoodHead(ColumnsLikelihood(columns=KINDS), SHAPE)
    with torch.no_grad():
        head.get_parameter("log_scale").copy_(torch.tensor([0.3, -1.0]))
    return head


def torchs(head: LikelihoodHead, outputs: torch.Tensor) -> list:
    """A distribution of torch's for each column, its outputs taken in order."""
    scale = 1e-3 + head.get_parameter("log_scale").exp()
    own = outputs.split([1, 3, 1, 1, 1, 4, 4, 3], -1)
    a, b = (Normal(o[..., 0], s) for o, s in zip((own[0], own[4]), scale, strict=True))
    return [
        a,
        Categorical(logits=own[1]),
        Bernoulli(logits=own[2][..., 0]),
        Bernoulli(logits=own[3][..., 0]),
        b,
        *(Categorical(logits=own[i]) for i in (5, 6, 7)),
    ]


def distributions(head: LikelihoodHead, batch=(5,)) -> tuple[Columns, list]:
    outputs = 2 * torch.randn(*batch, *head.outputs)
    found = head.distribution(outputs)
    assert isinstance(found, Columns)
    return found, torchs(head, outputs)


def test_log_probabilities_are_torchs(head):
    found, expected = distributions(head, (4, 5))
    x = found.sample()
    each = torch.stack([one.log_prob(x[..., i]) for i, one in enumerate(expected)], -1)
    torch.testing.assert_close(found.per_value(x), each, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.log_prob(x), each.sum(-1), rtol=1e-6, atol=1e-5)


def test_rows_broadcast_against_draws_of_codes(head):
    found, _ = distributions(head, (4, 5))
    x = found.sample()[0]
    alone = torch.stack([found.log_prob(x.expand(4, 5, 8))[k] for k in range(4)])
    torch.testing.assert_close(found.log_prob(x), alone)
    one, _ = distributions(head, ())
    assert one.log_prob(x).shape == (5,)
    assert (one.batch_shape, one.event_shape) == ((), (8,))


def test_mean_variance_and_probabilities_are_torchs(head):
    found, expected = distributions(head)
    for i, one in enumerate(expected):
        mean, variance = found.mean[:, i], found.variance[:, i]
        if isinstance(one, Categorical):
            assert torch.equal(mean, one.probs.argmax(-1).float())
            p = one.probs.amax(-1)
            torch.testing.assert_close(variance, p * (1 - p))
            torch.testing.assert_close(found.probabilities[i], one.probs)
        else:
            torch.testing.assert_close(mean, one.mean)
            torch.testing.assert_close(variance, one.variance)
    assert list(found.probabilities) == [1, 5, 6, 7]
    torch.testing.assert_close(found.stddev, found.variance.sqrt())


def test_draws_have_the_frequencies_of_the_distribution(head):
    torch.manual_seed(0)
    found, expected = distributions(head, ())
    x = found.sample((40_000,))
    for i, one in enumerate(expected):
        if isinstance(one, Categorical):
            counts = torch.bincount(x[:, i].long(), minlength=one.probs.numel())
            torch.testing.assert_close(counts / len(x), one.probs, rtol=0, atol=0.015)
        else:
            torch.testing.assert_close(x[:, i].mean(), one.mean, rtol=0, atol=0.03)


def test_a_missing_value_is_left_out_and_gets_no_gradient(head):
    outputs = torch.randn(2, *head.outputs, requires_grad=True)
    found = head.distribution(outputs)
    assert isinstance(found, Columns)
    x = found.sample()
    full = found.per_value(x).detach()
    x[0, [0, 1, 2]] = math.nan
    each = found.per_value(x)
    assert torch.equal(each[0, :3], torch.zeros(3))
    assert torch.equal(each[0, 3:], full[0, 3:])
    torch.testing.assert_close(found.log_prob(x)[0], full[0, 3:].sum())
    found.log_prob(x).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert not outputs.grad[0, :5].any()
    assert outputs.grad[1].all()


def test_features_are_one_hot_and_zeros_where_missing(head):
    x = torch.tensor([[0.5, 2, 1, 0, -1, 3, 0, 1], [math.nan] * 8])
    features = head.features(x)
    expected = [0.5, 0, 0, 1, 1, 0, -1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0]
    assert features.tolist() == [expected, [0.0] * 18]
    source, code = torch.tensor([0, 1, 1]), torch.tensor([-1, 0, 1])
    assert features_of(torch.tensor([[7.0, 1.0]]), source, code).tolist() == [[7, 0, 1]]


@pytest.mark.parametrize("kinds", ["3r", "3b", "3c2", "2c3 b"])
def test_columns_of_one_kind_alone_work(kinds):
    head = LikelihoodHead(ColumnsLikelihood(columns=kinds), (3,))
    outputs = torch.randn(4, *head.outputs, requires_grad=True)
    found = head.distribution(outputs)
    found.log_prob(found.sample()).sum().backward()
    assert outputs.grad is not None
    assert found.mean.shape == (4, 3)
