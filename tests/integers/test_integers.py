"""Integer arithmetic: against Python's whole numbers, against the float model, and equal however it is computed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from coded_models import MODELS, sampled, shapes, small, whole_form
from torch import nn

import zoo
from zoo.errors import InputError
from zoo.integers.base import State, images_as_activations
from zoo.integers.discrete import centers_of
from zoo.integers.forms import form_of
from zoo.integers.grids import LIMIT, ONE, on_grid


def activations(*shape: int, bound: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1
    return torch.round(values * bound * ONE)


LAYERS = [
    nn.Linear(7, 5),
    nn.Conv2d(3, 4, 4, stride=2, padding=1),
    nn.Conv2d(3, 2, 1),
    nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1, output_padding=1),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_is_the_whole_number_nearest_to_torchs(layer):
    x = activations(5, 7) if isinstance(layer, nn.Linear) else activations(5, 3, 9, 7)
    found = form_of(layer)(x)
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
    for row, found in zip(x.long().tolist(), form_of(layer)(x).long().tolist(), strict=True):
        sums = [sum(w * a for w, a in zip(own, row, strict=True)) for own in weight]
        assert found == [(s + b + 2**15) >> 16 for s, b in zip(sums, bias, strict=True)]


def test_activations_saturate():
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 90.0)
    x = torch.full((1, 2), 100.0 * ONE, dtype=torch.float64)
    assert form_of(layer)(x).item() == LIMIT


def test_weights_that_are_too_large_and_layers_without_a_form_are_refused():
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 1e6)
    with pytest.raises(InputError, match="too large for exact arithmetic"):
        form_of(layer)
    with pytest.raises(InputError, match="GroupNorm has no exact form"):
        form_of(nn.GroupNorm(1, 2))
    with pytest.raises(InputError, match="groups"):
        form_of(nn.Conv2d(2, 2, 3, groups=2))
    rows = zoo.build("vae", input_shape=(5,), latent_dim=2, likelihood={"kind": "gaussian"})
    with pytest.raises(InputError, match="VAE of 5-column rows has no exact form"):
        zoo.exact(rows)


def passed(name: str, levels: torch.Tensor) -> list[torch.Tensor]:
    """All masses of a pass through a model's integer form, at some cells."""
    model = whole_form(name)
    with torch.no_grad():
        features, state, found = model.features(images_as_activations(levels)), State(), []
        for group, size in enumerate(model.sizes):
            gaussians = model.posterior(group, features, state)
            cells = (torch.arange(size) * 5 + 2000).expand(len(levels), size)
            found += [
                gaussians.masses(digit, cells >> 12 - 2 * digit, slice(None)) for digit in range(6)
            ]
            places = centers_of(cells, torch.full((size,), 6))[..., None]
            positions = model.priors[group].grid.at(places, slice(None))[..., 0]
            state = model.descend(group, model.codes(group, positions, state), state)
        numbers = model.levels.numbers(levels)
        for turn in range(model.levels.turns):
            masses = model.levels.masses(model.outputs(state), numbers[:turn])
            found.append(masses.masses(0, torch.zeros_like(numbers[turn]), slice(None)))
        return [*found, model.encode(levels)]


def images_for(name: str, count: int) -> torch.Tensor:
    return sampled(small(name), count)


OTHERS = {
    "ae": {"latent_activation": "tanh", "body": {"kind": "mlp", "hidden": [7]}},
    "vq-vae": {"codes": 9},
}


@pytest.mark.parametrize("name", [*MODELS, *OTHERS])
def test_codes_are_close_to_those_of_floating_point(name):
    if name in OTHERS:
        fields = {"input_shape": (1, 8, 9), "latent_dim": 3, "likelihood": {"kind": "bernoulli"}}
        model = zoo.build(name, seed=1, **fields, **OTHERS[name]).eval()
        levels = shapes(6)
    else:
        model, levels = small(name), images_for(name, 6)
    found = zoo.exact(model).encode(levels)
    with torch.no_grad():
        expected = model.encode(levels / 255)
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.02


def test_exact_codes_are_of_levels_and_never_saturate():
    model = zoo.build("ae", input_shape=(1, 8, 9), latent_dim=3, seed=1).eval()
    for wrong in (shapes(2) / 255, shapes(2).mT, shapes(2, channels=3)):
        with pytest.raises(InputError, match="Exact codes are of uint8 levels, N x 1 x 8 x 9"):
            zoo.exact(model).encode(wrong)
    with torch.no_grad():
        model.to_code.weight *= 1e4
    with pytest.raises(InputError, match="Codes reach \\+-128"):
        zoo.exact(model).encode(shapes(2))


def test_another_spec_is_another_network():
    first, second = (
        zoo.build("vae", input_shape=(1, 8, 9), latent_dim=3, seed=1, body=body)
        for body in ({"kind": "mlp", "activation": one} for one in ("relu", "silu"))
    )
    second.load_state_dict(first.state_dict())
    assert zoo.exact(first).digest != zoo.exact(second).digest


@pytest.mark.parametrize("name", MODELS)
def test_batches_do_not_change_a_bit(name):
    levels = images_for(name, 20)
    whole = passed(name, levels)
    for size in (1, 16):
        parts = zip(*(passed(name, part) for part in levels.split(size)), strict=True)
        for one, pieces in zip(whole, parts, strict=True):
            assert torch.equal(one, torch.cat(pieces))


PRINTS = """
import sys, hashlib, torch
sys.path[:0] = sys.argv[2:]
from test_integers import MODELS, images_for, passed
torch.set_num_threads(int(sys.argv[1]))
digest = hashlib.sha256()
for name in MODELS:
    for one in passed(name, images_for(name, 20)):
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
        here = Path(__file__).resolve().parent
        words = [sys.executable, "-c", PRINTS, str(threads), str(here), str(here.parent)]
        done = subprocess.run(
            words, env=os.environ | more, capture_output=True, text=True, check=True
        )
        hashes.add(done.stdout)
    assert len(hashes) == 1


class Posterior(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, x):
        gaussians = self.form.posterior(0, self.form.features(x), State())
        return gaussians.mean, gaussians.scale


class Outputs(Posterior):
    def forward(self, x):
        return (self.form.outputs(State(x)),)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vae", "conv-vae", "vae of levels"])
def test_onnx_runtime_gives_the_same_integers(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    form, images = whole_form(name), images_as_activations(images_for(name, 5))
    for graph, given in ((Posterior(form), images), (Outputs(form), form._encode(images))):
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            sizes = ({0: torch.export.Dim("n", min=1, max=4096)},)
            made = torch.onnx.export(
                graph, (given,), dynamo=True, dynamic_shapes=sizes, verbose=False
            )
            session = onnxruntime.InferenceSession(made.model_proto.SerializeToString())
            for part in (given, given[:1]):
                found = session.run(None, {session.get_inputs()[0].name: part.numpy()})
                for ours, theirs in zip(graph(part), found, strict=True):
                    assert np.array_equal(ours.numpy(), theirs)


def test_gray_levels_become_activations_by_whole_numbers():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    expected = [(n * 2 * ONE + 255) // 510 for n in range(256)]
    assert images_as_activations(levels).flatten().long().tolist() == expected
    assert F.relu(images_as_activations(levels)).max() == ONE
