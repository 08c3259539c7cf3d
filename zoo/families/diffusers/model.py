"""diffusers' autoencoders as families: their own networks, with one range, one scale, one method each.

Images are in [0, 1] here and in [-1, 1] in all four networks: the change is made in this file alone.
A code is the posterior's mode (or what the encoder gives), shifted and scaled as the config says and
as diffusers' pipelines do it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError, NotInstalledError
from zoo.families.diffusers.spec import (
    AutoencoderDCSpec,
    AutoencoderKLSpec,
    AutoencoderTinySpec,
    DiffusersSpec,
    VQModelSpec,
)
from zoo.models.interface import Autoencoder, Loss, full_precision, is_readable
from zoo.specs.objectives import Pixels

try:
    import diffusers
except ModuleNotFoundError as missing:
    raise NotInstalledError(
        "Families autoencoder-kl, -tiny, -dc and vq-model are networks of the diffusers library, which "
        "is not installed: pip install 'autoencoder-zoo[diffusers]'"
    ) from missing

Distance = Callable[[Tensor, Tensor], Tensor]
"""Between images `(N, C, H, W)` in [0, 1], one by one: `(N,)`."""
PIXELS = Pixels()
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

    def _loss(
        self,
        x: Tensor,
        *,
        objective: Pixels = PIXELS,
        extractor: Distance | None = None,
    ) -> Loss:
        x_hat = self._image(self.network.decode(self._latents(2.0 * x - 1.0)).sample)
        return self._scored(x_hat, x, objective, extractor)

    def _image(self, decoded: Tensor) -> Tensor:
        """The network's image in [-1, 1], and beyond, as one in [0, 1], and beyond."""
        return decoded * 0.5 + 0.5

    def _scored(
        self,
        x_hat: Tensor,
        x: Tensor,
        objective: Pixels,
        extractor: Distance | None,
        **terms: Tensor,
    ) -> Loss:
        """The loss of reconstructions, with further terms."""
        with full_precision(x.device):
            apart = x_hat.float() - x.float()
            error = apart.abs() if objective.error == "l1" else apart.square()
            scored = {objective.error: error.sum((1, 2, 3)).mean(), **terms}
            if extractor is not None:
                scored["perceptual"] = extractor(x_hat.float().clamp(0, 1), x.float()).mean()
        weights = {"kl": objective.kl, "perceptual": objective.perceptual}
        return Loss(scored, {name: weights[name] for name in weights if name in scored})

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

    def _loss(
        self,
        x: Tensor,
        *,
        noise: Tensor | None = None,
        objective: Pixels = PIXELS,
        extractor: Distance | None = None,
    ) -> Loss:
        posterior = self.network.encode(2.0 * x - 1.0).latent_dist
        noise = torch.randn_like(posterior.mean) if noise is None else noise
        latents = posterior.mean + posterior.std * noise
        x_hat = self._image(self.network.decode(latents).sample)
        with full_precision(x.device):
            kl = posterior.kl().float().mean()
        return self._scored(x_hat, x, objective, extractor, kl=kl)


class VQModel(DiffusersAutoencoder):
    """`VQModel` of diffusers: a code is the encoder's vectors, which `decode` rounds to the codebook's."""

    Spec = VQModelSpec

    def _loss(
        self,
        x: Tensor,
        *,
        objective: Pixels = PIXELS,
        extractor: Distance | None = None,
    ) -> Loss:
        latents = self._latents(2.0 * x - 1.0)
        decoded, commitment = self.network.decode(latents, return_dict=False)
        values = latents[0].numel()  # the network gives a mean over a code's numbers
        commitment = commitment.float().mean() * values
        x_hat = self._image(decoded)
        return self._scored(x_hat, x, objective, extractor, commitment=commitment)


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
