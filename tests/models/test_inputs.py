"""What a model's methods take: shape, dtype, range, device, each mistake a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
import torchvision
from PIL import Image

import zoo
from zoo.errors import InputError
from zoo.specs.objectives import Pixels

# Tensors


@pytest.fixture(scope="module")
def model():
    return zoo.build("vae", input_shape=(1, 8, 10), latent_dim=3, body={"kind": "mlp"}, seed=0)


WANTED = "encode takes (N, 1, 8, 10), float in [0, 1]; got "


@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.zeros(8, 10, dtype=torch.uint8), "(8, 10), uint8. Try x[None, None] / 255."),
        (torch.zeros(8, 10), "(8, 10), float32. Try x[None, None]."),
        (torch.zeros(1, 8, 10), "(1, 8, 10), float32. Try x[None]."),
        (torch.zeros(5, 8, 10), "(5, 8, 10), float32. Try x[:, None]."),
        (torch.zeros(5, 80), "(5, 80), float32. Try x.view(-1, 1, 8, 10)."),
        (torch.zeros(5, 8, 10, 1), "(5, 8, 10, 1), float32. Try x.permute(0, 3, 1, 2)."),
        (torch.zeros(5, 1, 10, 8), "(5, 1, 10, 8), float32."),
        (torch.zeros(5, 3, 8, 10), "(5, 3, 8, 10), float32."),
        (torch.zeros(()), "(), float32."),
        (torch.zeros(2, 1, 8, 10, dtype=torch.uint8), "(2, 1, 8, 10), uint8. Try x / 255."),
        (torch.zeros(2, 1, 8, 10, dtype=torch.int64), "(2, 1, 8, 10), int64. Try x / 255."),
        (torch.zeros(2, 1, 8, 10, dtype=torch.bool), "(2, 1, 8, 10), bool. Try x.float()."),
        (torch.zeros(2, 1, 8, 10, dtype=torch.complex64), "(2, 1, 8, 10), complex64."),
        (
            torch.zeros(2, 1, 8, 10).to(torch.float8_e4m3fn),
            "(2, 1, 8, 10), float8_e4m3fn. Try x.float().",
        ),
        (torch.full((2, 1, 8, 10), 255.0), "with values from 255 to 255. Try x / 255."),
        (torch.full((2, 1, 8, 10), -0.5), "-0.5. For a range of [-1, 1], try (x + 1) / 2."),
        (torch.full((2, 1, 8, 10), -1.7), "to -1.70000005. If they were standardized, undo it"),
        (torch.full((2, 1, 8, 10), 1.001), "to 1.00100005. Try x.clamp(0, 1)."),
        (torch.full((2, 1, 8, 10), 1.0000001), "to 1.00000012. Try x.clamp(0, 1)."),
        (torch.full((2, 1, 8, 10), 1.7), "Divide by the largest possible value."),
        (torch.full((2, 1, 8, 10), 16.0), "to 16. For levels from 0 to 16, try x / 16."),
        (torch.full((2, 1, 8, 10), 6e4), "For 16-bit levels, try x / 65535."),
        (torch.ones(8, 10, 1, dtype=torch.uint8), "Try x.permute(2, 0, 1)[None].float()."),
        (torch.full((2, 8, 10), 16, dtype=torch.int64), "Try x[:, None] / 16."),
        (torch.full((2, 8, 10), 999, dtype=torch.uint16), "Try x[:, None] / 65535."),
        (torch.zeros(2, 3, 8, 10, dtype=torch.uint8), "Try (x / 255).mean(1, keepdim=True)."),
        (torch.zeros(2, 1, 9, 9), "Try torch.nn.functional.interpolate(x, size=(8, 10), "),
        (torch.full((2, 1, 8, 10), float("nan")), "with values from nan to nan."),
        (torch.full((2, 1, 8, 10), float("inf")), "with values from inf to inf."),
        (np.zeros((2, 1, 8, 10), np.float32), "ndarray. Try torch.as_tensor(x)."),
        (np.zeros((2, 8, 10), np.uint8), "ndarray. Try torch.as_tensor(x)[:, None] / 255."),
        ([[0.0]], "list. Try torch.as_tensor(x)."),
        ([torch.zeros(1, 8, 10)], "list. Try torch.stack(x)."),
        ([torch.zeros(5, 1, 8, 10), torch.zeros(5)], "list. Try x[0]."),
        ([np.zeros((8, 10))], "list. Convert each image to a tensor (C, H, W), then torch.stack"),
        ("a.png", "str. To read a file: torchvision.transforms.functional.to_tensor(PIL.Image."),
        (
            Path("a.png"),
            "Path. To read a file: torchvision.transforms.functional.to_tensor(PIL.Image.",
        ),
        (
            Image.new("RGB", (8, 10)),
            'Try torchvision.transforms.functional.to_tensor(x.convert("L"))[None].',
        ),
        (None, "NoneType."),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_images_of_another_shape_dtype_or_range_are_refused(model, x, got):
    with pytest.raises(InputError) as caught:
        model.encode(x)
    assert str(caught.value).startswith(WANTED)
    assert got.rstrip(".") in str(caught.value)


@pytest.mark.parametrize("method", ["encode", "reconstruct", "forward", "loss", "posterior"])
def test_every_public_method_checks_its_images(model, method):
    with pytest.raises(InputError, match="Try x / 255"):
        getattr(model, method)(torch.full((2, 1, 8, 10), 255.0))


@pytest.mark.parametrize(
    ("z", "got"),
    [
        (torch.zeros(2, 4), "(2, 4), float32."),
        (torch.zeros(()), "(), float32."),
        (torch.zeros(2, 3, dtype=torch.int64), "(2, 3), int64. Try z.float()."),
        (torch.zeros(2, 3, dtype=torch.complex64), "(2, 3), complex64."),
        (torch.zeros(2, 3).to(torch.float8_e5m2), "(2, 3), float8_e5m2. Try z.float()."),
        (torch.full((2, 3), float("inf")), "with non-finite values."),
        (torch.full((2, 3), float("nan")), "with non-finite values."),
        (torch.full((2, 3), 1e300, dtype=torch.float64), "with non-finite values."),
        (np.zeros((2, 3)), "ndarray. Try torch.as_tensor(z)."),
        (None, "NoneType."),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("method", ["decode", "likelihood"])
def test_codes_of_another_shape_or_dtype_are_refused(model, method, z, got):
    with pytest.raises(InputError) as caught:
        getattr(model, method)(z)
    assert str(caught.value).startswith("decode takes (..., 3), float; got ")
    assert got.rstrip(".") in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_plain_float_is_taken(model, dtype):
    x = torch.rand(2, 1, 8, 10).to(dtype)
    z = model.encode(x)
    assert (z.shape, z.dtype) == ((2, 3), torch.float32)
    assert model.decode(z.to(dtype)).shape == (2, 1, 8, 10)


def test_no_images_at_all_are_fine(model):
    assert model.encode(torch.zeros(0, 1, 8, 10)).shape == (0, 3)
    assert model.decode(torch.zeros(0, 3)).shape == (0, 1, 8, 10)
    assert model.decode(torch.zeros(3)).shape == (1, 8, 10)


def test_what_is_said_to_write_is_right(tmp_path, model):
    """Each sentence's expression, run."""
    levels = torch.randint(0, 256, (3, 1, 8, 10), dtype=torch.uint8)
    right = levels / 255
    Image.fromarray(levels[0, 0].numpy()).save(tmp_path / "a.png")
    picture = Image.open(tmp_path / "a.png")
    for wrong, expected in (
        (levels, right),
        (levels.permute(0, 2, 3, 1), right),
        (levels[:, 0].numpy(), right),
        (levels.permute(0, 2, 3, 1).numpy(), right),
        (right * 2 - 1, right),
        (list(right), right),
        (picture, right[:1]),
        (str(tmp_path / "a.png"), right[:1]),
        (levels.expand(-1, 3, -1, -1), right),
    ):
        with pytest.raises(InputError) as caught:
            model.encode(wrong)
        written = re.search(r"(?:[Tt]ry |file: )(.*?)(?:, resized .*)?\.$", str(caught.value))
        assert written, caught.value
        found = eval(
            written[1], {"x": wrong, "torch": torch, "torchvision": torchvision, "PIL": PIL}
        )
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("family", ["vae", "hierarchical-vae", "factor-vae"])
def test_no_images_have_no_bounds_and_no_loss(family):
    bounded, none = zoo.build(family, input_shape=(1, 8, 8), latent_dim=3), torch.zeros(0, 1, 8, 8)
    assert bounded.elbo(none).shape == bounded.log_likelihood(none, samples=2).shape == (0,)
    for model in (bounded, zoo.build("ae", input_shape=(1, 8, 8), latent_dim=3)):
        with pytest.raises(InputError, match=r"loss is a mean over images; got an empty batch\."):
            model.loss(none)


@pytest.mark.parametrize("n", [-1, 2.0, "3", None, True])
def test_a_sample_of_no_number_is_refused(model, n):
    with pytest.raises(InputError, match="n must be an integer from 0"):
        model.sample(n)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "", None, "vulkan"])
def test_a_device_that_is_not_there_is_refused(device):
    zoo.save(zoo.build("ae", input_shape=(1, 8, 8), latent_dim=2), "model")
    with pytest.raises(zoo.DeviceError) as caught:
        zoo.load("./model", device=device)
    assert repr(device) in str(caught.value)
    assert "Try 'cpu'" in str(caught.value) or "Use 'cpu'" in str(caught.value)


def test_cuda_without_a_gpu_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    zoo.save(zoo.build("ae", input_shape=(1, 8, 8), latent_dim=2), "model")
    for use in (
        lambda: zoo.load("./model", device="cuda"),
        lambda: zoo.evaluate("./model", device="cuda"),
    ):
        with pytest.raises(zoo.DeviceError, match="'cuda' is not available"):
            use()


@pytest.mark.parametrize("dtype", ["float8", torch.int8, float, torch.complex64])
def test_a_dtype_that_is_no_float_is_refused(dtype):
    with pytest.raises(InputError, match=r"dtype must be one of float16, .*; got"):
        zoo.load("./model", dtype=dtype)


@pytest.mark.parametrize("samples", [0, -1, 1.5, True])
@pytest.mark.parametrize("method", ["elbo", "log_likelihood"])
def test_a_number_of_draws_that_cannot_be_is_refused(method, samples):
    model = zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3)
    with pytest.raises(InputError, match="samples must be a positive integer; got"):
        getattr(model, method)(torch.rand(2, 1, 8, 8), samples=samples)


def test_a_likelihood_says_what_it_is():
    model = zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3)
    assert repr(model.likelihood(torch.zeros(2, 3))) == "Bernoulli(logits: (2, 1, 8, 8))"


def test_a_target_of_another_shape_is_refused():
    model = zoo.build("ae", input_shape=(1, 8, 8), latent_dim=2)
    with pytest.raises(
        InputError, match=r"target must have the shape of x, \(4, 1, 8, 8\); got \(1,"
    ):
        model.loss(torch.rand(4, 1, 8, 8), torch.rand(1, 1, 8, 8))


def test_a_perceptual_term_without_its_network_is_refused():
    model, perceptual = zoo.build("ae", input_shape=(3, 16, 16), latent_dim=2), Pixels(perceptual=1)
    with pytest.raises(InputError, match="perceptual term is trained by recipes only"):
        model.loss(torch.rand(2, 3, 16, 16), objective=perceptual)
