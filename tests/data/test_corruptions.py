"""Corruptions: what they do to images, and that their random numbers are of each image alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.data.corruptions import corrupted, random_numbers
from zoo.specs.corruptions import (
    Blur,
    Corruption,
    Corruptions,
    Downscale,
    GaussianNoise,
    Mask,
    PoissonNoise,
    SaltPepper,
)
from zoo.specs.validation import Strict, checked

SHAPE = (3, 32, 30)
GRAY = torch.full((200, *SHAPE), 0.5)


def applied(x: torch.Tensor, *settings: Corruption, seed: int = 0, epoch: int = 1) -> torch.Tensor:
    return corrupted(x, settings, random_numbers(settings, x.shape[1:], range(len(x)), seed, epoch))


def test_noise_has_its_standard_deviation_and_is_not_clipped():
    noise = applied(GRAY, GaussianNoise(sigma=(0.3, 0.3))) - 0.5
    assert noise.std() == pytest.approx(0.3, rel=0.01)
    assert noise.mean().abs() < 2e-3
    assert applied(GRAY, GaussianNoise(sigma=(0.3, 0.3))).max() > 1
    each = (applied(GRAY, GaussianNoise(sigma=(0.0, 0.4))) - 0.5).flatten(1).std(1)
    assert each.min() < 0.02
    assert each.max() > 0.38
    assert each.mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("peak", [0.5, 4.0, 60.0, 2000.0])
def test_photons_are_poisson(peak):
    counts = applied(GRAY[:50], PoissonNoise(peak=(peak, peak))) * peak
    assert (counts - counts.round()).abs().max() < 1e-3
    assert counts.mean() == pytest.approx(0.5 * peak, rel=0.02)
    assert counts.var() == pytest.approx(0.5 * peak, rel=0.02)
    black = applied(0 * GRAY[:1], PoissonNoise(peak=(peak, peak)))
    assert torch.equal(black, torch.zeros_like(black))


def test_salt_and_pepper_and_masks_are_of_all_channels():
    speckled = applied(GRAY, SaltPepper(share=(0.2, 0.2)))
    for value in (0.0, 1.0):
        assert (speckled == value).float().mean() == pytest.approx(0.1, abs=5e-3)
    masked = applied(GRAY, Mask(share=(0.25, 0.25), side=4))
    for one in (speckled, masked):
        assert torch.equal(one, one[:, :1].expand_as(one))
    assert (masked == 0).float().mean() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(masked[:, :, :4, :4], masked[:, :, :1, :1].expand(-1, -1, 4, 4))


def test_a_blur_is_pillows_and_downscaling_takes_means():
    x = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    blurred = applied(x, Blur(sigma=(1.5, 1.5)))
    offsets = np.arange(-6, 7)
    weights = np.exp(-0.5 * (offsets / 1.5) ** 2)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (6, 6), (6, 6)), mode="edge")
    for axis in (2, 3):
        padded = np.apply_along_axis(np.convolve, axis, padded, weights / weights.sum(), "valid")
    np.testing.assert_allclose(blurred.numpy(), padded, atol=1e-5)
    assert torch.equal(applied(x, Blur(sigma=(0.0, 0.0))), x)
    small = applied(x, Downscale(factor=4))
    assert small.shape == x.shape
    torch.testing.assert_close(small[:, :, 5, 6], x[:, :, 4:8, 4:8].mean((2, 3)))
    torch.testing.assert_close(small[:, :, -1, -1], x[:, :, 28:32, 28:30].mean((2, 3)))


def test_several_are_applied_in_order_and_each_image_has_its_own_numbers():
    settings = (Blur(sigma=(0.5, 2.0)), GaussianNoise(sigma=(0.1, 0.2)), Mask(share=(0.5, 0.5)))
    whole = applied(GRAY, *settings)
    drawn = random_numbers(settings, SHAPE, [7, 3], 0, 1)
    assert torch.equal(corrupted(GRAY[[7, 3]], settings, drawn), whole[[7, 3]])
    assert not torch.equal(applied(GRAY, *settings, epoch=2), whole)
    assert not torch.equal(applied(GRAY, *settings, seed=1), whole)
    raw = np.random.Philox(
        key=np.array([0, 1], np.uint64), counter=np.array([0, 0, 0, 3], np.uint64)
    )
    expected = ((raw.random_raw(5) >> np.uint64(40)) + 0.5) / 2**24
    assert drawn[1, :5].tolist() == expected.tolist()


class Settings(Strict):
    corruption: Corruptions = ()


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"kind": "gaussian", "sigma": 25}, 'write "25/255"'),
        ({"kind": "gaussian", "sigma": -0.1}, "greater than or equal to 0, not -0.1"),
        ({"kind": "gaussian", "sigma": [0.4, 0.1]}, "from the smaller to the larger"),
        ({"kind": "gaussian", "sigma": "25/0"}, "not '25/0'"),
        ({"kind": "gausian", "sigma": 0.1}, "Did you mean 'gaussian'?"),
        ({"kind": "mask", "share": 2}, "less than or equal to 1"),
        ({"kind": "downscale", "factor": 1}, "greater than or equal to 2"),
    ],
)
def test_a_wrong_setting_is_a_sentence(written, problem):
    found, problems = checked(Settings, {"corruption": written})
    assert found is None
    assert any(problem in one for one in problems)


def test_strengths_are_numbers_ratios_and_ranges():
    def parsed(written):
        found, problems = checked(Settings, {"corruption": written})
        assert found is not None, problems
        return found.corruption

    assert parsed("off") == ()
    assert parsed({"kind": "gaussian", "sigma": "51/255"})[0].sigma == (0.2, 0.2)
    assert parsed([{"kind": "gaussian", "sigma": ["0/255", 0.5]}])[0].sigma == (0.0, 0.5)
    assert parsed({"kind": "mask", "share": 0.5, "side": 4}) == (Mask(share=(0.5, 0.5), side=4),)
