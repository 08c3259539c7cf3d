"""The sprites: the same pixels everywhere, each of its factors, and no two combinations alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from zoo.data import load_examples
from zoo.data.examples import sha256_of
from zoo.datasets import NAMED
from zoo.datasets import sprite_images as sprites
from zoo.errors import DataError
from zoo.specs.data import Transform

SHA256 = "06a15242bd2287833b48bcd4831ffaf166022b693649d1f716699aa1d7caf61e"


@pytest.fixture(scope="module")
def parts():
    return {part: torch.from_numpy(images) for part, images in NAMED["sprites"].read().items()}


def test_every_machine_draws_the_same_bytes(parts):
    assert sha256_of(torch.cat(list(parts.values()))) == SHA256


def test_the_parts_are_fixed(parts):
    assert {part: len(pixels) for part, pixels in parts.items()} == {
        "test": 10_000,
        "validation": 5_000,
        "train": 77_160,
    }
    assert all(pixels.shape[1:] == (64, 64) for pixels in parts.values())


def test_every_combination_is_in_one_part_once():
    every = np.concatenate([sprites.factors(part) for part in sprites.PARTS])
    assert len(np.unique(every, axis=0)) == len(every) == 3 * 6 * 20 * 16 * 16
    assert np.array_equal(
        sprites.factors("train+validation"),
        np.concatenate([sprites.factors("train"), sprites.factors("validation")]),
    )


@pytest.mark.parametrize("split", ["test", "train"])
def test_an_image_shows_its_factors(parts, split):
    factors = sprites.factors(split)
    for number in (0, 1, 17, len(factors) - 1):
        shape, scale, angle, x, y = factors[number]
        alone = np.zeros((64, 64), np.uint8)
        alone[2 * y : 2 * y + 34, 2 * x : 2 * x + 34] = sprites.patch(shape, scale, angle)
        assert np.array_equal(parts[split][number].numpy(), alone)


@pytest.mark.parametrize(("shape", "different"), [(0, 5), (1, 10), (2, 20)])
def test_a_shape_turns_once_around(shape, different):
    turned = [sprites.patch(shape, 2, angle).tobytes() for angle in range(20)]
    assert len(set(turned)) == different
    assert turned[:different] * (20 // different) == turned


def test_a_heart_turns_counter_clockwise_with_its_tip_down_at_first():
    down, turned = sprites.patch(2, 5, 0), sprites.patch(2, 5, 5)
    assert down[-8:].sum() < down[:8].sum()  # a tip, and two bows
    assert np.array_equal(turned, np.rot90(down))


@pytest.mark.parametrize(
    ("shape", "area"), [(0, 24 * 24), (1, math.pi * 16 * 9), (2, 3.662 * 11.5**2)]
)
def test_a_shape_has_its_area_at_every_scale_and_angle(shape, area):
    for scale, angle in np.ndindex(6, 20):
        covered = sprites.patch(shape, scale, angle).sum(dtype=np.int64) / 255
        assert covered == pytest.approx(area * ((5 + scale) / 10) ** 2, rel=0.03)


def test_the_sines_are_those_of_their_angles():
    for angle in range(40):
        assert sprites._sine(angle) == round(2**16 * math.sin(math.tau * angle / 20))


def test_no_product_leaves_64_bits():
    far = 2**0.5 * sprites.PATCH / sprites.HALF_PIXELS[2] / 0.5 * sprites.UNIT  # of the smallest
    turn = np.linspace(0, math.tau, 1_000)
    for radius in np.linspace(0, far, 50):
        x, y = (np.rint(radius * one(turn)).astype(np.int64) for one in (np.cos, np.sin))
        exact = sprites._heart(x.astype(object), y.astype(object))
        assert np.array_equal(sprites._heart(x, y), exact.astype(bool))


@pytest.mark.slow
def test_they_are_resized_as_any_images_are():
    small = load_examples(
        "sprites", "validation", shape=(1, 32, 32), transform=Transform(resize=32)
    )
    assert small.shape == (1, 32, 32)
    with pytest.raises(DataError, match="64 x 64, too small for a crop of 80 x 80"):
        load_examples("sprites", "test", shape=(1, 80, 80), transform=Transform(crop="center"))
    with pytest.raises(DataError, match="16 x 16, not 32 x 32"):
        load_examples("sprites", "test", shape=(1, 32, 32), transform=Transform(resize=16))


def test_a_numpy_that_draws_otherwise_is_refused(monkeypatch):
    monkeypatch.setattr(sprites, "images", lambda: np.zeros((92_160, 64, 64), np.uint8))
    with pytest.raises(DataError, match="sprites differ from the published ones"):
        NAMED["sprites"].read()
