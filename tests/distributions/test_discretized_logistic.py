"""Mixtures of discretized logistics: masses, their sum, gradients, samples, and the protocol `levels`."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo.data import Examples
from zoo.distributions.discretized_logistic import (
    FIRST_LOG_SCALE,
    DiscretizedLogisticImage,
    logistics_of,
)
from zoo.errors import InputError
from zoo.evaluation.evaluate import evaluate_model

ALL = torch.arange(256).view(256, 1, 1, 1) / 255
"""Every level, as an image of one pixel."""
LIKELIHOOD = {"kind": "discretized-logistic", "components": 3}


def drawn(*shape: int, scale: float = 2.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_a_mass_is_the_difference_of_two_sigmoids():
    mean, log_scale = 0.2, -2.0
    outputs = torch.tensor([0.7, mean, log_scale - FIRST_LOG_SCALE]).view(3, 1, 1)
    image = DiscretizedLogisticImage(outputs, 1)
    centers = torch.arange(256).double() / 127.5 - 1
    above = torch.sigmoid((centers + 1 / 255 - mean) / math.exp(log_scale))
    below = torch.sigmoid((centers - 1 / 255 - mean) / math.exp(log_scale))
    above[-1], below[0] = 1.0, 0.0
    masses = image.log_prob(ALL).exp()
    torch.testing.assert_close(masses.double(), above - below, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("scale", [0.1, 2.0, 30.0])
@pytest.mark.parametrize("components", [1, 5])
def test_masses_over_the_256_levels_sum_to_one(components, scale):
    image = DiscretizedLogisticImage(drawn(20, 3 * components, 1, 1, scale=scale), components)
    masses = image.log_prob(ALL[:, None]).exp().sum(0)  # (20,)
    torch.testing.assert_close(masses, torch.ones(20), rtol=1e-4, atol=0)


@pytest.mark.parametrize("red", [0, 1, 100, 254, 255])
def test_in_color_the_masses_of_all_greens_and_blues_sum_to_the_reds(red):
    outputs = drawn(2, 10, 1, 1)
    image = DiscretizedLogisticImage(outputs.flatten(0, 1), 2)
    alone = DiscretizedLogisticImage(outputs[:, [0, 1, 4]].flatten(0, 1), 2)
    levels = [torch.tensor([red / 255]), *[torch.arange(256) / 255] * 2]
    colors = torch.cartesian_prod(*levels)[:, :, None, None]  # (65536, 3, 1, 1)
    total = image.log_prob(colors).double().exp().sum()
    assert total == pytest.approx(alone.log_prob(ALL[red]).exp().item(), rel=1e-3)


def test_a_channel_is_moved_by_those_before_it():
    outputs = torch.zeros(10, 1, 1)
    outputs[4:7] = -7.0  # narrow
    outputs[7:] = torch.atanh(torch.tensor([0.5, -0.25, 0.75])).view(3, 1, 1)
    outputs[1] = 0.6  # red, from -1 to 1
    red, green, blue = DiscretizedLogisticImage(outputs, 1).mean.flatten() * 2 - 1
    assert red == pytest.approx(0.6, abs=1e-3)
    assert green == pytest.approx(0.5 * 0.6, abs=1e-3)
    assert blue == pytest.approx(-0.25 * 0.6 + 0.75 * 0.3, abs=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_each_number_of_channels_has_its_outputs(channels):
    outputs = drawn(2, 3 * (channels + 1) * (channels + 2) // 2, 4, 5)
    image = DiscretizedLogisticImage(outputs, 3)
    assert (image.batch_shape, image.event_shape) == ((2,), (channels, 4, 5))
    assert image.mean.shape == image.sample().shape == (2, channels, 4, 5)
    assert image.sample((7,)).shape == (7, 2, channels, 4, 5)
    assert image.log_prob(image.sample((7,))).shape == (7, 2)


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e6])
def test_scores_and_gradients_are_finite_for_any_outputs(scale):
    outputs = drawn(6, 20, 3, 3, scale=scale).requires_grad_()
    image = DiscretizedLogisticImage(outputs, 2)
    levels = torch.randint(0, 256, (6, 3, 3, 3), generator=torch.Generator().manual_seed(0))
    score = image.log_prob(levels / 255)
    (gradient,) = torch.autograd.grad(score.sum(), outputs)
    assert score.isfinite().all()
    assert (score <= 0).all()
    assert gradient.isfinite().all()
    assert ((image.mean >= 0) & (image.mean <= 1)).all()


def test_the_gradient_of_a_far_off_mean_still_points_home():
    outputs = torch.tensor([0.0, -1.0, -7.0]).view(3, 1, 1).requires_grad_()
    score = DiscretizedLogisticImage(outputs, 1).log_prob(torch.full((1, 1, 1), 200 / 255))
    (gradient,) = torch.autograd.grad(score, outputs)
    assert gradient[1] > 0


def test_the_mean_is_that_of_the_masses():
    image = DiscretizedLogisticImage(drawn(20, 9, 1, 1), 3)
    masses = image.log_prob(ALL[:, None]).exp()  # (256, 20)
    mean = (masses * ALL.flatten()[:, None]).sum(0)
    torch.testing.assert_close(image.mean.flatten(), mean, rtol=0, atol=1e-4)


def test_samples_agree_with_the_masses():
    torch.manual_seed(0)
    count = 50_000
    image = DiscretizedLogisticImage(drawn(9, 1, 1), 3)
    levels = (image.sample((count,)) * 255).round().long().flatten()
    masses = image.log_prob(ALL).exp()
    found = levels.bincount(minlength=256) / count
    error = (masses / count).sqrt()
    assert ((found - masses).abs() <= 6 * error + 3 / count).all()


def test_in_color_samples_and_scores_go_by_channels_in_turn():
    """Drawing and scoring go the same way: red, green given red, blue given both."""
    torch.manual_seed(0)
    outputs = drawn(10, 1, 1)
    image = DiscretizedLogisticImage(outputs, 1)
    x = image.sample((20_000,))
    red = DiscretizedLogisticImage(outputs[[0, 1, 4]], 1)
    torch.testing.assert_close(x[:, 0].mean(), red.mean.mean(), rtol=0, atol=0.01)
    green = outputs[[0, 2, 5]].expand(len(x), -1, -1, -1).clone()
    green[:, 1] += torch.tanh(outputs[7]) * (2 * x[:, 0] - 1)
    given = DiscretizedLogisticImage(green, 1)
    torch.testing.assert_close(x[:, 1].mean(), given.mean.mean(), rtol=0, atol=0.01)
    blue = outputs[[0, 3, 6]].expand(len(x), -1, -1, -1).clone()
    blue[:, 1] += torch.tanh(outputs[8]) * (2 * x[:, 0] - 1)
    blue[:, 1] += torch.tanh(outputs[9]) * (2 * x[:, 1] - 1)
    last = DiscretizedLogisticImage(blue, 1)
    torch.testing.assert_close(x[:, 2].mean(), last.mean.mean(), rtol=0, atol=0.01)
    parts = red.log_prob(x[:, :1]) + given.log_prob(x[:, 1:2]) + last.log_prob(x[:, 2:])
    torch.testing.assert_close(image.log_prob(x), parts, rtol=1e-4, atol=1e-4)


def test_it_starts_as_wide_logistics_around_the_training_mean():
    mean = torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0))
    image = DiscretizedLogisticImage(logistics_of(mean, 4), 4)
    assert (
        image.mean - mean
    ).abs().max() < 0.1  # what lies beyond black and white pulls it inwards
    model = zoo.build("conv-vae", input_shape=(3, 8, 8), latent_dim=3, likelihood=LIKELIHOOD)
    model.set_output_mean(torch.full((3, 8, 8), 0.4))
    bias = model.state_dict()["decoder.up.1.bias"].view(3, 10)
    torch.testing.assert_close(bias[:, 1:4], torch.full((3, 3), -0.2))


@pytest.mark.parametrize("family", ["ae", "vae", "conv-ae", "conv-vae", "vq-vae"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13)], ids=str)
def test_every_family_has_it(family, shape):
    model = zoo.build(family, seed=0, input_shape=shape, latent_dim=3, likelihood=LIKELIHOOD).eval()
    x = torch.randint(0, 256, (4, *shape)) / 255
    assert model.reconstruct(x).shape == x.shape
    assert model.loss(x).terms["reconstruction"] > 0


def test_a_model_with_it_learns_its_images():
    torch.manual_seed(0)
    x = torch.randint(0, 256, (8, 3, 2, 2)).repeat_interleave(4, 2).repeat_interleave(4, 3) / 255
    model = zoo.build("ae", seed=0, input_shape=(3, 8, 8), latent_dim=8, likelihood=LIKELIHOOD)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    bits = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.loss(x).total
        loss.backward()
        optimizer.step()
        bits.append(loss.item() / (192 * math.log(2)))
    assert bits[0] > 7
    assert bits[-1] < 5


def test_levels_are_a_mass_whose_bits_have_no_shift():
    model = zoo.build("vae", seed=0, input_shape=(1, 8, 8), latent_dim=3, likelihood=LIKELIHOOD)
    pixels = torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8)
    metrics = evaluate_model(model, Examples("levels", "test", pixels), nll_samples=3)
    assert metrics.protocol == "levels"
    assert metrics.neg_elbo is not None
    assert metrics.nll is not None
    assert metrics.bits_per_dim == pytest.approx(metrics.neg_elbo / (64 * math.log(2)))
    assert metrics.bce_plus_kl is None
    with pytest.raises(InputError, match="'dequantized' does not fit a discretized-logistic"):
        evaluate_model(model, Examples("levels", "test", pixels), protocol="dequantized")
    other = zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3)
    with pytest.raises(InputError, match="'levels' does not fit a bernoulli likelihood"):
        evaluate_model(other, Examples("levels", "test", pixels), protocol="levels")
