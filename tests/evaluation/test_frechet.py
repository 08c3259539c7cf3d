"""Frechet distances of Gaussians whose distance is known."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from zoo.errors import InputError
from zoo.evaluation.frechet import Moments, frechet_distance


def moments(features):
    found = Moments(features.shape[1])
    for one in features:
        found.add(one)
    return found


def distance(ours, theirs):
    return frechet_distance(moments(ours), moments(theirs))


def draws(count, mean, scales, seed=0):
    noise = torch.randn(count, len(scales), generator=torch.Generator().manual_seed(seed))
    noise = noise.double()
    noise = (noise - noise.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(noise.T))).T
    return noise * torch.tensor(scales) + torch.tensor(mean)


def test_equal_sets_are_at_no_distance():
    x = draws(50, [0.0, 1.0, 2.0], [1.0, 2.0, 3.0])
    assert distance(x, x) == pytest.approx(0, abs=1e-9)


def test_gaussians_of_known_means_and_scales():
    x = draws(200, [0.0, 0.0], [1.0, 2.0])
    y = draws(300, [3.0, 4.0], [2.0, 5.0], seed=1)
    assert distance(x, y) == pytest.approx(25 + 1 + 9, rel=1e-9)


def test_rotated_gaussians_against_the_general_formula():
    turn, _ = torch.linalg.qr(
        torch.randn(4, 4, generator=torch.Generator().manual_seed(2)).double()
    )
    x = draws(100, [0.0] * 4, [1.0, 2.0, 3.0, 4.0])
    y = draws(100, [1.0] * 4, [4.0, 1.0, 2.0, 0.5], seed=3) @ turn
    a, b = torch.cov(x.T), torch.cov(y.T)
    cross = torch.linalg.eigvals(a @ b).sqrt().real.sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + a.trace() + b.trace() - 2 * cross
    assert distance(x, y) == pytest.approx(expected.item(), rel=1e-9)


def test_fewer_images_than_features_and_a_single_one():
    x = draws(300, [0.0, 0.0], [1.0, 1.0])[:3].repeat(1, 4)
    assert distance(x, x) == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match="two images or more"):
        distance(x[:1], x)


def of_all_features(ours, theirs):
    """Heusel et al. 2017, eq. 6, of all features at once, by NumPy."""
    a, b = np.cov(ours.T.numpy()), np.cov(theirs.T.numpy())
    cross = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real.sum()
    apart = ours.numpy().mean(0) - theirs.numpy().mean(0)
    return (apart**2).sum() + np.trace(a) + np.trace(b) - 2 * cross


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_features_added_one_at_a_time_give_the_distance_of_all_at_once(offset):
    generator = torch.Generator().manual_seed(4)
    mix = torch.randn(6, 6, generator=generator).double()
    x = torch.randn(80, 6, generator=generator).double() + offset
    y = 0.3 + torch.randn(80, 6, generator=generator).double() @ mix + offset
    assert distance(x, y) == pytest.approx(of_all_features(x, y), rel=1e-9)


def test_processes_that_share_the_features_have_the_distance_of_all(monkeypatch):
    x, y = draws(31, [2.0, 0.0], [1.0, 2.0]), draws(31, [0.0, 7.0], [2.0, 5.0], seed=1)
    shares, given, found = (slice(0, 20), slice(20, 31), slice(0, 0)), {}, {}
    meeting = threading.Barrier(len(shares))

    def summed(values):
        given[threading.get_ident()] = values
        meeting.wait()
        total = sum(given.values())
        meeting.wait()
        return total

    def work(rank):
        both = [moments(one[shares[rank]]).over_processes() for one in (x, y)]
        found[rank] = frechet_distance(*both)

    monkeypatch.setattr("zoo.runtime.processes.summed", summed)
    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(len(shares))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[rank] for rank in range(3)] == pytest.approx(
        [of_all_features(x, y)] * 3, rel=1e-9
    )
