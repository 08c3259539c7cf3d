"""Compressed images: the same bytes back, sizes near the bound, and a sentence for every damage."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from coded_models import MODELS, sampled, shapes, small
from numpy_decoder import decoded as decoded_by_numpy

import zoo
from zoo.coding import stack as stacks
from zoo.coding.file import parsed, written
from zoo.coding.stack import Stack, weights_of
from zoo.errors import DataError, InputError, NotInstalledError
from zoo.integers.base import images_as_activations

GOLDEN = Path(__file__).resolve().parent / "golden.aez"
GOLDEN_SHA256 = "9861f02736dc02c6ea50bff9eb76bf6a015defe4d7886586e8be06b996307eee"


@pytest.fixture(scope="module")
def vae() -> zoo.Autoencoder:
    return small("vae")


def test_a_stack_gives_back_what_was_pushed_and_nothing_remains():
    dice = np.random.default_rng(0)
    stack, pushed = Stack(), []
    for _ in range(200):
        cuts = np.sort(dice.choice(2**24 - 1, (4, 9)) + 1, 1)
        bounds = np.concatenate([np.zeros((4, 1)), cuts, np.full((4, 1), 2**24)], 1)
        masses = np.maximum(np.diff(bounds, axis=1), 1.0)
        masses[:, 0] += 2**24 - masses.sum(1)
        symbols, equal = dice.integers(0, 10, 4, np.int32), dice.integers(0, 4, 3)
        stack.push(symbols, weights_of(masses))
        stack.push_equal(equal)
        pushed.append((symbols, masses, equal))
    again = Stack(*stack.words())
    for symbols, masses, equal in reversed(pushed):
        assert (again.pop_equal(3) == equal).all()
        assert (again.pop(weights_of(masses)) == symbols).all()
    assert again.is_at_start


def test_bits_of_a_symbol_are_those_of_its_mass():
    stack = Stack()
    masses = np.tile([2**24 - 2**14, 2.0**14], (1000, 1))
    stack.push(np.ones(1000, np.int32), weights_of(masses))
    words, touched = stack.words()
    assert abs(32 * (len(words) - touched) - 10_000) <= 64


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("chunk", [None, 1, 7, 100])
def test_images_come_back_bit_for_bit(name, chunk):
    model = small(name)
    likely, unlike = sampled(model, 9), shapes(6, channels=model.spec.input_shape[0])
    images = torch.cat([likely, unlike])
    assert torch.equal(
        zoo.decompress(zoo.compress(model, images, chunk=chunk), model=model), images
    )


@pytest.mark.parametrize("name", MODELS)
def test_the_payload_is_close_to_the_bound(name):
    model = small(name)
    images = sampled(model, 400)
    file = parsed(zoo.compress(model, images, chunk=400))
    with torch.no_grad():
        bits = -model.elbo(images / 255, samples=20).sum().item() / math.log(2)
    start = 32 * file.chunks[0].touched
    assert abs(8 * file.payload_bytes - start - bits) < 0.01 * bits


def test_what_cannot_be_coded_is_a_sentence(vae):
    gray = shapes(2)
    gray[1, 0, 3, 3] = 7
    with pytest.raises(InputError, match="Image 1 has gray pixels"):
        zoo.compress(vae, gray)
    binarized = zoo.compress(vae, gray, binarize=True)
    assert set(zoo.decompress(binarized, model=vae).unique().tolist()) <= {0, 255}
    for wrong, why in (
        (gray.float(), "uint8 levels"),
        (gray[:0], "no images"),
        (shapes(2, 9, 9), "The model takes 1 x 8 x 9 images"),
    ):
        with pytest.raises(InputError, match=why):
            zoo.compress(vae, wrong)
    with pytest.raises(InputError, match="chunk is an integer"):
        zoo.compress(vae, gray, chunk=0)
    with pytest.raises(InputError, match="restores images close to yours"):
        zoo.compress(vector_quantized(), gray)
    with pytest.raises(InputError, match="this model loses nothing"):
        zoo.compress(vae, gray, lossy=True)
    with pytest.raises(InputError, match="lossless models of black and white"):
        zoo.compress(small("vae of levels"), gray, binarize=True)
    with pytest.raises(InputError, match="AE has no prior over its codes"):
        zoo.compress(zoo.build("ae", input_shape=(1, 8, 9), latent_dim=2), gray)
    gaussian = zoo.build(
        "vae", input_shape=(1, 8, 9), latent_dim=2, likelihood={"kind": "gaussian"}
    )
    with pytest.raises(InputError, match="likelihood 'gaussian' is of real numbers"):
        zoo.compress(gaussian, gray)


def vector_quantized() -> zoo.Autoencoder:
    fields = {"input_shape": (1, 8, 9), "latent_dim": 3, "likelihood": {"kind": "bernoulli"}}
    return zoo.build("vq-vae", seed=1, codes=21, **fields).eval()


@pytest.mark.parametrize("chunk", [None, 7])
def test_a_vq_vae_restores_its_reconstructions(chunk):
    model, images = vector_quantized(), shapes(30)
    blob = zoo.compress(model, images, lossy=True, chunk=chunk)
    found, held = zoo.decompress(blob, model=model), parsed(blob)
    with torch.no_grad():
        expected = model.reconstruct(images / 255) * 255
    assert (found - expected).abs().max() < 1
    error = (found / 255 - images / 255).square().flatten(1).mean(1)
    assert abs(held.header.psnr - float((-10 * error.log10()).mean())) < 1e-4
    numbers = zoo.exact(model).numbers(images_as_activations(images))
    share = torch.bincount(numbers.flatten()) / numbers.numel()
    entropy = -(share[share > 0].log2() * share[share > 0]).sum() * numbers.numel()
    assert 8 * held.payload_bytes < entropy + 96 * len(held.chunks) + 0.01 * entropy
    assert torch.equal(zoo.decompress(blob, model=model, only=range(5, 9)), found[5:9])


def test_codes_that_say_nothing_have_no_digits():
    model = small("vae")
    with torch.no_grad():  # two of three codes are those of the prior
        model.posterior_head.weight[[0, 2, 3, 5]] = 0
        model.posterior_head.bias[[0, 2, 3, 5]] = 0
        model.posterior_head.weight[1] *= 20
    digits = parsed(zoo.compress(model, sampled(model, 60))).side
    assert (digits[0], digits[2]) == (0, 0)
    assert digits[1] > 0


@pytest.mark.parametrize("name", ["vae", "hierarchical-vae"])
def test_posteriors_in_the_tails_of_the_prior_cost_what_the_bound_says(name):
    model = small(name)
    with torch.no_grad():  # means far out, known precisely
        head = model.posterior_head if name == "vae" else model.groups[0].posterior_head
        half = len(head.bias) // 2
        head.bias[:half], head.bias[half:] = 5.0, -6.0
    images = sampled(model, 150)
    blob = zoo.compress(model, images, chunk=150)
    file = parsed(blob)
    assert (0 if name == "vae" else 1) in file.header.tails
    assert torch.equal(zoo.decompress(blob, model=model), images)
    with torch.no_grad():
        bits = -model.elbo(images / 255, samples=20).sum().item() / math.log(2)
    assert abs(8 * file.payload_bytes - 32 * file.chunks[0].touched - bits) < 0.01 * bits
    other = written(file.header.model_copy(update={"tails": (7,)}), file.chunks, file.side, None)
    with pytest.raises(DataError, match="its grids are not those of the model"):
        zoo.decompress(other, model=model)


def test_a_prior_of_one_component_and_posteriors_without_bounds_are_coded(tmp_path):
    fields = {"input_shape": (1, 8, 9), "latent_dim": 3, "likelihood": {"kind": "bernoulli"}}
    prior = {"kind": "vamp", "components": 1}
    model = zoo.build("vae", seed=1, prior=prior, **fields).eval()
    assert torch.equal(zoo.decompress(zoo.compress(model, shapes(5)), model=model), shapes(5))
    body = {"kind": "mlp", "hidden": [9, 7]}
    wide = zoo.build("vae", seed=1, log_variance_bound="off", body=body, **fields).eval()
    with torch.no_grad():
        wide.posterior_head.bias[3:] = 14.0
    zoo.save(wide, tmp_path / "wide")
    found = decoded_by_numpy(zoo.compress(wide, shapes(3)), tmp_path / "wide")
    assert np.array_equal(found, shapes(3).numpy())


def test_without_the_extra_the_command_that_installs_it_is_said(vae, monkeypatch):
    def absent():
        raise NotInstalledError(f"Compression needs constriction: {stacks.EXTRA}")

    monkeypatch.setattr("zoo.coding.stack._constriction", absent)
    with pytest.raises(NotInstalledError, match=r"pip install 'autoencoder-zoo\[coding\]'"):
        zoo.compress(vae, shapes(2))


def test_the_golden_file_decodes_to_the_same_bytes_for_ever():
    images = zoo.decompress(GOLDEN)
    assert hashlib.sha256(images.numpy().tobytes()).hexdigest() == GOLDEN_SHA256
    again = zoo.compress(zoo.load("vae-mnist-20"), images, chunk=4)
    assert again == GOLDEN.read_bytes()


def test_a_decoder_of_numpy_alone_written_from_the_docs_gives_the_same_bytes(tmp_path):
    folder = zoo.info("vae-mnist-20").folder
    found = decoded_by_numpy(GOLDEN.read_bytes(), folder)
    assert hashlib.sha256(found.tobytes()).hexdigest() == GOLDEN_SHA256
    model = small("vae of levels")
    zoo.save(model, tmp_path / "model")
    images = torch.cat([sampled(model, 3), shapes(2)])
    found = decoded_by_numpy(zoo.compress(model, images, chunk=3), tmp_path / "model")
    assert np.array_equal(found, images.numpy())
