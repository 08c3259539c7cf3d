"""Tiny golden checkpoints: each holds a family's function and its tensor names for ever.

Each is named after its family, or names it. `python tests/test_golden.py` writes those that are not
there yet; it never replaces one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch.distributions import Independent

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
    "beta-tc-vae": {"beta": 3.0, "body": {"kind": "mlp", "hidden": [4], "activation": "elu"}},
    "factor-vae": {"body": {"kind": "mlp", "hidden": [4]}, "discriminator": [5, 3]},
    "hierarchical-vae": {
        "groups": [2, 1],
        "body": {"kind": "conv", "channels": [2, 3], "residual_blocks": 1, "hidden": [4]},
        "prior": {"kind": "vamp", "components": 3},
    },
    "beta-vae": {"beta": 2.5, "body": {"kind": "mlp", "hidden": [4], "activation": "silu"}},
    "vae-discretised": {
        "family": "vae",
        "likelihood": {"kind": "discretised-logistic", "components": 2},
        "body": {"kind": "mlp", "hidden": [5]},
    },
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
            posterior = model.posterior(x)
            if isinstance(posterior, Independent):
                found["variance"] = posterior.variance
            else:
                found["posterior_log_prob"] = posterior.log_prob(z)
                found["prior_log_prob"] = model.prior().log_prob(z)
            found["log_prob"] = model.likelihood(z).log_prob(x)
        return found


@pytest.mark.parametrize("name", VARIANTS)
def test_a_familys_function_and_tensor_names_never_change(name):
    model = zoo.load(GOLDEN / name)
    expected = safetensors.torch.load_file(GOLDEN / name / "outputs.safetensors")
    for what, value in outputs(model).items():
        torch.testing.assert_close(value, expected[what], rtol=1e-4, atol=1e-5)


def test_every_family_has_one():
    assert {fields.get("family", name) for name, fields in VARIANTS.items()} == {*families.BUILT_IN}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_folder_that_an_earlier_version_saved_comes_back_bit_for_bit(name, tmp_path):
    zoo.save(zoo.load(GOLDEN / name), tmp_path)
    weights = "model.safetensors"
    assert (tmp_path / weights).read_bytes() == (GOLDEN / name / weights).read_bytes()
    before, after = (
        json.loads((folder / "config.json").read_text()) | {"provider": None}
        for folder in (GOLDEN / name, tmp_path)
    )
    assert after.pop("spec").items() >= before.pop("spec").items()  # a later version may have more
    assert after == before


def write_missing() -> None:
    """Writes every golden checkpoint that is not there."""
    for name, fields in VARIANTS.items():
        if not (GOLDEN / name).exists():
            fields = {"family": name, "image_shape": (1, 8, 9), "latent_dim": 3, **fields}
            model = zoo.build(fields.pop("family"), seed=3, **fields)
            zoo.save(model, GOLDEN / name)
            found = {key: value.contiguous() for key, value in outputs(model).items()}
            safetensors.torch.save_file(found, GOLDEN / name / "outputs.safetensors")


if __name__ == "__main__":
    write_missing()
