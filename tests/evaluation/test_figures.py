"""Pictures: their size, their order, and that the same model draws the same bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.data import Examples
from zoo.evaluation.curves import ORIGINAL
from zoo.evaluation.figures import draw_all, draw_beside, draw_reconstructions, draw_samples
from zoo.evaluation.plots import COLORS, Curve, Panel, draw_panels, pale


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


def table(family="vae", shape: tuple[int, ...] = (6,)) -> tuple[zoo.Autoencoder, torch.Tensor]:
    """A model of rows or series, and some of them: the first column is of timestamps."""
    model = zoo.build(family, seed=0, input_shape=shape, latent_dim=4, body={"kind": "mlp"})
    assert model.standardization is not None
    model.standardization.mean[0] += 1.7e9
    noise = torch.randn(20, *shape, generator=torch.Generator().manual_seed(0))
    return model.eval(), model.standardization.restore(noise)


def colors(png: bytes) -> set[tuple[int, ...]]:
    return set(map(tuple, opened_rgb(png).reshape(-1, 3).tolist()))


def opened_rgb(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("shape", [(1,), (6,), (200,), (1, 64), (8, 600), (2, 1)])
def test_rows_and_series_have_the_same_pictures(shape):
    for family, names in (
        ("vae", {"reconstructions", "samples", "traversals"}),
        ("ae", {"reconstructions", "traversals"}),
    ):
        pictures = draw_all(*table(family, shape))
        assert set(pictures) == names
        assert {opened_rgb(picture).shape[1] for picture in pictures.values()} == {720}
        assert pictures == draw_all(*table(family, shape))


def test_bars_and_lines_are_in_standard_deviations():
    model, x = table()
    assert model.standardization is not None
    twice, _ = table()
    assert twice.standardization is not None
    twice.standardization.scale[1] *= 1000
    moved = twice.standardization.restore(model.standardization(x).double())
    assert draw_reconstructions(model, x) == draw_reconstructions(twice, moved)


@pytest.mark.parametrize("shape", [(6,), (1, 64)])
def test_an_original_and_its_reconstruction_have_colors_of_their_own(shape):
    model, x = table(shape=shape)
    found = colors(draw_reconstructions(model, x))
    original = ORIGINAL if len(shape) == 1 else pale(COLORS[0])
    for color in (original, COLORS[0]):
        assert any(max(abs(a - b) for a, b in zip(color, one, strict=True)) < 8 for one in found)


def test_a_bar_ends_at_its_value():
    values = torch.tensor([2.0, -1.0])
    panel = Panel("", [Curve(values, COLORS[1])])
    drawn = opened_rgb(draw_panels([panel], "bars", columns=1, height=200, legend=[], note=""))
    is_bar = (np.abs(drawn.astype(int) - COLORS[1]).max(-1) < 8).sum(0)  # pixels of each column
    heights = sorted(set(is_bar[is_bar > 20].tolist()))
    assert heights[-1] / heights[0] == pytest.approx(2, abs=0.05)


def test_pictures_beside_those_of_other_models_are_of_the_same_rows():
    model, x = table()
    examples = Examples("table", "test", x)
    pictures = draw_beside(model, examples)
    assert set(pictures) == {"originals", "reconstructions", "samples"}
    other = zoo.build("vae", seed=1, input_shape=(6,), latent_dim=4, body={"kind": "mlp"}).eval()
    other.load_state_dict(
        {k: v for k, v in model.state_dict().items() if "standard" in k}, strict=False
    )
    assert draw_beside(other, examples)["originals"] == pictures["originals"]
