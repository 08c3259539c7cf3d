"""The scores of disentanglement, of codes whose score is known."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.datasets import sprite_images as sprites
from zoo.evaluation.factors import dci, factor_vae_score, mig, sap

SIZES = (3, 4, 5, 2)
GRID = np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)
FACTORS = np.tile(GRID, (20, 1))
"""Every combination of four factors 20 times, `(2400, 4)`: which are independent, exactly."""
IDENTITY = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0)
CONSTANT = np.zeros((len(FACTORS), 3))
CHANCE = np.mean([1 / size for size in SIZES])


EVEN = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
"""A rotation of which every latent has as much of each factor."""


def scores(codes, factors=FACTORS, seed=0):
    found = (
        mig(codes, factors),
        *dci(codes, factors, seed),
        sap(codes, factors, seed),
        factor_vae_score(codes, factors, seed),
    )
    names = ("mig", "disentanglement", "completeness", "informativeness", "sap", "factor_vae")
    return dict(zip(names, found, strict=True))


def test_codes_that_are_the_factors_have_the_highest_scores():
    found = scores(IDENTITY)
    assert found["mig"] == pytest.approx(1, abs=1e-9)
    assert found["factor_vae"] == 1
    assert found["informativeness"] == 1
    assert found["disentanglement"] == pytest.approx(1, abs=1e-3)
    assert found["completeness"] == pytest.approx(1, abs=1e-3)
    assert found["sap"] == pytest.approx(1 - CHANCE, abs=0.03)  # the next latent guesses


def test_order_sign_scale_and_latents_that_say_nothing_change_little():
    noise = 0.01 * np.random.default_rng(0).normal(size=(len(FACTORS), 2))
    found = scores(np.concatenate([noise, -3 * IDENTITY[:, ::-1]], axis=1))
    assert found["mig"] > 0.95
    assert found["disentanglement"] > 0.99
    assert found["completeness"] > 0.99
    assert found["factor_vae"] == 1


@pytest.mark.slow
def test_a_rotation_spreads_every_factor_over_latents():
    factors = sprites.factors("validation")[
        :, 1:
    ]  # 5,000 points of four factors, of 6 to 20 values
    codes = (factors - factors.mean(0)) / factors.std(0)
    whole, turned = scores(codes, factors), scores(codes @ EVEN, factors)
    assert whole["mig"] > 0.98
    assert turned["mig"] < 0.03
    assert turned["disentanglement"] < 0.1
    assert turned["completeness"] < 0.1
    assert turned["sap"] < 0.03
    assert turned["factor_vae"] < whole["factor_vae"] == 1


def test_random_rotations_lose_most_of_the_gap():
    """In few dimensions a random rotation leaves some latents near a factor: the mean is not 0."""
    factors = sprites.factors("validation")
    codes = (factors - factors.mean(0)) / factors.std(0)
    draw = np.random.default_rng(0)
    turns = (np.linalg.qr(draw.normal(size=(5, 5)))[0] for _ in range(10))
    assert np.mean([mig(codes @ turn, factors) for turn in turns]) < 0.25


def test_a_constant_code_says_nothing():
    found = scores(CONSTANT)
    nothing = ("mig", "disentanglement", "completeness", "sap", "factor_vae")
    assert [found[name] for name in nothing] == pytest.approx([0] * 5, abs=1e-9)
    assert found["informativeness"] < 0.4  # what always telling the commonest class gives


def test_a_factor_in_two_latents_has_no_gap():
    twice = np.concatenate([IDENTITY, IDENTITY[:, :1]], axis=1)
    assert mig(twice, FACTORS) == pytest.approx(3 / 4, abs=1e-9)  # the other three have theirs
    lost = sap(IDENTITY, FACTORS, 0) - sap(twice, FACTORS, 0)
    assert lost == pytest.approx((1 - 1 / SIZES[0]) / 4, abs=0.03)
    disentanglement, completeness, _ = dci(twice, FACTORS, 0)
    assert disentanglement > 0.99
    assert completeness < 0.95
    assert factor_vae_score(twice, FACTORS, 0) == 1


def test_two_factors_in_one_latent_are_complete_and_not_disentangled():
    both = np.stack([FACTORS[:, 0] * 4 + FACTORS[:, 1], FACTORS[:, 2]], axis=1).astype(float)
    disentanglement, completeness, informativeness = dci(both, FACTORS[:, :3], 0)
    assert informativeness == 1
    assert completeness > 0.99
    assert disentanglement == pytest.approx(1 / 3 + 2 / 3 * (1 - np.log(2) / np.log(3)), abs=0.02)


def test_the_gap_is_that_of_its_definition():
    """One factor of two values, read off by a latent that is wrong for a quarter of the images."""
    factor = np.repeat([0, 1], 400)[:, None]
    wrong = np.where(np.arange(800) % 4 == 0, 1 - factor[:, 0], factor[:, 0])
    told = np.log(2) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25)  # nats
    codes = np.stack([wrong, np.zeros(800)], axis=1).astype(float)
    assert mig(codes, factor) == pytest.approx(told / np.log(2))
    assert sap(codes, factor, 0) == pytest.approx(0.75 - 0.5, abs=0.03)


def test_classes_may_be_any_numbers():
    assert scores(IDENTITY, FACTORS * 1000 - 7) == scores(IDENTITY)


def test_the_vote_names_the_factor_of_the_steadiest_latent():
    """A latent of two factors votes for the one that moves it more: the other is told wrong."""
    mixed = IDENTITY.copy()
    mixed[:, 0] += 0.3 * IDENTITY[:, 1]
    assert factor_vae_score(mixed, FACTORS, 0) == 1
    without = mixed[:, [0, 2, 3]]
    assert 0.7 < factor_vae_score(without, FACTORS, 0) < 0.85  # three factors of four


def test_the_same_seed_gives_the_same_scores():
    codes = IDENTITY @ EVEN + 0.1 * np.random.default_rng(1).normal(size=IDENTITY.shape)
    assert scores(codes, seed=3) == scores(codes, seed=3)
    assert scores(codes, seed=3) != scores(codes, seed=4)
