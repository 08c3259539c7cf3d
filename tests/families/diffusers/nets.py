"""Small networks of diffusers' image classes, and the settings that made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch

STAGES: dict[str, Any] = {
    "block_out_channels": (32, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
}
TINY = {f"{side}_block_out_channels": (16,) * 3 for side in ("encoder", "decoder")} | {
    f"num_{side}_blocks": (1,) * 3 for side in ("encoder", "decoder")
}
DC = {
    "latent_channels": 8,
    "attention_head_dim": 16,
    "encoder_block_out_channels": (16, 32, 64),
    "decoder_block_out_channels": (16, 32, 64),
    "encoder_layers_per_block": (1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1),
    "encoder_block_types": ("ResBlock", "ResBlock", "EfficientViTBlock"),
    "decoder_block_types": "ResBlock",
    "encoder_qkv_multiscales": ((), (), (5,)),
    "decoder_qkv_multiscales": ((), (), ()),
    "scaling_factor": 0.41407,
}
NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "kl": ("AutoencoderKL", {**STAGES, "sample_size": 32}),
    "kl of FLUX": (
        "AutoencoderKL",
        {
            **STAGES,
            "latent_channels": 16,
            "scaling_factor": 0.3611,
            "shift_factor": 0.1159,
            "use_quant_conv": False,
            "use_post_quant_conv": False,
        },
    ),
    "kl of statistics": (
        "AutoencoderKL",
        {**STAGES, "latents_mean": [0.1, 0.2, -0.3, 0.0], "latents_std": [1.5, 2.0, 0.5, 1.0]},
    ),
    "asymmetric": (
        "AsymmetricAutoencoderKL",
        {
            "down_block_types": STAGES["down_block_types"],
            "down_block_out_channels": (32, 64),
            "up_block_types": STAGES["up_block_types"],
            "up_block_out_channels": (48, 80),
            "layers_per_up_block": 2,
            "norm_num_groups": 16,
        },
    ),
    "flux2": (
        "AutoencoderKLFlux2",
        {
            **STAGES,
            "decoder_block_out_channels": (32, 96),
            "layers_per_block": 1,
            "latent_channels": 4,
        },
    ),
    "hunyuan": (
        "AutoencoderKLHunyuanImage",
        {
            "in_channels": 3,
            "out_channels": 3,
            "latent_channels": 4,
            "block_out_channels": (32, 64, 128),
            "layers_per_block": 1,
            "spatial_compression_ratio": 4,
            "sample_size": 64,
            "scaling_factor": 0.75289,
        },
    ),
    "hunyuan, unmatched": (
        "AutoencoderKLHunyuanImage",
        {
            "in_channels": 3,
            "out_channels": 3,
            "latent_channels": 4,
            "block_out_channels": (32, 32, 32),
            "layers_per_block": 1,
            "spatial_compression_ratio": 2,
            "sample_size": 64,
            "downsample_match_channel": False,
            "upsample_match_channel": False,
        },
    ),
    "kvae": (
        "AutoencoderKLKVAE",
        {
            "channels": 32,
            "num_enc_blocks": 1,
            "num_dec_blocks": 1,
            "z_channels": 4,
            "ch_mult": (1, 2),
        },
    ),
    "tiny": ("AutoencoderTiny", TINY),
    "dc": ("AutoencoderDC", DC),
    "vq": ("VQModel", {**STAGES, "vq_embed_dim": 4, "num_vq_embeddings": 16}),
    "vq, spatial": ("VQModel", {**STAGES, "norm_type": "spatial"}),
    "vq, looked up": ("VQModel", {**STAGES, "lookup_from_codebook": True}),
}


def make(name: str) -> Any:
    """A network of diffusers', in eval mode, its weights drawn from seed 0."""
    cls, settings = NETS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = getattr(diffusers, cls)(**settings).eval()
        if cls == "AutoencoderKLFlux2":  # as if statistics had been taken
            net.bn.running_mean.normal_()
            net.bn.running_var.uniform_(0.5, 2.0)
        return net


def saved(name: str, folder: Path, **how: Any) -> Path:
    """A network as diffusers' own `save_pretrained` writes it."""
    make(name).save_pretrained(folder, **how)
    return folder
