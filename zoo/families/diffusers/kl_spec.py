"""The Specs of diffusers' autoencoders with a posterior, as `zoo.families.diffusers.spec`. No torch here."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo.families.diffusers.spec import (
    Activation,
    Convolutional,
    Count,
    DiffusersSpec,
    Down,
    Number,
    Scale,
    Up,
    Width,
    check_groups,
)

Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=10)]
Layers = Annotated[int, Field(ge=1, le=64)]
GROUPS = 32
"""Groups of group norm in classes without a setting for it."""


class Posterior(DiffusersSpec):
    """A Gaussian posterior over each number of a code."""

    parts: ClassVar = ("code", "posterior", "prior", "ungrouped posterior")


class AutoencoderKLSpec(Convolutional, Posterior):
    """`AutoencoderKL`, of Stable Diffusion and FLUX (Rombach et al. 2022)."""

    MADE_BY = "AutoencoderKL"

    latent_channels: Width = 4
    scaling_factor: Scale = 0.18215
    shift_factor: Literal["off"] | Number = "off"
    latents_mean: Literal["off"] | tuple[Number, ...] = "off"
    latents_std: Literal["off"] | tuple[Scale, ...] = "off"
    force_upcast: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True

    @model_validator(mode="after")
    def _statistics_fit(self):
        for name in ("latents_mean", "latents_std"):
            given = getattr(self, name)
            if given != "off" and len(given) != self.latent_channels:
                raise ValueError(f"{name} must have one number for each of the latent_channels")
        if (self.latents_mean == "off") != (self.latents_std == "off"):
            raise ValueError("latents_mean and latents_std must be given together")
        if self.latents_mean != "off" and self.shift_factor != "off":
            raise ValueError("shift_factor and latents_mean do the same: give only one")
        return self


class AsymmetricAutoencoderKLSpec(Posterior):
    """`AsymmetricAutoencoderKL`, whose decoder is larger than its encoder (Zhu et al. 2023).

    The decoder's second input, for inpainting, is left out: `decode` takes codes only.
    """

    MADE_BY = "AsymmetricAutoencoderKL"
    UNUSED = ("block_out_channels",)
    ADDED = ("force_upcast",)

    out_channels: Width = 3
    down_block_types: tuple[Down, ...] = ("DownEncoderBlock2D",)
    down_block_out_channels: Widths = (64,)
    layers_per_down_block: Layers = 1
    up_block_types: tuple[Up, ...] = ("UpDecoderBlock2D",)
    up_block_out_channels: Widths = (64,)
    layers_per_up_block: Layers = 1
    act_fn: Activation = "silu"
    latent_channels: Width = 4
    norm_num_groups: Width = 32
    scaling_factor: Scale = 0.18215

    @property
    def stride(self) -> int:
        return 2 ** (len(self.down_block_out_channels) - 1)

    @model_validator(mode="after")
    def _stages_agree(self):
        sides = (self.down_block_out_channels, self.up_block_out_channels)
        named = (self.down_block_types, self.up_block_types)
        if len({len(one) for one in (*sides, *named)}) > 1:
            raise ValueError(
                "down_block_types, down_block_out_channels, up_block_types and up_block_out_channels "
                "must have one entry per stage"
            )
        check_groups([*sides[0], *sides[1]], self.norm_num_groups)
        return self


class AutoencoderKLFlux2Spec(Convolutional, Posterior):
    """`AutoencoderKLFlux2`, of FLUX.2: a code stacks 2 x 2 latents as channels, standardized."""

    MADE_BY = "AutoencoderKLFlux2"
    ADDED = ("force_upcast",)

    down_block_types: tuple[Down, ...] = ("DownEncoderBlock2D",) * 4
    up_block_types: tuple[Up, ...] = ("UpDecoderBlock2D",) * 4
    block_out_channels: Widths = (128, 256, 512, 512)
    decoder_block_out_channels: Literal["off"] | Widths = "off"
    layers_per_block: Layers = 2
    latent_channels: Width = 32
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    batch_norm_eps: Scale = 1e-4
    batch_norm_momentum: Annotated[float, Field(ge=0, le=1)] = 0.1
    patch_size: tuple[Literal[2], Literal[2]] = (2, 2)

    @property
    def stride(self) -> int:
        return 2 ** len(self.block_out_channels)

    @property
    def code_channels(self) -> int:
        return 4 * self.latent_channels

    @model_validator(mode="after")
    def _decoder_fits(self):
        if self.decoder_block_out_channels != "off":
            if len(self.decoder_block_out_channels) != len(self.block_out_channels):
                raise ValueError("decoder_block_out_channels must have one entry per stage")
            check_groups(self.decoder_block_out_channels, self.norm_num_groups)
        return self


class AutoencoderKLHunyuanImageSpec(Posterior):
    """`AutoencoderKLHunyuanImage`, of HunyuanImage 2.1: codes downsampled by 32."""

    MADE_BY = "AutoencoderKLHunyuanImage"
    ADDED = ("force_upcast",)

    out_channels: Width = 3
    latent_channels: Width = 64
    block_out_channels: Widths = (128, 256, 512, 512, 1024, 1024)
    layers_per_block: Layers = 2
    spatial_compression_ratio: Width = 32
    scaling_factor: Literal["off"] | Scale = "off"
    downsample_match_channel: bool = True
    upsample_match_channel: bool = True

    @property
    def stride(self) -> int:
        return self.spatial_compression_ratio

    @model_validator(mode="after")
    def _stages_agree(self):
        widths = self.block_out_channels
        ratios = [2**halvings for halvings in range(len(widths))]
        if self.spatial_compression_ratio not in ratios:
            raise ValueError(
                f"spatial_compression_ratio must be one of {', '.join(map(str, ratios))} for "
                f"{len(widths)} block_out_channels"
            )
        check_groups(widths, GROUPS)
        if widths[-1] % (2 * self.latent_channels):
            raise ValueError("2 * latent_channels must divide the last of block_out_channels")
        pairs, halvings = list(pairwise(widths)), ratios.index(self.spatial_compression_ratio)
        matched = self.downsample_match_channel and self.upsample_match_channel
        for stage, (before, after) in enumerate(pairs):
            resized = len(pairs) - halvings <= stage < halvings
            if before != after and not (matched and resized):
                raise ValueError(
                    f"block_out_channels must stay {before} after stage {stage + 1}: it can change only where "
                    "encoder and decoder change the size and match channels"
                )
            if 4 * before % after:
                raise ValueError("each of block_out_channels must divide 4 times the previous one")
        return self


class AutoencoderKLKVAESpec(Posterior):
    """`AutoencoderKLKVAE`, of Kandinsky."""

    MADE_BY = "AutoencoderKLKVAE"
    ADDED = ("force_upcast",)

    channels: Width = 128
    num_enc_blocks: Layers = 2
    num_dec_blocks: Count = 2
    z_channels: Width = 16
    double_z: Literal[True] = True
    ch_mult: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=10)] = (1, 2, 4, 8)  # fmt: skip

    @property
    def stride(self) -> int:
        return 2 ** (len(self.ch_mult) - 1)

    @property
    def code_channels(self) -> int:
        return self.z_channels

    @model_validator(mode="after")
    def _widths_fit(self):
        check_groups([self.channels * factor for factor in (1, *self.ch_mult)], GROUPS)
        return self
