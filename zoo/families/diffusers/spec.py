"""The Specs of diffusers' autoencoders without a posterior: the settings of their classes, strict. No torch here.

Field names, defaults and meanings are those of the diffusers classes; `None` is written `"off"`.
Other entries of a diffusers config.json, such as its version and path, are not settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from zoo.specs.base import Shape, Spec
from zoo.specs.objectives import Pixels

Width = Annotated[int, Field(ge=1, le=8192)]
Count = Annotated[int, Field(ge=0, le=64)]
Scale = Annotated[float, Field(gt=0, le=1e4)]
Number = Annotated[float, Field(ge=-1e4, le=1e4)]
Activation = Literal["silu", "swish", "mish", "gelu", "relu"]
Down = Literal["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]
Up = Literal["UpDecoderBlock2D", "AttnUpDecoderBlock2D"]
Block = Literal["ResBlock", "EfficientViTBlock"]
DEFAULT_SIZE = 512
"""Height and width of images if config.json has none."""


class DiffusersSpec(Spec):
    """Base class. `input_shape` is the usual size; any size divisible by the stride is accepted."""

    parts: ClassVar = ("code",)

    input_shape: Shape = Field(description="channels, and the usual height and width in pixels")
    force_upcast: bool = Field(
        default=False, description="whether it is known to overflow in float16"
    )

    objective: ClassVar = Pixels()
    MADE_BY: ClassVar[str]
    """The diffusers class."""
    SIZED: ClassVar[bool] = True
    """Whether that class takes the usual size."""
    UNUSED: ClassVar[tuple[str, ...]] = ()
    """Fields that diffusers writes into config.json, but that the class does not use."""
    ADDED: ClassVar[tuple[str, ...]] = ()
    """Fields of the Spec that the diffusers class does not take."""
    PER_STAGE: ClassVar[Mapping[str, str]] = {}
    """Fields with one entry per stage, and the field that defines the stages; a single string applies to all."""

    @property
    def code_channels(self) -> int:
        """Channels of a code."""
        return self.latent_channels

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return self.code_channels, *(side // self.stride for side in self.input_shape[1:])

    @property
    def shift(self) -> float:
        """What is subtracted from a latent before it is scaled."""
        return _number(getattr(self, "shift_factor", "off"), 0.0)

    @property
    def scale(self) -> float:
        """What a shifted latent is multiplied by."""
        return _number(getattr(self, "scaling_factor", "off"), 1.0)

    @model_validator(mode="after")
    def _images_fit(self):
        channels, height, width = self.input_shape
        if height % self.stride or width % self.stride:
            raise ValueError(f"height and width must be multiples of {self.stride}")
        if getattr(self, "out_channels", channels) != channels:
            raise ValueError("out_channels must be the number of channels of an image")
        return self

    @classmethod
    def from_diffusers(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a Spec from those of a diffusers config.json, including unknown ones."""
        given = {k: v for k, v in config.items() if not k.startswith("_") and k not in cls.UNUSED}
        size = given.pop("sample_size", DEFAULT_SIZE)
        sizes = list(size) if isinstance(size, (list, tuple)) else [size, size]
        fields: dict[str, Any] = {"input_shape": [given.pop("in_channels", 3), *sizes]}
        for name, value in given.items():
            stages = given.get(cls.PER_STAGE.get(name, ""))
            if isinstance(value, str) and isinstance(stages, list):
                value = [value] * len(stages)
            fields[name] = "off" if value is None else value
        return fields

    def to_diffusers(self) -> dict[str, Any]:
        """The arguments of the diffusers class."""
        added = ("input_shape", *self.ADDED)
        fields = {k: None if v == "off" else v for k, v in self if k not in added}
        size = {"sample_size": max(self.input_shape[1:])} if self.SIZED else {}
        return {"in_channels": self.input_shape[0], **fields, **size}


def _number(given: Literal["off"] | float, otherwise: float) -> float:
    return otherwise if given == "off" else given


def check_groups(widths: Iterable[int], groups: int) -> None:
    """Raises ValueError for a number of channels that is not divisible into groups."""
    if wrong := [width for width in widths if width % groups]:
        raise ValueError(f"norm_num_groups = {groups} does not divide {wrong[0]}")


class Convolutional(DiffusersSpec):
    """Stages of residual blocks with group norm, as in AutoencoderKL and VQModel."""

    out_channels: Width = 3
    down_block_types: tuple[Down, ...] = ("DownEncoderBlock2D",)
    up_block_types: tuple[Up, ...] = ("UpDecoderBlock2D",)
    block_out_channels: tuple[Width, ...] = Field(default=(64,), min_length=1, max_length=10)
    layers_per_block: Annotated[int, Field(ge=1, le=64)] = 1
    act_fn: Activation = "silu"
    norm_num_groups: Width = 32
    mid_block_add_attention: bool = True

    @property
    def stride(self) -> int:
        return 2 ** (len(self.block_out_channels) - 1)

    @model_validator(mode="after")
    def _stages_agree(self):
        stages = len(self.block_out_channels)
        if not len(self.down_block_types) == len(self.up_block_types) == stages:
            raise ValueError(
                "block_out_channels, down_block_types and up_block_types must have one entry per stage"
            )
        check_groups(self.block_out_channels, self.norm_num_groups)
        return self


class VQModelSpec(Convolutional):
    """`VQModel`, of latent diffusion with a codebook (Rombach et al. 2022)."""

    MADE_BY = "VQModel"

    latent_channels: Width = 3
    scaling_factor: Scale = 0.18215
    num_vq_embeddings: Annotated[int, Field(ge=2, le=2**20)] = 256
    vq_embed_dim: Literal["off"] | Width = "off"
    norm_type: Literal["group", "spatial"] = "group"
    lookup_from_codebook: bool = False

    @property
    def code_channels(self) -> int:
        return self.latent_channels if self.vq_embed_dim == "off" else self.vq_embed_dim


class AutoencoderTinySpec(DiffusersSpec):
    """`AutoencoderTiny`, a distilled AutoencoderKL (TAESD)."""

    MADE_BY = "AutoencoderTiny"
    SIZED = False
    UNUSED = ("block_out_channels",)

    out_channels: Width = 3
    encoder_block_out_channels: tuple[Width, ...] = Field(
        default=(64, 64, 64, 64), min_length=1, max_length=10
    )
    decoder_block_out_channels: tuple[Width, ...] = Field(
        default=(64, 64, 64, 64), min_length=1, max_length=10
    )
    act_fn: Activation = "relu"
    upsample_fn: Literal["nearest", "bilinear", "bicubic"] = "nearest"
    latent_channels: Width = 4
    upsampling_scaling_factor: Literal[2] = 2
    num_encoder_blocks: tuple[Count, ...] = (1, 3, 3, 3)
    num_decoder_blocks: tuple[Count, ...] = (3, 3, 3, 1)
    latent_magnitude: int | Scale = 3
    latent_shift: Number = 0.5
    scaling_factor: Scale = 1.0
    shift_factor: Number = 0.0

    @property
    def stride(self) -> int:
        return 2 ** (len(self.encoder_block_out_channels) - 1)

    @model_validator(mode="after")
    def _stages_agree(self):
        if len(self.encoder_block_out_channels) != len(self.num_encoder_blocks):
            raise ValueError(
                "encoder_block_out_channels and num_encoder_blocks must have the same length"
            )
        if len(self.decoder_block_out_channels) != len(self.num_decoder_blocks):
            raise ValueError(
                "decoder_block_out_channels and num_decoder_blocks must have the same length"
            )
        if len(self.encoder_block_out_channels) != len(self.decoder_block_out_channels):
            raise ValueError("encoder and decoder must have the same number of stages")
        for name in ("encoder_block_out_channels", "decoder_block_out_channels"):
            if len(set(getattr(self, name))) > 1:  # its convolutions between stages keep the width
                raise ValueError(f"{name} must all be the same")
        return self


class AutoencoderDCSpec(DiffusersSpec):
    """`AutoencoderDC`, the deep compression autoencoder of SANA (Chen et al. 2024)."""

    MADE_BY = "AutoencoderDC"
    SIZED = False
    ADDED = ("force_upcast",)
    PER_STAGE: ClassVar[Mapping[str, str]] = {
        "encoder_block_types": "encoder_block_out_channels",
        "decoder_block_types": "decoder_block_out_channels",
        "decoder_norm_types": "decoder_block_out_channels",
        "decoder_act_fns": "decoder_block_out_channels",
    }

    latent_channels: Width = 32
    attention_head_dim: Width = 32
    encoder_block_types: tuple[Block, ...] = ("ResBlock",) * 6
    decoder_block_types: tuple[Block, ...] = ("ResBlock",) * 6
    encoder_block_out_channels: tuple[Width, ...] = Field(
        default=(128, 256, 512, 512, 1024, 1024), min_length=2, max_length=10
    )
    decoder_block_out_channels: tuple[Width, ...] = Field(
        default=(128, 256, 512, 512, 1024, 1024), min_length=2, max_length=10
    )
    encoder_layers_per_block: tuple[Count, ...] = (2, 2, 2, 3, 3, 3)
    decoder_layers_per_block: tuple[Count, ...] = (3, 3, 3, 3, 3, 3)
    encoder_qkv_multiscales: tuple[tuple[Count, ...], ...] = ((), (), (), (5,), (5,), (5,))
    decoder_qkv_multiscales: tuple[tuple[Count, ...], ...] = ((), (), (), (5,), (5,), (5,))
    upsample_block_type: Literal["pixel_shuffle", "interpolate"] = "pixel_shuffle"
    downsample_block_type: Literal["pixel_unshuffle", "Conv"] = "pixel_unshuffle"
    decoder_norm_types: tuple[Literal["rms_norm", "batch_norm"], ...] = ("rms_norm",) * 6
    decoder_act_fns: tuple[Activation, ...] = ("silu",) * 6
    encoder_out_shortcut: bool = True
    decoder_in_shortcut: bool = True
    decoder_conv_act_fn: Activation = "relu"
    scaling_factor: Scale = 1.0

    @property
    def stride(self) -> int:
        return 2 ** (len(self.encoder_block_out_channels) - 1)

    @model_validator(mode="after")
    def _stages_agree(self):
        for side in ("encoder", "decoder"):
            stages = len(getattr(self, f"{side}_block_out_channels"))
            names = [f"{side}_block_types", f"{side}_layers_per_block", f"{side}_qkv_multiscales"]
            if side == "decoder":
                names += ["decoder_norm_types", "decoder_act_fns"]
            for name in names:
                if len(getattr(self, name)) != stages:
                    raise ValueError(f"{name} must have one entry for each of the {stages} stages")
            attended = [
                width
                for width, block in zip(
                    getattr(self, f"{side}_block_out_channels"),
                    getattr(self, f"{side}_block_types"),
                    strict=True,
                )
                if block == "EfficientViTBlock"
            ]
            if attended and min(attended) < self.attention_head_dim:
                raise ValueError(
                    f"attention_head_dim must be at most {min(attended)}, the channels of a stage"
                )
            if any(n % 2 == 0 for one in getattr(self, f"{side}_qkv_multiscales") for n in one):
                raise ValueError(f"{side}_qkv_multiscales must be odd: they are kernel sizes")
            if getattr(self, f"{side}_block_out_channels")[-1] % self.latent_channels:
                raise ValueError(
                    f"latent_channels must divide the last of {side}_block_out_channels"
                )
        if len(self.encoder_block_out_channels) != len(self.decoder_block_out_channels):
            raise ValueError("encoder and decoder must have the same number of stages")
        return self
