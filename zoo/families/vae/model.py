"""The variational autoencoder `vae`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.distributions.gaussians import gaussian_posterior
from zoo.families.vae.spec import PosteriorSpec, VAESpec
from zoo.models.parts.bodies import bounded, build_decoder, build_encoder
from zoo.models.parts.likelihoods import LikelihoodHead
from zoo.models.parts.priors import build_prior
from zoo.models.variational import VariationalAutoencoder
from zoo.specs.domains import domain_of


class GaussianVAE(VariationalAutoencoder):
    """Base of VAEs with a diagonal Gaussian posterior over vectors."""

    spec: PosteriorSpec

    def __init__(self, spec: PosteriorSpec) -> None:
        super().__init__(spec)
        inputs = spec.likelihood.inputs(spec.input_shape)
        self.encoder = build_encoder(spec.body, inputs)
        if spec.heads == "joint":
            self.posterior_head = nn.Linear(self.encoder.features, 2 * spec.latent_dim)
        else:
            self.mean_head = nn.Linear(self.encoder.features, spec.latent_dim)
            self.log_variance_head = nn.Linear(self.encoder.features, spec.latent_dim)
        outputs = spec.likelihood.outputs(spec.input_shape)
        self.decoder = build_decoder(spec.body, outputs, spec.latent_dim)
        self.likelihood_head = LikelihoodHead(spec.likelihood, spec.input_shape)
        self.vamp = build_prior(spec.prior, domain_of(inputs))

    def prior(self) -> Distribution:
        return super().prior() if self.vamp is None else self.vamp(self._posterior_of)

    @property
    def _prior_noise_shape(self) -> tuple[int, ...]:
        return (self.spec.latent_dim + (self.vamp is not None),)

    def set_output_mean(self, mean: Tensor) -> None:
        with torch.no_grad():
            self.decoder.set_output_bias(self.likelihood_head.outputs_for(mean))

    def _posterior(self, x: Tensor) -> Distribution:
        return self._posterior_of(self.likelihood_head.features(x))

    def _posterior_of(self, features: Tensor) -> Distribution:
        """q(z | x) from what the encoder sees of examples, which is what pseudo-inputs are."""
        h = self.encoder(features)  # (N, F)
        if self.spec.heads == "joint":
            mean, log_variance = self.posterior_head(h).chunk(2, dim=1)  # (N, latent_dim) each
        else:
            mean, log_variance = self.mean_head(h), self.log_variance_head(h)
        bound = self.spec.log_variance_bound
        if bound != "off":
            log_variance = bounded(log_variance.float(), bound)
        return gaussian_posterior(mean, log_variance)

    def _likelihood(self, z: Tensor) -> Distribution:
        codes = z.reshape(-1, z.shape[-1]).to(self.dtype)
        logits = self.decoder(codes)  # (prod(batch), C, H, W)
        return self.likelihood_head.distribution(
            logits.float().reshape(*z.shape[:-1], *logits.shape[1:])
        )


class VAE(GaussianVAE):
    """A VAE (Kingma & Welling 2014); a beta-VAE unless `beta` is 1 (Higgins et al. 2017, eq. 4)."""

    Spec = VAESpec
