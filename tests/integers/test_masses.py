"""Tables, layers and masses in whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from coded_models import small
from torch.distributions import Normal

from zoo.integers import tables
from zoo.integers.discrete import CELLS, Gaussians, Grid, Logistics, centers_of
from zoo.integers.forms import form_of
from zoo.integers.grids import ONE, divided, rounded
from zoo.models.parts.bodies import ACTIVATIONS


def activations(*shape: int, bound: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1
    return torch.round(values * bound * ONE)


def test_division_and_rounding_are_those_of_whole_numbers():
    dice = np.random.default_rng(0)
    a = dice.integers(-(2**52) + 1, 2**52, 20_000)
    b = dice.integers(1, 2**30, 20_000) >> dice.integers(0, 29, 20_000)
    b = np.maximum(b, 1)
    found = divided(torch.from_numpy(a).double(), torch.from_numpy(b).double())
    assert found.long().tolist() == [int(x) // int(y) for x, y in zip(a, b, strict=True)]
    exact_multiples = torch.from_numpy(b * (2**52 // b // 2)).double()
    assert torch.equal(
        divided(exact_multiples, torch.from_numpy(b).double()) * torch.from_numpy(b),
        exact_multiples,
    )
    shifted = rounded(torch.from_numpy(a // 4).double(), 16)
    assert shifted.long().tolist() == [(int(x) // 4 + 2**15) >> 16 for x in a]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_function_is_rounded_to_the_grid(name, monkeypatch):
    x = torch.arange(-14 * ONE, 14 * ONE, 7, dtype=torch.float64)
    if name == "gelu":  # its table takes seconds
        monkeypatch.setattr(tables, "SIDE", 8)
        x = x[x.abs() <= 8 * ONE]
    expected = ACTIVATIONS[name](x / ONE) * ONE
    assert (tables.activated(name, x) - expected).abs().max() <= 1


def test_tables_are_close_to_their_functions():
    x = torch.arange(-11 * ONE, 11 * ONE, 13, dtype=torch.float64)
    assert (tables.sigmoid(x) / ONE - torch.sigmoid(x / ONE)).abs().max() < 1.3e-4
    assert (tables.soft_clamped(x, 2.0) / ONE - 2 * torch.tanh(x / ONE / 2)).abs().max() < 1.3e-4
    scale = torch.exp(x / ONE / 2)
    assert (tables.scale_of(x) / 2**20 / scale - 1).abs().max() < 5e-3
    t = torch.arange(-9 * 2**16, 9 * 2**16, 1001, dtype=torch.float64)
    assert (tables.normal_cdf(t) / 2**28 - Normal(0, 1).cdf(t / 2**16)).abs().max() < 1e-6
    t = torch.arange(-22 * 2**16, 22 * 2**16, 1001, dtype=torch.float64)
    assert (tables.logistic_cdf(t) / 2**28 - torch.sigmoid(t / 2**16)).abs().max() < 1e-6
    points = tables.quantiles(16)
    places = torch.arange(1, 16, dtype=torch.float64) / 16
    assert (points / 2**20 - Normal(0, 1).icdf(places)).abs().max() < 1e-6
    assert torch.equal(points, -points.flip(0))


def test_masses_of_a_gaussian_are_close_whole_and_never_zero():
    grid = Grid(tables.quantiles(2 * CELLS))
    mean = torch.tensor([[0.0, 0.5, -3.0, 100.0]], dtype=torch.float64) * ONE
    scale = torch.tensor([[1.0, 0.03, 0.5, 1e-6]], dtype=torch.float64) * 2**20
    gaussians = Gaussians.make(mean * 2**8, scale.floor(), grid)
    before = torch.zeros(1, 4, dtype=torch.int64)
    for digit in range(6):
        masses = gaussians.masses(digit, before, slice(None))
        assert (masses >= 1).all()
        assert torch.equal(masses, masses.floor())
        assert (masses.sum(-1) == 2**24).all()
        some = gaussians.masses(digit, before[:, 1:3], torch.tensor([1, 2]))
        assert torch.equal(some, masses[:, 1:3])
        if digit == 0:
            quarters = Normal(0.5, 0.03).cdf(grid.points[[2047, 4095, 6143]] / 2**20)
            assert (masses[0, 1].cumsum(0)[:-1] / 2**24 - quarters).abs().max() < 1e-4
        before = before * 4 + masses.argmax(-1)
    places = centers_of(before, torch.full((4,), 6))[..., None]
    assert abs(grid.at(places, slice(None))[0, 1, 0] / 2**20 - 0.5) < 0.01


@pytest.mark.parametrize("channels", [1, 3])
def test_masses_of_levels_are_those_of_the_likelihood(channels):
    likelihood = small("hierarchical-vae of color").spec.likelihood
    shape = (channels, 3, 2)
    outputs = activations(5, *likelihood.outputs(shape), bound=2.0)
    own = likelihood.distribution(outputs / ONE, shape)
    torch.manual_seed(0)
    levels = (own.sample() * 255).round()
    form = form_of(likelihood, shape)
    numbers, bits = form.numbers(levels.to(torch.uint8)), torch.zeros(5, dtype=torch.float64)
    for turn in range(form.turns):
        masses, number = form.masses(outputs, numbers[:turn]), numbers[turn]
        assert isinstance(masses, Logistics)
        for digit in range(4):
            each = masses.masses(digit, number // 4 ** (4 - digit), slice(None))
            assert (each >= 1).all()
            assert (each.sum(-1) == 2**24).all()
            symbol = number // 4 ** (3 - digit) % 4
            bits -= (each.gather(-1, symbol[..., None])[..., 0] / 2**24).log().sum(1)
    expected = -own.log_prob(levels / 255)
    assert (bits / expected - 1).abs().max() < 2e-3
    assert torch.equal(form.levels(numbers).view(5, *shape), levels.to(torch.uint8))
