"""diffusers' autoencoders as families: their own networks, with one range, one scale, one method each.

Images are in [0, 1] here and in [-1, 1] in all four networks: the change is made in this file alone.
A code is the posterior's mode (or what the encoder gives), shifted and scaled as the config says and
as diffusers' pipelines do it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.distributions.gaussians import normal
from zoo.errors import InputError, NotInstalledError
from zoo.families.diffusers.spec import (
    AutoencoderDCSpec,
    AutoencoderKLSpec,
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
        "Families autoencoder-kl, -tiny, -dc and vq-model are networks of the diffusers library, which "
        "is not installed: pip install 'autoencoder-zoo[diffusers]'"
    ) from missing

_RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Layers of attention as files from before diffusers 0.17 call them."""


class DiffusersAutoencoder(Autoencoder):
    """A network of diffusers, whose images may be of any size that its stride divides.

    `network` is the diffusers object itself: `model.network.save_pretrained("folder")` writes a model,
    trained further or not, for `from_pretrained` and pipelines.
    """

    decoding = ("network.decoder.", "network.post_quant_conv.")
    spec: DiffusersSpec
    shift = 0.0
    """What is subtracted from a latent before it is scaled."""

    def __init__(self, spec: DiffusersSpec) -> None:
        super().__init__(spec)
        self.network: Any = getattr(diffusers, spec.MADE_BY)(**spec.to_diffusers())

    @classmethod
    def from_diffusers(cls, name: str) -> str:
        """A tensor's name here, from the one that diffusers writes, or wrote before version 0.17."""
        parts = name.split(".")
        now = [_RENAMED.get(part, part) if "attentions" in parts else part for part in parts]
        return ".".join(["network", *now])

    def _encode(self, x: Tensor) -> Tensor:
        if not x.numel():  # the networks' attention has no shape for none
            return x.new_empty(0, *self.spec.code_shape(tuple(x.shape[1:])))
        return self._finite(self._scaled(self._latents(2.0 * x - 1.0)), "encode")

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
        return self._image(self.network.decode(self._unscaled(z)).sample)

    def _image(self, decoded: Tensor) -> Tensor:
        """The network's image in [-1, 1], and beyond, as one in [0, 1], and beyond."""
        return decoded * 0.5 + 0.5

    def _latents(self, images: Tensor) -> Tensor:
        """What the network makes of images in [-1, 1]: `(N, c, h, w)`, not scaled yet."""
        return self.network.encode(images).latents

    def _scaled(self, latents: Tensor) -> Tensor:
        moved = latents - self.shift if self.shift else latents
        return moved * self.spec.scaling_factor

    def _unscaled(self, z: Tensor) -> Tensor:
        latents = z / self.spec.scaling_factor
        return latents + self.shift if self.shift else latents

    def _finite(self, values: Tensor, method: str) -> Tensor:
        """Raises InputError where a narrow dtype overflowed; on the processor only, as elsewhere."""
        if self.training or not is_readable(values):
            return values
        if torch.isfinite(values).all():
            return values
        hint = " Its config says that it does (force_upcast)." if self.spec.force_upcast else ""
        dtype = str(self.dtype).removeprefix("torch.")
        raise InputError(
            f"{method} gave numbers that are not finite in {dtype}: the network overflows.{hint} "
            "Load it with dtype='float32' or 'bfloat16'."
        )


class AutoencoderKL(DiffusersAutoencoder):
    """`AutoencoderKL` of diffusers: a Gaussian posterior on a grid, of which the mode is the code."""

    Spec = AutoencoderKLSpec

    def __init__(self, spec: AutoencoderKLSpec) -> None:
        super().__init__(spec)
        self.shift = 0.0 if spec.shift_factor == "off" else spec.shift_factor
        self.moments = None if spec.latents_mean == "off" else (spec.latents_mean, spec.latents_std)

    def _latents(self, images: Tensor) -> Tensor:
        return self.network.encode(images).latent_dist.mode()

    def _scaled(self, latents: Tensor) -> Tensor:
        if self.moments is None:
            return super()._scaled(latents)
        mean, deviation = self._moments(latents)
        return (latents - mean) * self.spec.scaling_factor / deviation

    def _unscaled(self, z: Tensor) -> Tensor:
        if self.moments is None:
            return super()._unscaled(z)
        mean, deviation = self._moments(z)
        return z * deviation / self.spec.scaling_factor + mean

    def _moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel of a latent, `(c, 1, 1)` both."""
        assert self.moments is not None
        mean, deviation = (like.new_tensor(one).view(-1, 1, 1) for one in self.moments)
        return mean, deviation

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x): batch `(N,)`, event a code's shape, for images `(N, C, H, W)` in [0, 1]."""
        return self._posterior(self._inputs(x, "posterior"))

    def prior(self) -> Distribution:
        """What training pulls the posterior toward: a standard normal before codes are scaled."""
        return self._prior_over(torch.zeros(1, *self.latent_shape, device=self.device))

    def _prior_over(self, z: Tensor) -> Distribution:
        zeros = torch.zeros(z.shape[1:], device=z.device)
        return normal(self._scaled(zeros), self._deviations(torch.ones_like(zeros)), 3)

    def _posterior(self, x: Tensor) -> Distribution:
        latents = self.network.encode(2.0 * x - 1.0).latent_dist
        mean, deviation = latents.mean.float(), latents.std.float()
        return normal(self._scaled(mean), self._deviations(deviation), 3)

    def _deviations(self, latents: Tensor) -> Tensor:
        """Standard deviations of latents, scaled as codes are."""
        if self.moments is None:
            return latents * self.spec.scaling_factor
        return latents * self.spec.scaling_factor / self._moments(latents)[1]


class VQModel(DiffusersAutoencoder):
    """`VQModel` of diffusers: a code is the encoder's vectors, which `decode` rounds to the codebook's."""

    Spec = VQModelSpec

    def _code(self, x: Tensor, noise: Tensor | None) -> Code:
        latents = self._latents(2.0 * x - 1.0)
        quantized, commitment, _ = self.network.quantize(latents)
        values = latents[0].numel()  # the network gives a mean over a code's numbers
        with full_precision(x.device):
            commitment = commitment.float().mean() * values
        return Code(self._scaled(quantized), batch={"commitment": commitment})

    def _output(self, z: Tensor) -> Tensor:
        latents = self._unscaled(z)
        return self._image(self.network.decode(latents, force_not_quantize=True).sample)


class AutoencoderTiny(DiffusersAutoencoder):
    """`AutoencoderTiny` of diffusers (TAESD), whose decoder clamps a code's numbers by a tanh."""

    Spec = AutoencoderTinySpec

    def __init__(self, spec: AutoencoderTinySpec) -> None:
        super().__init__(spec)
        self.shift = spec.shift_factor


class AutoencoderDC(DiffusersAutoencoder):
    """`AutoencoderDC` of diffusers: a deep network, and few, wide codes."""

    Spec = AutoencoderDCSpec

    def _latents(self, images: Tensor) -> Tensor:
        return self.network.encode(images).latent
