"""Tiny golden folders, one or more per family: its function and its tensor names never change.

`python tests/test_golden.py` writes those that are missing; it never replaces one.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch.distributions import Independent

import zoo
from zoo.data import Examples
from zoo.data.moments import moments
from zoo.registry import families
from zoo.specs.columns import REAL
from zoo.specs.domains import KINDS

GOLDEN = Path(__file__).resolve().parent / "golden"
SAVED = sorted(folder.name for folder in GOLDEN.iterdir())
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
    "vae-discretized": {
        "family": "vae",
        "likelihood": {"kind": "discretized-logistic", "components": 2},
        "body": {"kind": "mlp", "hidden": [5]},
    },
    "vae-rows": {
        "family": "vae",
        "input_shape": (5,),
        "latent_dim": 2,
        "likelihood": {"kind": "gaussian", "scale": "per-column"},
        "prior": {"kind": "vamp", "components": 3},
        "body": {"kind": "mlp", "hidden": [4]},
    },
    "vae-columns": {
        "family": "vae",
        "input_shape": (7,),
        "latent_dim": 2,
        "likelihood": {"kind": "columns", "columns": "2r b c3 b 2c4", "missing": "marginal"},
        "body": {"kind": "mlp", "hidden": [4]},
    },
    "ae-series": {
        "family": "ae",
        "input_shape": (2, 6),
        "latent_dim": 3,
        "body": {"kind": "mlp", "hidden": [4]},
    },
    "unet": {"input_shape": (1, 8, 12), "channels": (3, 4)},
    "vq-vae": {"codes": 5, "body": {"kind": "conv", "channels": [2, 3], "residual_blocks": 1}},
    "autoencoder-kl": {
        "input_shape": (1, 8, 10),
        "out_channels": 1,
        "latent_channels": 3,
        "block_out_channels": (4, 6),
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "norm_num_groups": 2,
        "scaling_factor": 0.5,
        "shift_factor": 0.1,
    },
    "asymmetric-autoencoder-kl": {
        "input_shape": (1, 8, 10),
        "out_channels": 1,
        "latent_channels": 2,
        "down_block_out_channels": (4, 6),
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_out_channels": (4, 8),
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "norm_num_groups": 2,
    },
    "autoencoder-kl-flux2": {
        "input_shape": (1, 8, 10),
        "out_channels": 1,
        "latent_channels": 2,
        "block_out_channels": (4,),
        "down_block_types": ["DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D"],
        "layers_per_block": 1,
        "norm_num_groups": 2,
    },
    "autoencoder-kl-hunyuan-image": {
        "input_shape": (1, 8, 10),
        "out_channels": 1,
        "latent_channels": 2,
        "block_out_channels": (32, 32),
        "layers_per_block": 1,
        "spatial_compression_ratio": 2,
        "scaling_factor": 0.5,
    },
    "autoencoder-kl-kvae": {
        "input_shape": (1, 8, 10),
        "channels": 32,
        "num_enc_blocks": 1,
        "num_dec_blocks": 0,
        "z_channels": 2,
        "ch_mult": (1, 1),
    },
    "autoencoder-tiny": {
        "input_shape": (1, 8, 10),
        "out_channels": 1,
        "encoder_block_out_channels": (3, 3),
        "decoder_block_out_channels": (3, 3),
        "num_encoder_blocks": (1, 1),
        "num_decoder_blocks": (1, 1),
    },
    "autoencoder-dc": {
        "input_shape": (1, 8, 10),
        "latent_channels": 2,
        "attention_head_dim": 2,
        "encoder_block_types": ["ResBlock", "EfficientViTBlock"],
        "decoder_block_types": ["ResBlock", "EfficientViTBlock"],
        "encoder_block_out_channels": (2, 4),
        "decoder_block_out_channels": (2, 4),
        "encoder_layers_per_block": (1, 1),
        "decoder_layers_per_block": (1, 1),
        "encoder_qkv_multiscales": [[], [5]],
        "decoder_qkv_multiscales": [[], [5]],
        "decoder_norm_types": ["rms_norm"] * 2,
        "decoder_act_fns": ["silu"] * 2,
    },
    "vq-model": {
        "input_shape": (1, 8, 9),
        "out_channels": 1,
        "block_out_channels": (4,),
        "norm_num_groups": 2,
        "num_vq_embeddings": 5,
    },
}


def images(width: int = 9) -> torch.Tensor:
    return torch.linspace(0, 1, 2 * 8 * width).sin().abs().view(2, 1, 8, width)


def examples(spec: zoo.Spec) -> torch.Tensor:
    """Images in [0, 1]; or rows and series whose first column is about 1.7e9.

    Columns of categories hold codes, and where missing values are accepted one of each row is missing.
    """
    if spec.domain.is_image:
        return images(spec.input_shape[2])
    x = torch.sin(torch.arange(4 * spec.input_size, dtype=torch.float64)).view(4, *spec.input_shape)
    x[:, 0] = 1.7e9 + 60 * x[:, 0]
    if spec.likelihood.kind == "columns":
        for column, kind in enumerate(spec.likelihood.layout.kinds):
            if kind != REAL:
                x[:, column] = (x[:, column].abs() * max(2, kind)).floor()
        x.diagonal().fill_(math.nan)
    return x


def outputs(model: zoo.Autoencoder) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        x = examples(model.spec)
        z = model.encode(x)
        x_hat = model.decode(z)
        found = {"z": z, "x_hat": x_hat}
        if model.standardization is not None:  # 1.7e9 leaves a relative tolerance no meaning
            assert x_hat.dtype == torch.float64
            found["x_hat"] = model.standardization(x_hat)
        if hasattr(model, "posterior"):
            posterior = model.posterior(x)
            if isinstance(posterior, Independent):
                found["variance"] = posterior.variance
            else:
                found["posterior_log_prob"] = posterior.log_prob(z)
                found["prior_log_prob"] = model.prior().log_prob(z)
        if isinstance(model, zoo.VariationalAutoencoder):
            found["log_prob"] = model.likelihood(z).log_prob(x)
        return found


@pytest.mark.parametrize("name", SAVED)
def test_a_familys_function_and_tensor_names_never_change(name):
    model = zoo.load(GOLDEN / name)
    expected = safetensors.torch.load_file(GOLDEN / name / "outputs.safetensors")
    for what, value in outputs(model).items():
        torch.testing.assert_close(value, expected[what], rtol=1e-4, atol=1e-5)


def test_every_family_and_preset_has_one():
    assert {*families.BUILT_IN, *families.PRESETS} <= set(SAVED)


@pytest.mark.parametrize("name", SAVED)
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


def test_every_domain_has_one():
    assert {zoo.info(GOLDEN / name).spec.domain.kind for name in SAVED} == set(KINDS)


def write_missing() -> None:
    """Writes every golden folder that does not exist: of each family, preset and variant."""
    for name in {*families.BUILT_IN, *families.PRESETS, *VARIANTS}:
        if not (GOLDEN / name).exists():
            fields = VARIANTS.get(name, {})
            ours = {} if "input_shape" in fields else {"input_shape": (1, 8, 9), "latent_dim": 3}
            fields = {"family": name, **ours, **fields}
            model = zoo.build(fields.pop("family"), seed=3, **fields).eval()
            if model.standardization is not None:
                model.standardization.set(*moments(Examples("made", "all", examples(model.spec))))
            zoo.save(model, GOLDEN / name)
            found = {key: value.contiguous() for key, value in outputs(model).items()}
            safetensors.torch.save_file(found, GOLDEN / name / "outputs.safetensors")


if __name__ == "__main__":
    write_missing()
