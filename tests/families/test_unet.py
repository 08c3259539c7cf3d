"""`unet`: codes of all levels, images of any size, and no biases."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import SpecError


@pytest.fixture(scope="module")
def model() -> zoo.Autoencoder:
    return zoo.build("unet", input_shape=(1, 16, 24), channels=(3, 4, 5), seed=0).eval()


def test_the_code_has_the_features_of_every_level(model):
    assert model.latent_shape == (3 * 16 + 4 * 4 + 5, 2, 3)
    x = torch.rand(2, 1, 16, 24)
    z = model.encode(x)
    levels = model._features(x)
    assert z.shape == (2, *model.latent_shape)
    assert z.numel() == sum(level.numel() for level in levels)
    for one, other in zip(model._unfolded(z), levels, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(model.decode(z), model.reconstruct(x))


@pytest.mark.parametrize("size", [(8, 8), (40, 16)])
def test_images_of_other_sizes_are_encoded(model, size):
    x = torch.rand(3, 1, *size)
    assert model.encode(x).shape == (3, *model.spec.code_shape((1, *size)))
    assert model.reconstruct(x).shape == x.shape


def test_scaling_an_image_scales_the_output(model):
    x = 0.1 * torch.rand(2, 1, 16, 24)
    once, thrice = (model._output(model._encode(scale * x)) for scale in (1, 3))
    assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]
    assert torch.allclose(3 * once, thrice, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"channels": (2,), "residual_blocks": 0},
        {"channels": (2, 2, 2)},
        {"channels": (2, 2), "residual_blocks": 3},
    ],
)
def test_a_pixel_depends_on_no_more_pixels_than_said(settings):
    model = zoo.build("unet", input_shape=(1, 8, 8), seed=0, **settings).eval()
    for center in range(200, 200 + model.spec.stride):
        x = torch.rand(1, 1, 8, 400, requires_grad=True)
        model._output(model._encode(x))[0, 0, :, center].sum().backward()
        assert x.grad is not None
        seen = x.grad.abs().sum((0, 1, 2)).nonzero().flatten()
        assert center - model.spec.reach <= seen.min()
        assert seen.max() <= center + model.spec.reach
        assert seen.max() - seen.min() > model.spec.reach


def test_a_size_that_its_levels_do_not_halve_is_refused():
    with pytest.raises(SpecError, match=r"multiples of 8, not \(28, 28\)"):
        zoo.build("unet", input_shape=(1, 28, 28))
