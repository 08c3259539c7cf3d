"""Autoencoders of the diffusers library, as families."""

from zoo.families.diffusers.kl_spec import (
    AsymmetricAutoencoderKLSpec,
    AutoencoderKLFlux2Spec,
    AutoencoderKLHunyuanImageSpec,
    AutoencoderKLKVAESpec,
    AutoencoderKLSpec,
)
from zoo.families.diffusers.spec import (
    AutoencoderDCSpec,
    AutoencoderTinySpec,
    VQModelSpec,
)
from zoo.families.rows import Row

_CONVOLUTIONAL = {"block_out_channels": (16,), "norm_num_groups": 8}
ROWS = (
    Row(
        "autoencoder-kl",
        AutoencoderKLSpec,
        "zoo.families.diffusers.kl_model:AutoencoderKL",
        "diffusers' AutoencoderKL, of Stable Diffusion and FLUX",
        small=_CONVOLUTIONAL,
    ),
    Row(
        "asymmetric-autoencoder-kl",
        AsymmetricAutoencoderKLSpec,
        "zoo.families.diffusers.kl_model:AsymmetricAutoencoderKL",
        "diffusers' AsymmetricAutoencoderKL, with a large decoder",
        small={
            "down_block_out_channels": (16,),
            "up_block_out_channels": (24,),
            "norm_num_groups": 8,
        },
    ),
    Row(
        "autoencoder-kl-flux2",
        AutoencoderKLFlux2Spec,
        "zoo.families.diffusers.kl_model:AutoencoderKLFlux2",
        "diffusers' AutoencoderKLFlux2, of FLUX.2",
        small={
            "down_block_types": ("DownEncoderBlock2D",),
            "up_block_types": ("UpDecoderBlock2D",),
            "latent_channels": 4,
            "layers_per_block": 1,
            **_CONVOLUTIONAL,
        },
    ),
    Row(
        "autoencoder-kl-hunyuan-image",
        AutoencoderKLHunyuanImageSpec,
        "zoo.families.diffusers.kl_model:AutoencoderKLHunyuanImage",
        "diffusers' AutoencoderKLHunyuanImage, of HunyuanImage 2.1",
        small={
            "latent_channels": 4,
            "block_out_channels": (32,),
            "layers_per_block": 1,
            "spatial_compression_ratio": 1,  # torch.compile has no gradient of its downsampling on a CPU
        },
    ),
    Row(
        "autoencoder-kl-kvae",
        AutoencoderKLKVAESpec,
        "zoo.families.diffusers.kl_model:AutoencoderKLKVAE",
        "diffusers' AutoencoderKLKVAE, of Kandinsky",
        small={
            "channels": 32,
            "num_enc_blocks": 1,
            "num_dec_blocks": 1,
            "z_channels": 4,
            "ch_mult": (1, 1),
        },
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
        "diffusers' VQModel, with vector-quantized codes",
        small=_CONVOLUTIONAL,
    ),
)
