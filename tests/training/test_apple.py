"""On a GPU that has no float64, as Apple's: trained, measured and encoded by default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mps import OnMPS, pretended
from safetensors.torch import load_file

import zoo
from zoo.cli import main

CONV = {"kind": "conv", "channels": [8], "residual_blocks": 0}
MLP = {"kind": "mlp", "hidden": [16]}
BODIES = {"vae": MLP, "ae": MLP, "vq-vae": CONV, "hierarchical-vae": CONV}


def recipe(family: str, **training) -> dict:
    return {
        "model": {
            "family": family,
            "input_shape": [1, 8, 8],
            "latent_dim": 3,
            "body": BODIES[family],
        },
        "data": {"dataset": "digits", "protocol": "binarized", "fit": "train"},
        "training": {"epochs": 1, "batch_size": 256, "checkpoint_minutes": 0, **training},
    }


@pytest.fixture
def apple(monkeypatch):
    with pretended(monkeypatch):
        yield


def test_the_pretended_device_refuses_what_apples_does(apple):
    x = torch.zeros(3, device="mps")
    assert x.device.type == (x + 1).device.type == "mps"
    assert x.cpu().double().dtype == torch.float64
    for wrong in (x.double, lambda: x + torch.zeros(3), x.numpy, lambda: x.to(torch.float64)):
        with pytest.raises((TypeError, RuntimeError)):
            wrong()


@pytest.mark.parametrize("family", BODIES)
def test_it_is_trained_measured_and_encoded(family, apple):
    run = zoo.train(recipe(family, ema_decay=0.9, clip_norm=5.0), out="run")
    assert "mps" in Path("run/model/metrics.json").read_text()
    model = zoo.load("./run/model", device="auto")
    assert isinstance(next(model.parameters()), OnMPS)
    measured = zoo.evaluate(model, "digits", limit=20, nll_samples=4)
    alone = zoo.evaluate(model, "digits", limit=20, nll_samples=4, device="cpu")
    assert measured.model_dump() == alone.model_dump()
    with pytest.raises(SystemExit) as end:
        main(["encode", "./run/model", "digits", "-o", "codes.npy", "--device", "auto"])
    assert not end.value.code
    assert len(np.load("codes.npy")) == 1797
    assert run.metrics is not None


def test_a_checkpoint_keeps_its_generator(apple):
    def stop(update):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.train(recipe("vae", epochs=2), out="run", on_update=stop)
    assert "random.0.mps" in load_file("run/checkpoint.safetensors")
