"""Folders of small models, and what is done to them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

import zoo
from zoo.errors import (
    ZooError,
)

WEIGHTS = "model.safetensors"
RECIPE = """
[model]
family = "vae"
input_shape = [1, 8, 8]
latent_dim = 3
body = {kind = "mlp", hidden = [5]}
[data]
dataset = "digits"
protocol = "binarized"
[training]
epochs = 1
"""


def small(seed: int = 0, hidden: int = 5) -> zoo.Autoencoder:
    body = {"kind": "mlp", "hidden": [hidden]}
    return zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3, body=body, seed=seed)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def put_weights(folder: Path, data: bytes, *, say_so: bool = True) -> None:
    """Other weights, and, unless told otherwise, their own sha256 in config.json."""
    (folder / WEIGHTS).write_bytes(data)
    if say_so:
        config = json.loads((folder / "config.json").read_text())
        config["weights_sha256"] = hashlib.sha256(data).hexdigest()
        (folder / "config.json").write_text(json.dumps(config))


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load((folder / WEIGHTS).read_bytes())


def refused(folder: Path, error: type[ZooError]) -> str:
    with pytest.raises(error) as caught:
        zoo.load(folder)
    assert type(caught.value) is error
    return str(caught.value)
