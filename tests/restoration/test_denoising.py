"""Denoising: the noise that is estimated, tiles without seams, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import zoo
from zoo.errors import InputError
from zoo.restoration.denoise import reconstructed
from zoo.restoration.inputs import parsed_sigma
from zoo.restoration.noise import estimate_sigma
from zoo.restoration.tiles import in_tiles


@pytest.fixture(scope="module")
def unet() -> zoo.Autoencoder:
    return zoo.build("unet", input_shape=(1, 8, 8), channels=(3, 4), seed=0).eval()


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.5])
def test_the_noise_of_a_smooth_image_is_estimated(sigma):
    ramp = torch.linspace(0, 1, 96).expand(2, 3, 96, 96)
    noise = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    assert estimate_sigma(ramp + sigma * noise).tolist() == pytest.approx([sigma] * 2, rel=0.05)


def test_a_flat_image_has_no_noise_and_a_small_one_no_estimate():
    assert estimate_sigma(torch.full((1, 1, 32, 32), 0.7)).item() == 0
    assert math.isnan(estimate_sigma(torch.rand(1, 1, 8, 32)).item())


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (37, 61), (64, 64)])
def test_tiles_have_no_seams(unet, size):
    x = torch.rand(2, 1, *size)
    whole, tiled = reconstructed(unet, x, 1000), reconstructed(unet, x, 16)
    assert whole.shape == x.shape
    assert torch.allclose(whole, tiled, atol=1e-6)


def test_a_tile_sees_its_margin_alone():
    seen = []

    def compute(part: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(part.shape[2:]))
        return part

    x = torch.rand(1, 1, 50, 20)
    assert torch.equal(in_tiles(compute, x, 4, tile=16, margin=8), x)
    assert max(height for height, _ in seen) == 32
    assert {width for _, width in seen} == {12, 20}


@pytest.mark.parametrize("size", [(1, 3), (2, 9), (5, 16), (33, 47)])
def test_images_are_padded_by_their_reflection(size):
    seen = []

    def compute(part: torch.Tensor) -> torch.Tensor:
        seen.append(part)
        return part

    x = torch.rand(1, 1, *size)
    assert torch.equal(in_tiles(compute, x, 8, tile=64, margin=8), x)
    beyond = [(0, -side % 8) for side in size]
    assert np.array_equal(seen[0][0, 0].numpy(), np.pad(x[0, 0].numpy(), beyond, mode="reflect"))


def test_strength_is_between_the_image_and_the_result(unet):
    x = torch.rand(1, 1, 20, 20)
    full, half = zoo.denoise(unet, x), zoo.denoise(unet, x, strength=0.5)
    assert torch.equal(zoo.denoise(unet, x, strength=0.0), x)
    assert torch.allclose(half, (x + full) / 2, atol=1e-6)


def test_values_outside_0_and_1_are_taken(unet):
    y = 2 * torch.rand(1, 1, 16, 16) - 0.5
    clean = zoo.denoise(unet, y)
    assert clean.min() >= 0
    assert clean.max() <= 1


def test_a_gray_model_sees_each_channel_of_a_color_image(unet):
    x = torch.rand(2, 3, 16, 16)
    apart = torch.cat([zoo.denoise(unet, x[:, c : c + 1]) for c in range(3)], 1)
    assert torch.allclose(zoo.denoise(unet, x), apart, atol=1e-6)


def test_the_posterior_mean_is_that_of_the_true_code_when_noise_vanishes():
    model = zoo.load("vae-digits-8")
    x = model.sample(3, seed=0)
    y = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    once = zoo.denoise(model, y)
    many = zoo.denoise(model, y, sigma=0.1, samples=2000)
    again = zoo.denoise(model, y, sigma="25.5/255", samples=2000)
    assert torch.equal(many, again)
    assert zoo.denoise(model, y[:0], sigma=0.1, samples=3).shape == (0, 1, 8, 8)
    with pytest.raises(InputError, match="cannot be estimated: give sigma"):
        zoo.denoise(model, y, samples=3)
    assert (many - x).square().mean() < (once - x).square().mean()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": torch.rand(1, 1, 8, 8) / 0}, "NaN or infinite"),
        ({"x": torch.zeros(1, 1, 8, 8, dtype=torch.uint8)}, r"Try x.float\(\) / 255"),
        ({"x": torch.rand(1, 8, 8)}, r"Try x\[None\]"),
        ({"x": torch.rand(1, 1, 0, 8)}, r"got \(1, 1, 0, 8\)"),
        ({"sigma": 25}, r'"25/255"'),
        ({"sigma": -0.1}, "at least 0"),
        ({"sigma": math.nan}, "at least 0"),
        ({"sigma": "much"}, 'such as 0.1 or "25/255"'),
        ({"strength": 1.5}, "strength is from 0 to 1"),
        ({"samples": 5}, "need a posterior"),
        ({"tile": 3}, "tile is an integer of at least 64"),
        ({"seed": 2**70}, "seed is an integer"),
    ],
)
def test_mistakes_are_sentences(unet, change, said):
    given = {"x": torch.rand(1, 1, 8, 8)} | change
    with pytest.raises(InputError, match=said):
        zoo.denoise(unet, given.pop("x"), **given)


def test_a_model_of_other_images_is_refused():
    color = zoo.build("unet", input_shape=(3, 8, 8), channels=(3,), seed=0).eval()
    with pytest.raises(InputError, match="takes 3 channels; the images have 1"):
        zoo.denoise(color, torch.rand(1, 1, 8, 8))
    with pytest.raises(InputError, match="takes images of 8 x 8 alone; got 9 x 8"):
        zoo.denoise("vae-digits-8", torch.rand(1, 1, 9, 8))
    with pytest.raises(InputError, match="Denoising is for images"):
        zoo.denoise("vae-breast-cancer-2", torch.rand(1, 1, 9, 8))


def test_a_sigma_is_a_number_or_a_ratio():
    assert parsed_sigma("25/255") == parsed_sigma(25 / 255)
