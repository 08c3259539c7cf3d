"""diffusers' autoencoders with a Gaussian posterior over each latent, whose mode is the code."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.distributions.gaussians import normal
from zoo.families.diffusers.kl_spec import (
    AsymmetricAutoencoderKLSpec,
    AutoencoderKLFlux2Spec,
    AutoencoderKLHunyuanImageSpec,
    AutoencoderKLKVAESpec,
    AutoencoderKLSpec,
)
from zoo.families.diffusers.model import DiffusersAutoencoder


class GaussianAutoencoder(DiffusersAutoencoder):
    """Base class. Posterior and prior are over codes, that is, over shifted and scaled latents."""

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x): batch `(N,)`, event a code's shape, for images `(N, C, H, W)` in [0, 1]."""
        return self._posterior(self._inputs(x, "posterior"))

    def prior(self) -> Distribution:
        """The prior of the training: standard normal over latents, shifted and scaled to be over codes."""
        return self._prior_over(torch.zeros(1, *self.latent_shape, device=self.device))

    def _prior_over(self, z: Tensor) -> Distribution:
        zeros = torch.zeros_like(self._unscaled(z[:1].float()))
        return normal(self._scaled(zeros)[0], self._spread(torch.ones_like(zeros))[0], 3)

    def _posterior(self, x: Tensor) -> Distribution:
        if not x.numel():
            none = x.new_empty(0, *self.spec.code_shape(tuple(x.shape[1:]))).float()
            return normal(none, none, 3)
        latents = self.network.encode(self._shown(x)).latent_dist
        mean, deviation = self._scaled(latents.mean.float()), self._spread(latents.std.float())
        return normal(self._finite(mean, "posterior"), self._finite(deviation, "posterior"), 3)

    def _latents(self, images: Tensor) -> Tensor:
        return self.network.encode(images).latent_dist.mode()

    def _spread(self, deviations: Tensor) -> Tensor:
        """Converts standard deviations of latents to those of codes."""
        return deviations * self.scale


class AutoencoderKL(GaussianAutoencoder):
    """`AutoencoderKL` of diffusers, of Stable Diffusion and FLUX."""

    Spec = AutoencoderKLSpec

    def __init__(self, spec: AutoencoderKLSpec) -> None:
        super().__init__(spec)
        self.moments = None if spec.latents_mean == "off" else (spec.latents_mean, spec.latents_std)

    def _scaled(self, latents: Tensor) -> Tensor:
        if self.moments is None:
            return super()._scaled(latents)
        return self._spread(latents - self._per_channel(0, latents))

    def _unscaled(self, z: Tensor) -> Tensor:
        if self.moments is None:
            return super()._unscaled(z)
        return z * self._per_channel(1, z) / self.scale + self._per_channel(0, z)

    def _spread(self, deviations: Tensor) -> Tensor:
        spread = super()._spread(deviations)
        return spread if self.moments is None else spread / self._per_channel(1, deviations)

    def _per_channel(self, which: int, like: Tensor) -> Tensor:
        """The mean (0) or standard deviation (1) of each channel of a latent, `(c, 1, 1)`."""
        assert self.moments is not None
        return like.new_tensor(self.moments[which]).view(-1, 1, 1)


class AsymmetricAutoencoderKL(GaussianAutoencoder):
    """`AsymmetricAutoencoderKL` of diffusers, without its decoder's inpainting condition."""

    Spec = AsymmetricAutoencoderKLSpec

    def __init__(self, spec: AsymmetricAutoencoderKLSpec) -> None:
        super().__init__(spec)
        self.network.decoder.condition_encoder.requires_grad_(False)  # not used


class AutoencoderKLFlux2(GaussianAutoencoder):
    """`AutoencoderKLFlux2` of diffusers: a code stacks 2 x 2 latents, standardized with buffers."""

    Spec = AutoencoderKLFlux2Spec

    def _scaled(self, latents: Tensor) -> Tensor:
        mean, deviation = self._moments(latents)
        return (torch.pixel_unshuffle(latents.contiguous(), 2) - mean) / deviation

    def _unscaled(self, z: Tensor) -> Tensor:
        mean, deviation = self._moments(z)
        return torch.pixel_shuffle(z * deviation + mean, 2)

    def _spread(self, deviations: Tensor) -> Tensor:
        return torch.pixel_unshuffle(deviations, 2) / self._moments(deviations)[1]

    def _moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel of a code, each `(4 c, 1, 1)`."""
        statistics = self.network.bn
        variance = statistics.running_var + self.spec.batch_norm_eps
        mean, deviation = statistics.running_mean.to(like.dtype), variance.sqrt().to(like.dtype)
        return mean.view(-1, 1, 1), deviation.view(-1, 1, 1)


class AutoencoderKLHunyuanImage(GaussianAutoencoder):
    """`AutoencoderKLHunyuanImage` of diffusers: codes of low resolution with many channels."""

    Spec = AutoencoderKLHunyuanImageSpec


class AutoencoderKLKVAE(GaussianAutoencoder):
    """`AutoencoderKLKVAE` of diffusers, whose decoder is conditioned on the code at every stage."""

    Spec = AutoencoderKLKVAESpec
