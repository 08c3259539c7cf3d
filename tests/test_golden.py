"""Tiny golden checkpoints: each holds a family's function and its tensor names for ever.

`python tests/test_golden.py` writes one for a family that has none yet; it never replaces one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

import zoo
from zoo.registry import families

GOLDEN = Path(__file__).resolve().parent / "golden"
VARIANTS = {
    "ae": {"latent_activation": "relu", "body": {"kind": "mlp", "hidden": [5]}},
    "vae": {
        "heads": "separate",
        "log_variance_bound": "off",
        "likelihood": {"kind": "continuous-bernoulli"},
        "body": {"kind": "mlp", "hidden": [6, 5], "activation": "tanh"},
    },
    "conv-ae": {
        "body": {"kind": "conv", "channels": [2, 3], "residual_blocks": 1, "hidden": [4]},
        "likelihood": {"kind": "gaussian"},
    },
    "conv-vae": {"body": {"kind": "conv", "channels": [2], "residual_blocks": 2, "hidden": []}},
    "beta-vae": {"beta": 2.5, "body": {"kind": "mlp", "hidden": [4], "activation": "silu"}},
    "vq-vae": {"codes": 5, "body": {"kind": "conv", "channels": [2, 3], "residual_blocks": 1}},
}


def images() -> torch.Tensor:
    return torch.linspace(0, 1, 2 * 72).sin().abs().view(2, 1, 8, 9)


def outputs(model: zoo.Autoencoder) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        x = images()
        z = model.encode(x)
        found = {"z": z, "x_hat": model.decode(z)}
        if isinstance(model, zoo.VariationalAutoencoder):
            found["variance"] = model.posterior(x).variance
            found["log_prob"] = model.likelihood(z).log_prob(x)
        return found


@pytest.mark.parametrize("family", families.BUILT_IN)
def test_a_familys_function_and_tensor_names_never_change(family):
    model = zoo.load(GOLDEN / family)
    expected = safetensors.torch.load_file(GOLDEN / family / "outputs.safetensors")
    for name, value in outputs(model).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", families.BUILT_IN)
def test_a_folder_that_an_earlier_version_saved_comes_back_bit_for_bit(family, tmp_path):
    zoo.save(zoo.load(GOLDEN / family), tmp_path)
    weights = "model.safetensors"
    assert (tmp_path / weights).read_bytes() == (GOLDEN / family / weights).read_bytes()
    before, after = (
        json.loads((folder / "config.json").read_text()) | {"provider": None}
        for folder in (GOLDEN / family, tmp_path)
    )
    assert after == before


def write_missing() -> None:
    """Writes the golden checkpoint of every family that has none."""
    for family, fields in VARIANTS.items():
        if not (GOLDEN / family).exists():
            model = zoo.build(family, seed=3, image_shape=(1, 8, 9), latent_dim=3, **fields)
            zoo.save(model, GOLDEN / family)
            found = {name: value.contiguous() for name, value in outputs(model).items()}
            safetensors.torch.save_file(found, GOLDEN / family / "outputs.safetensors")


if __name__ == "__main__":
    write_missing()
