"""What a transform makes of one image: torchvision's own numbers, and sentences for misfits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made import PIXELS
from PIL import Image
from torchvision.transforms import v2

from zoo.data.transform import Fit, as_pixels
from zoo.errors import DataError
from zoo.specs.data import Transform

WIDE = np.random.Generator(np.random.Philox(6)).integers(0, 256, (21, 40, 3), np.uint8)


@pytest.mark.parametrize("image", [Image.fromarray(WIDE), as_pixels(Image.fromarray(WIDE))])
def test_resize_and_crop_are_those_of_torchvision(image):
    fit = Fit((3, 12, 12), Transform(resize=15, crop="center"))
    expected = v2.Compose([v2.Resize(15), v2.CenterCrop(12)])(Image.fromarray(WIDE))
    assert torch.equal(fit(image, "it"), as_pixels(expected))


@pytest.mark.parametrize("resize", [9, 30])
@pytest.mark.parametrize("resampler", ["bilinear", "bicubic", "lanczos", "box", "nearest"])
def test_a_picture_has_the_same_pixels_whatever_it_is_stored_in(resampler, resize):
    transform = Transform(resize=resize, resampler=resampler, crop="center")
    for levels, channels in ((WIDE, 3), (WIDE[..., 0], 1), (WIDE[..., 0], 3)):
        fit, picture = Fit((channels, 9, 9), transform), Image.fromarray(levels)
        assert torch.equal(fit(as_pixels(picture), "it"), fit(picture, "it"))
    color = as_pixels(Image.fromarray(WIDE))
    fitted = Fit((3, 9, 9), transform)(color, "it")
    assert torch.equal(Fit((2, 9, 9), transform)(color[:2], "it"), fitted[:2])


def test_a_random_crop_is_any_window_and_depends_on_its_seed_alone():
    image = Image.fromarray(PIXELS[0])
    fit = Fit((1, 7, 8), Transform(crop="random"))
    windows = {
        PIXELS[0, top : top + 7, left : left + 8].tobytes() for top in range(3) for left in range(3)
    }
    found = [fit(image, "it", seed) for seed in range(200)]
    assert {one.numpy().tobytes() for one in found} == windows
    assert all(torch.equal(fit(image, "it", seed), found[seed]) for seed in reversed(range(20)))


def test_a_flip_is_left_to_right_every_second_time():
    fit = Fit((1, 9, 10), Transform(flip=True))
    plain = torch.from_numpy(PIXELS[:1].copy())
    found = [fit(plain, "it", seed) for seed in range(200)]
    flipped = sum(torch.equal(one, plain.flip(2)) for one in found)
    assert flipped + sum(torch.equal(one, plain) for one in found) == 200
    assert 70 < flipped < 130
    assert torch.equal(fit(plain, "it"), plain)


def test_gray_becomes_color_and_color_is_not_made_gray():
    gray, color = Image.fromarray(PIXELS[0]), Image.fromarray(WIDE)
    assert torch.equal(Fit((3, 9, 10), Transform())(gray, "it")[2], torch.from_numpy(PIXELS[0]))
    with pytest.raises(DataError, match="it is color, not gray"):
        Fit((1, 21, 40), Transform())(color, "it")


@pytest.mark.parametrize(
    ("transform", "why"),
    [
        (
            Transform(),
            "it is 21 x 40, not 16 x 16. data.transform = {resize = 16, crop = 'center'}",
        ),
        (Transform(resize=16), "it is 16 x 30, not 16 x 16."),
        (
            Transform(resize=9, crop="random"),
            "it is 21 x 40, too small for a crop of 16 x 16 after",
        ),
    ],
)
def test_an_image_that_does_not_fit_is_told_what_makes_it_fit(transform, why):
    with pytest.raises(DataError, match=why.replace("{", r"\{")):
        Fit((3, 16, 16), transform)(Image.fromarray(WIDE), "it")
