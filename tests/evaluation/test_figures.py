"""Pictures: their size, their order, and that the same model draws the same bytes."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

import zoo
from zoo.evaluation.figures import draw_all, draw_reconstructions, draw_samples


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def made(family="vae", shape=(1, 8, 8)):
    return zoo.build(family, seed=0, input_shape=shape, latent_dim=4, body={"kind": "mlp"})


def test_a_variational_model_has_three_pictures_and_an_autoencoder_two():
    pixels = torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8)
    assert set(draw_all(made(), pixels)) == {"reconstructions", "samples", "traversals"}
    assert set(draw_all(made("ae"), pixels)) == {"reconstructions", "traversals"}


def test_the_same_model_draws_the_same_bytes():
    pixels = torch.randint(0, 256, (20, 3, 9, 13), dtype=torch.uint8)
    model = made(shape=(3, 9, 13))
    assert draw_all(model, pixels) == draw_all(model, pixels)


def test_originals_stand_above_their_reconstructions():
    pixels = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
    pixels[3] = 255
    picture = opened(draw_reconstructions(made(), pixels))
    height = picture.shape[0] // 4  # two rows of originals, two of reconstructions
    assert picture[height // 2, 3 * (56 + 2) + 30].min() == 255
    assert picture[height // 2, 4 * (56 + 2) + 30].max() == 0


def test_samples_are_a_grid_of_enlarged_images():
    assert opened(draw_samples(made(), 64)).shape[0] == 8 * (56 + 2) + 2
