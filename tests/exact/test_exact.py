"""Integer arithmetic: against Python's whole numbers, against the float model, and equal however it is computed."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal

import zoo
from zoo.errors import InputError
from zoo.exact import tables
from zoo.exact.gaussians import CELLS, of_gaussian
from zoo.exact.grids import LIMIT, ONE, divided, on_grid, rounded
from zoo.exact.layers import exact_layer
from zoo.exact.models import ExactModel, State, exact, images_as_activations
from zoo.models.parts.bodies import ACTIVATIONS

CONV = {
    "kind": "conv",
    "channels": [3, 4],
    "residual_blocks": 1,
    "hidden": [6],
    "activation": "silu",
}


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
    edges, centers = tables.quantiles(4)
    places = torch.arange(1, 16, dtype=torch.float64) / 16
    assert (edges / 2**20 - Normal(0, 1).icdf(places)).abs().max() < 1e-6
    assert torch.equal(centers, -centers.flip(0))


def test_masses_of_a_gaussian_are_close_whole_and_never_zero():
    edges, _ = tables.quantiles(12)
    mean = torch.tensor([[0.0, 0.5, -3.0, 100.0]], dtype=torch.float64) * ONE
    scale = torch.tensor([[1.0, 0.03, 0.5, 1e-6]], dtype=torch.float64) * 2**20
    gaussian = of_gaussian(mean * 2**8, scale.floor(), edges)
    upper = gaussian.upper()
    assert (upper >= 1).all()
    assert torch.equal(upper, upper.floor())
    assert (upper.sum(-1) == 2**24).all()
    inner = edges[63::64] / 2**20
    cdf = Normal(0.5, 0.03).cdf(inner)
    assert (upper[0, 1].cumsum(0)[:-1] / 2**24 - cdf).abs().max() < 1e-4
    for cell in (0, 17, 63):
        lower = gaussian.lower(torch.full((1, 4), cell))
        assert (lower >= 1).all()
        assert (lower.sum(-1) == 2**24).all()
    assert CELLS == 64 * 64


LAYERS = [
    nn.Linear(7, 5),
    nn.Conv2d(3, 4, 4, stride=2, padding=1),
    nn.Conv2d(3, 2, 1),
    nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1, output_padding=1),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_is_the_whole_number_nearest_to_torchs(layer):
    x = activations(5, 7) if isinstance(layer, nn.Linear) else activations(5, 3, 9, 7)
    found = exact_layer(layer)(x)
    with torch.no_grad():
        expected = layer.double()(x / ONE) * ONE
    layer.float()
    assert found.shape == expected.shape
    assert torch.equal(found, found.floor())
    assert (found - expected).abs().max() < 3


def test_a_linear_layer_is_that_of_python():
    layer, x = nn.Linear(7, 5), activations(2, 7)
    weight, bias = (
        on_grid(layer.weight, 16).long().tolist(),
        on_grid(layer.bias, 28).long().tolist(),
    )
    for row, found in zip(x.long().tolist(), exact_layer(layer)(x).long().tolist(), strict=True):
        sums = [sum(w * a for w, a in zip(own, row, strict=True)) for own in weight]
        assert found == [(s + b + 2**15) >> 16 for s, b in zip(sums, bias, strict=True)]


def test_activations_saturate():
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 90.0)
    x = torch.full((1, 2), 100.0 * ONE, dtype=torch.float64)
    assert exact_layer(layer)(x).item() == LIMIT


def test_weights_that_are_too_large_and_layers_without_a_form_are_refused():
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 1e6)
    with pytest.raises(InputError, match="too large for exact arithmetic"):
        exact_layer(layer)
    with pytest.raises(InputError, match="GroupNorm has no exact form"):
        exact_layer(nn.GroupNorm(1, 2))
    with pytest.raises(InputError, match="groups"):
        exact_layer(nn.Conv2d(2, 2, 3, groups=2))
    with pytest.raises(InputError, match="AE has no exact form"):
        exact(zoo.build("ae", input_shape=(1, 8, 8), latent_dim=2))


MODELS = {
    "vae": {"body": {"kind": "mlp", "hidden": [9, 7]}},
    "conv-vae": {"body": CONV, "prior": {"kind": "vamp", "components": 5}},
    "hierarchical-vae": {"body": CONV, "groups": [2], "prior": {"kind": "vamp", "components": 5}},
}


def made(name: str) -> zoo.Autoencoder:
    fields = {"input_shape": (1, 8, 9), "latent_dim": 3, "likelihood": {"kind": "bernoulli"}}
    return zoo.build(name, seed=1, **fields, **MODELS[name]).eval()


@functools.cache
def whole_form(name: str) -> ExactModel:
    return exact(made(name))


def passed(name: str, levels: torch.Tensor) -> list[torch.Tensor]:
    """All masses of a pass through a model's integer form, at cells 5 apart."""
    model = whole_form(name)
    with torch.no_grad():
        features, state, found = model.features(images_as_activations(levels)), State(), []
        for number, size in enumerate(model.sizes):
            gaussian = model.posterior(number, features, state)
            cells = (torch.arange(size) * 5 + 2000).expand(len(levels), size)
            found += [gaussian.upper(), gaussian.lower(cells >> 6)]
            state = model.descend(number, cells, state)
        return [*found, model.pixel_masses(state)]


def binary(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return 255 * (torch.rand(count, 1, 8, 9, generator=generator) < 0.4).to(torch.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_close_to_its_float_form(name):
    model, levels = made(name), binary(4)
    whole = whole_form(name)
    with torch.no_grad():
        state, codes = State(), []
        for number, size in enumerate(whole.sizes):
            cells = torch.full((4, size), CELLS // 2)
            state = whole.descend(number, cells, state)
            codes.append(cells)
        top = whole._top_codes(codes[0]) / ONE
        if name != "hierarchical-vae":
            logits = model.decoder(top.float())
            assert (whole.logits(state) / ONE - logits).abs().max() < 0.01
        features = whole.features(images_as_activations(levels))
        mean = features[1][0] if name == "hierarchical-vae" else features[0]
        expected = model.posterior(levels / 255)
        expected = expected.features.loc if name == "hierarchical-vae" else expected.mean
        assert (mean / ONE - expected).abs().max() < 0.01


@pytest.mark.parametrize("name", MODELS)
def test_batches_do_not_change_a_bit(name):
    levels = binary(20)
    whole = passed(name, levels)
    for size in (1, 16):
        parts = zip(*(passed(name, part) for part in levels.split(size)), strict=True)
        for one, pieces in zip(whole, parts, strict=True):
            assert torch.equal(one, torch.cat(pieces))


PRINTS = """
import sys, hashlib, torch
sys.path.insert(0, sys.argv[1])
from test_exact import MODELS, binary, passed
torch.set_num_threads(int(sys.argv[2]))
digest = hashlib.sha256()
for name in MODELS:
    for one in passed(name, binary(20)):
        digest.update(one.numpy().tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_threads_and_instruction_sets_do_not_change_a_bit():
    hashes = set()
    for threads, more in (
        (1, {}),
        (2, {}),
        (7, {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}),
        (
            1,
            {
                "ATEN_CPU_CAPABILITY": "avx2",
                "ONEDNN_MAX_CPU_ISA": "AVX2",
                "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            },
        ),
        (
            1,
            {
                "ATEN_CPU_CAPABILITY": "default",
                "ONEDNN_MAX_CPU_ISA": "SSE41",
                "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            },
        ),
    ):
        words = [sys.executable, "-c", PRINTS, os.path.dirname(__file__), str(threads)]
        done = subprocess.run(
            words, env=os.environ | more, capture_output=True, text=True, check=True
        )
        hashes.add(done.stdout)
    assert len(hashes) == 1


def test_gray_levels_become_activations_by_whole_numbers():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    expected = [(n * 2 * ONE + 255) // 510 for n in range(256)]
    assert images_as_activations(levels).flatten().long().tolist() == expected
    assert F.relu(images_as_activations(levels)).max() == ONE
