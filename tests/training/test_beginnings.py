"""Trainings that begin with a model: all of it, or its decoder alone, whose codes stay as they are."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import zoo
from zoo.errors import RecipeError, SourceError

KL = {
    "family": "autoencoder-kl",
    "input_shape": [3, 16, 16],
    "block_out_channels": [16, 32],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "norm_num_groups": 8,
}
TINY = {
    "family": "autoencoder-tiny",
    "input_shape": [3, 16, 16],
    **{f"{side}_block_out_channels": [16, 16] for side in ("encoder", "decoder")},
    **{f"num_{side}_blocks": [1, 1] for side in ("encoder", "decoder")},
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pictures.npy"
    coarse = np.random.default_rng(0).integers(0, 256, (60, 3, 4, 4), dtype=np.uint8)
    np.save(path, coarse.repeat(4, 2).repeat(4, 3))
    return path


def recipe(pictures, model=KL, **training):
    return {
        "model": model,
        "data": {"dataset": str(pictures), "protocol": "gray"},
        "training": {"epochs": 1, "batch_size": 16, **training},
    }


def saved(model, folder):
    fields = {k: v for k, v in model.items() if k != "family"}
    zoo.save(zoo.build(model["family"], seed=1, **fields), folder)
    return folder


def same(one, other, prefix):
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(t, theirs[n]) for n, t in ours.items() if n.startswith(prefix))


@pytest.mark.parametrize("model", [KL, TINY])
def test_the_decoder_alone_is_trained_and_every_code_stays(pictures, tmp_path, model):
    start = zoo.load(saved(model, tmp_path / "start"))
    run = zoo.train(
        recipe(pictures, model, init=str(tmp_path / "start"), trains="decoder", ema_decay=0.9),
        out=tmp_path / "run",
        device="cpu",
    )
    x = torch.rand(5, 3, 16, 24)
    assert torch.equal(run.model.eval().encode(x), start.encode(x))
    assert not same(run.model, start, "network.decoder.")
    assert same(run.model, start, "network.encoder.")
    assert run.model.info.metrics.training.init_sha256 == start.info.sha256


def test_all_of_it_is_trained_and_begins_there(pictures, tmp_path):
    start = zoo.load(saved(KL, tmp_path / "start"))
    run = zoo.train(
        recipe(pictures, init=str(tmp_path / "start"), learning_rate=1e-12),
        out=tmp_path / "run",
        device="cpu",
    )
    x = torch.rand(5, 3, 16, 16)
    torch.testing.assert_close(run.model.eval().reconstruct(x), start.reconstruct(x))
    assert not same(run.model, start, "network.encoder.")


def test_a_stopped_one_goes_on_to_the_same_bits(pictures, tmp_path):
    saved(TINY, tmp_path / "start")
    said = recipe(pictures, TINY, init=str(tmp_path / "start"), trains="decoder", epochs=2)
    whole = zoo.train(said, out=tmp_path / "whole", device="cpu").model

    def stop(update):
        if update.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.train(said, out=tmp_path / "cut", device="cpu", on_update=stop)
    again = zoo.train(said, out=tmp_path / "cut", device="cpu", resume=True).model
    assert same(again, whole, "")


def test_objectives_have_their_terms(pictures, tmp_path):
    extractor = zoo.build("ae", input_shape=(3, 16, 16), latent_dim=4, seed=0)
    zoo.save(extractor, tmp_path / "extractor")
    objective = {
        "kind": "pixels",
        "error": "l2",
        "kl": 0.5,
        "perceptual": 2.0,
        "extractor": str(tmp_path / "extractor"),
    }
    terms = []
    zoo.train(
        recipe(pictures, objective=objective),
        out=tmp_path / "run",
        device="cpu",
        on_update=lambda update: terms.append(update.terms),
    )
    assert set(terms[-1]) == {"l2", "kl", "perceptual"}


@pytest.mark.parametrize(
    ("training", "error", "says"),
    [
        ({"init": "./nowhere"}, SourceError, "does not exist"),
        ({"trains": "decoder"}, RecipeError, "requires training.init"),
        ({"init": "{start}"}, RecipeError, "its block_out_channels is (16, 32), not (16, 16)"),
        ({"init": "{tiny}"}, RecipeError, "it is a AutoencoderTinySpec, not a AutoencoderKLSpec"),
        ({"objective": {"kind": "elbo", "free_bits": 1.0}}, RecipeError, "'elbo' needs a likelihood"),
        ({"objective": {"kind": "pixels", "perceptual": 1.0}}, RecipeError, "set together"),
        ({"objective": {"kind": "pixels", "error": "l3"}}, RecipeError, "input should be 'l1' or 'l2'"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_begin_gets_a_sentence(pictures, tmp_path, training, error, says):
    if "init" in training:
        where = {"start": saved(KL, tmp_path / "start"), "tiny": saved(TINY, tmp_path / "tiny")}
        training = training | {"init": training["init"].format(**where)}
    model = KL | {"block_out_channels": [16, 16]}
    with pytest.raises(error, match=re.escape(says)):
        zoo.train(recipe(pictures, model, **training), out=tmp_path / "run", device="cpu")


def test_a_family_whose_decoder_is_not_apart(pictures, tmp_path):
    model = {"family": "hierarchical-vae", "input_shape": [3, 16, 16], "latent_dim": 4}
    saved(model, tmp_path / "start")
    said = recipe(pictures, model, init=str(tmp_path / "start"), trains="decoder")
    with pytest.raises(RecipeError, match="does not declare its decoder parameters"):
        zoo.train(said, out=tmp_path / "run", device="cpu")
