"""Trainings on corrupted images: with every objective, and what they learn."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.data import load_examples
from zoo.data.corruptions import corrupted, random_numbers
from zoo.errors import RecipeError
from zoo.training.recipe import load_recipe

NOISE = {"kind": "gaussian", "sigma": 0.3}


def test_a_denoiser_removes_noise(tmp_path):
    recipe = {
        "model": {"family": "unet", "input_shape": [1, 8, 8], "channels": [16, 32]},
        "data": {"dataset": "digits", "protocol": "levels"},
        "training": {"epochs": 4, "batch_size": 32, "corruption": NOISE},
    }
    model = zoo.train(recipe, out=tmp_path / "run").model
    assert model is not None
    x = load_examples("digits", "test").values.float() / 255
    settings = load_recipe(recipe).training.corruption
    y = corrupted(x, settings, random_numbers(settings, x.shape[1:], range(len(x)), 7, 0))
    before, after = ((one - x).square().mean() for one in (y, zoo.denoise(model, y)))
    assert after < 0.4 * before


@pytest.mark.parametrize(
    ("family", "objective"),
    [
        ("ae", {"kind": "likelihood"}),
        ("vae", {"kind": "elbo"}),
        ("vae", {"kind": "iwae", "samples": 2}),
        ("vae", {"kind": "pixels", "error": "l1", "kl": 1e-3}),
        ("beta-tc-vae", {"kind": "total-correlation"}),
        ("vq-vae", {"kind": "likelihood"}),
        ("hierarchical-vae", {"kind": "elbo"}),
    ],
)
def test_every_objective_reconstructs_the_clean_image(family, objective, recipe, monkeypatch):
    seen = []

    def of_batch(self, shown: torch.Tensor, numbers: torch.Tensor, step: int) -> torch.Tensor:
        seen.append((shown.clone(), numbers.tolist()))
        return torch.zeros_like(shown)

    monkeypatch.setattr("zoo.training.batch.Stepper._corrupted", of_batch)
    given = recipe(epochs=1, batch_size=256, corruption=NOISE, objective=objective)
    given["model"] = {"family": family, "input_shape": [1, 8, 8], "latent_dim": 4}
    model = zoo.train(given, out="run").model
    assert model is not None
    numbers = [number for _, some in seen for number in some]
    assert sorted(numbers) == list(range(len(load_examples("digits", "train"))))
    mean = torch.cat([shown for shown, _ in seen]).mean().item()
    assert model.eval().reconstruct(torch.zeros(1, 1, 8, 8)).mean().item() == pytest.approx(
        mean, abs=0.25
    )


def test_a_share_of_the_images_is_corrupted():
    whole, some = (
        load_recipe(
            {
                "model": {"family": "unet", "input_shape": [1, 8, 8], "channels": [4]},
                "data": {"dataset": "digits", "protocol": "levels"},
                "training": {"epochs": 1, "corruption": NOISE | {"sigma": [0.1, 0.3]} | more},
            }
        ).training.corruption
        for more in ({}, {"probability": 0.4})
    )
    x = torch.full((2000, 1, 8, 8), 0.5)
    u = random_numbers(some, x.shape[1:], range(len(x)), 7, 0)
    y = corrupted(x, some, u)
    changed = (y != x).flatten(1).all(1)
    assert torch.equal(changed, u[:, 0] < 0.4)
    assert changed.float().mean().item() == pytest.approx(0.4, abs=0.04)
    deviations = (y - x)[changed].flatten(1).std(1)
    assert deviations.mean().item() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(y[~changed], x[~changed])
    assert not torch.equal(corrupted(x, whole, u)[~changed], x[~changed])


def test_rows_are_not_corrupted():
    rows = {"family": "vae", "input_shape": [3], "latent_dim": 1}
    with pytest.raises(RecipeError, match=r"training\.corruption: for images only"):
        load_recipe(
            {
                "model": rows,
                "data": {"dataset": "rows.npy", "protocol": "real"},
                "training": {"epochs": 1, "corruption": NOISE},
            }
        )
