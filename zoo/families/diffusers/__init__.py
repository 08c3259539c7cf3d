"""Autoencoders of the diffusers library, as families."""

from zoo.families.diffusers.spec import (
    AutoencoderDCSpec,
    AutoencoderKLSpec,
    AutoencoderTinySpec,
    VQModelSpec,
)
from zoo.families.rows import Row

_CONVOLUTIONAL = {"block_out_channels": (16,), "norm_num_groups": 8}
ROWS = (
    Row(
        "autoencoder-kl",
        AutoencoderKLSpec,
        "zoo.families.diffusers.model:AutoencoderKL",
        "diffusers' AutoencoderKL, of Stable Diffusion and FLUX",
        small=_CONVOLUTIONAL,
    ),
    Row(
        "autoencoder-tiny",
        AutoencoderTinySpec,
        "zoo.families.diffusers.model:AutoencoderTiny",
        "diffusers' AutoencoderTiny (TAESD)",
        small={
            "encoder_block_out_channels": (16, 16),
            "decoder_block_out_channels": (16, 16),
            "num_encoder_blocks": (1, 1),
            "num_decoder_blocks": (1, 1),
        },
    ),
    Row(
        "autoencoder-dc",
        AutoencoderDCSpec,
        "zoo.families.diffusers.model:AutoencoderDC",
        "diffusers' AutoencoderDC, of SANA",
        small={
            "latent_channels": 4,
            "attention_head_dim": 8,
            "encoder_block_types": ("ResBlock", "EfficientViTBlock"),
            "decoder_block_types": ("ResBlock", "EfficientViTBlock"),
            "encoder_block_out_channels": (8, 16),
            "decoder_block_out_channels": (8, 16),
            "encoder_layers_per_block": (1, 1),
            "decoder_layers_per_block": (1, 1),
            "encoder_qkv_multiscales": ((), (5,)),
            "decoder_qkv_multiscales": ((), (5,)),
            "decoder_norm_types": ("rms_norm",) * 2,
            "decoder_act_fns": ("silu",) * 2,
        },
    ),
    Row(
        "vq-model",
        VQModelSpec,
        "zoo.families.diffusers.model:VQModel",
        "diffusers' VQModel, whose codes a codebook rounds",
        small=_CONVOLUTIONAL,
    ),
)
