"""diffusers' autoencoders as families: its networks, with the zoo's value range, scaling and methods.

Images are in [0, 1] here and in [-1, 1] in all networks: only `_shown` and `_image` convert them.
A code is the encoder's output (in `kl_model`, the posterior's mode), shifted and scaled as in the
config and in diffusers' pipelines.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError, NotInstalledError
from zoo.families.diffusers.spec import (
    AutoencoderDCSpec,
    AutoencoderTinySpec,
    DiffusersSpec,
    VQModelSpec,
)
from zoo.models.interface import Autoencoder, is_readable
from zoo.models.loss import Code
from zoo.models.primitives import full_precision

try:
    import diffusers
except ModuleNotFoundError as missing:
    raise NotInstalledError(
        "This family needs the diffusers library, which is not installed: "
        "pip install 'autoencoder-zoo[diffusers]'"
    ) from missing

_RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention layers by their names before diffusers 0.17."""


class DiffusersAutoencoder(Autoencoder):
    """A diffusers network, for images of any size divisible by its stride.

    `network` is the diffusers object itself: `model.network.save_pretrained("folder")` writes a model,
    trained further or not, for `from_pretrained` and pipelines.
    """

    decoding = ("network.decoder.", "network.post_quant_conv.")
    spec: DiffusersSpec

    def __init__(self, spec: DiffusersSpec) -> None:
        super().__init__(spec)
        self.shift, self.scale = (
            spec.shift,
            spec.scale,
        )  # torch.compile cannot trace the Spec's properties
        if not hasattr(diffusers, spec.MADE_BY):
            raise NotInstalledError(
                f"diffusers {diffusers.__version__} has no {spec.MADE_BY}: pip install -U diffusers"
            )
        self.network: Any = getattr(diffusers, spec.MADE_BY)(**spec.to_diffusers())

    @classmethod
    def from_diffusers(cls, name: str) -> str:
        """A tensor's name here, from its diffusers name, current or from before version 0.17."""
        parts = name.split(".")
        now = [_RENAMED.get(part, part) if "attentions" in parts else part for part in parts]
        return ".".join(["network", *now])

    def _encode(self, x: Tensor) -> Tensor:
        if not x.numel():  # the networks' attention cannot reshape an empty batch
            return x.new_empty(0, *self.spec.code_shape(tuple(x.shape[1:])))
        return self._finite(self._scaled(self._latents(self._shown(x))), "encode")

    def _decode(self, z: Tensor) -> Tensor:
        batch, (height, width) = z.shape[:-3], z.shape[-2:]
        if not z.numel():
            stride = self.spec.stride
            return z.new_empty(*batch, self.spec.input_shape[0], stride * height, stride * width)
        flat = z.reshape(-1, *z.shape[-3:])  # (prod(batch), c, h, w)
        images = self.network.decode(self._unscaled(flat)).sample
        images = self._image(self._finite(images, "decode")).clamp(0, 1)
        return images.reshape(*batch, *images.shape[1:])

    def _output(self, z: Tensor) -> Tensor:
        return self._image(self.network.decode(self._unscaled(z.to(self.dtype))).sample)

    def _shown(self, x: Tensor) -> Tensor:
        """Converts images in [0, 1] to the network's [-1, 1]."""
        return 2.0 * x - 1.0

    def _image(self, decoded: Tensor) -> Tensor:
        """Converts the network's images from [-1, 1] to [0, 1], without clamping."""
        return decoded * 0.5 + 0.5

    def _latents(self, images: Tensor) -> Tensor:
        """The network's latents `(N, c, h, w)` of images in [-1, 1], not scaled yet."""
        return self.network.encode(images).latents

    def _scaled(self, latents: Tensor) -> Tensor:
        """Converts latents `(N, c, h, w)` to codes."""
        return (latents - self.shift if self.shift else latents) * self.scale

    def _unscaled(self, z: Tensor) -> Tensor:
        """Converts codes to latents."""
        latents = z / self.scale
        return latents + self.shift if self.shift else latents

    def _finite(self, values: Tensor, method: str) -> Tensor:
        """Raises InputError if a narrow dtype overflowed; on the CPU only, like all value checks."""
        if self.training or not is_readable(values):
            return values
        if torch.isfinite(values).all():
            return values
        hint = " Its config says so (force_upcast)." if self.spec.force_upcast else ""
        dtype = str(self.dtype).removeprefix("torch.")
        raise InputError(
            f"{method} returned values that are not finite in {dtype}: the network overflows.{hint} "
            "Load it with dtype='float32' or 'bfloat16'."
        )


class VQModel(DiffusersAutoencoder):
    """`VQModel` of diffusers: a code is the encoder's output, which `decode` quantizes."""

    Spec = VQModelSpec

    def _code(self, x: Tensor, noise: Tensor | None) -> Code:
        latents = self._latents(self._shown(x))
        quantized, commitment, _ = self.network.quantize(latents)
        values = latents[0].numel()  # the network returns a mean over a code's values
        with full_precision(x.device):
            commitment = commitment.float().mean() * values
        return Code(self._scaled(quantized), batch={"commitment": commitment})

    def _output(self, z: Tensor) -> Tensor:
        quantized = self._unscaled(z.to(self.dtype))
        condition = quantized if self.spec.norm_type == "spatial" else None
        return self._image(self.network.decoder(self.network.post_quant_conv(quantized), condition))


class AutoencoderTiny(DiffusersAutoencoder):
    """`AutoencoderTiny` of diffusers (TAESD), whose decoder limits codes with a tanh."""

    Spec = AutoencoderTinySpec


class AutoencoderDC(DiffusersAutoencoder):
    """`AutoencoderDC` of diffusers: codes of low resolution with many channels."""

    Spec = AutoencoderDCSpec

    def _latents(self, images: Tensor) -> Tensor:
        return self.network.encode(images).latent
