"""Frechet distances of Gaussians whose distance is known."""

from __future__ import annotations

import pytest
import torch

from zoo.errors import InputError
from zoo.evaluation.frechet import frechet_distance


def draws(count, mean, scales, seed=0):
    noise = torch.randn(count, len(scales), generator=torch.Generator().manual_seed(seed))
    noise = noise.double()
    noise = (noise - noise.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(noise.T))).T
    return noise * torch.tensor(scales) + torch.tensor(mean)


def test_equal_sets_are_at_no_distance():
    x = draws(50, [0.0, 1.0, 2.0], [1.0, 2.0, 3.0])
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_gaussians_of_known_means_and_scales():
    x = draws(200, [0.0, 0.0], [1.0, 2.0])
    y = draws(300, [3.0, 4.0], [2.0, 5.0], seed=1)
    assert frechet_distance(x, y) == pytest.approx(25 + 1 + 9, rel=1e-9)


def test_rotated_gaussians_against_the_general_formula():
    turn, _ = torch.linalg.qr(
        torch.randn(4, 4, generator=torch.Generator().manual_seed(2)).double()
    )
    x = draws(100, [0.0] * 4, [1.0, 2.0, 3.0, 4.0])
    y = draws(100, [1.0] * 4, [4.0, 1.0, 2.0, 0.5], seed=3) @ turn
    a, b = torch.cov(x.T), torch.cov(y.T)
    cross = torch.linalg.eigvals(a @ b).sqrt().real.sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + a.trace() + b.trace() - 2 * cross
    assert frechet_distance(x, y) == pytest.approx(expected.item(), rel=1e-9)


def test_fewer_images_than_features_and_a_single_one():
    x = draws(300, [0.0, 0.0], [1.0, 1.0])[:3].repeat(1, 4)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match="two images or more"):
        frechet_distance(x[:1], x)
