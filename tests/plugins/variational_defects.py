"""Variational families with one defect each, and which check of the kit finds it."""

from __future__ import annotations

import torch
from defects import PlainSpec
from torch.distributions import Independent, Normal

import zoo
from zoo.models.objectives import NegativeELBO
from zoo.specs.objectives import ELBO


class Gaussian(zoo.VariationalAutoencoder):
    Spec = PlainSpec

    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(0.1 * torch.randn(spec.input_size, spec.width))

    def _posterior(self, x):
        mean = (x.flatten(1) @ self.weight).float()
        return Independent(Normal(mean, 0.5, validate_args=False), 1, validate_args=False)

    def _likelihood(self, z):
        mean = torch.sigmoid(z.to(self.weight.dtype) @ self.weight.T).float()
        image = mean.unflatten(-1, self.spec.input_shape)
        return Independent(Normal(image, 0.3, validate_args=False), 3, validate_args=False)


class ScalarPosterior(Gaussian):
    def _posterior(self, x):
        return super()._posterior(x).base_dist


class OtherCode(Gaussian):
    def _encode(self, x):
        return super()._encode(x) + 1


class FallingBound(Gaussian):
    def importance_bound(self, x, noise):
        return super().importance_bound(x, noise) - 3.0 * len(noise)


class MovedPrior(Gaussian):
    def prior(self):
        shift = torch.ones(self.latent_shape)
        return _Shifted(shift, torch.ones_like(shift))


class _Shifted(Independent):
    def __init__(self, loc, scale):
        super().__init__(Normal(loc, scale, validate_args=False), 1, validate_args=False)

    def log_prob(self, value):
        return super().log_prob(value) + 1


class WeighsTheKL(Gaussian):
    def _loss(self, batch, noise):
        terms = NegativeELBO(ELBO()).loss(self, batch, noise).per_example
        return zoo.Loss({**terms, "kl": 0.1 * terms["kl"]})


class WideDraws(Gaussian):
    def _infer(self, x, noise, stl=False):
        return super()._infer(x, 3 * noise, stl)


class NoLogK(Gaussian):
    def importance_bound(self, x, noise):
        return super().importance_bound(x, noise) + torch.tensor(len(noise)).log()


class WidePrior(Gaussian):
    def _prior_codes(self, noise):
        return 5 * super()._prior_codes(noise)


class Reseeded(Gaussian):
    def sample(self, n, *, seed=None):
        return super().sample(n, seed=(seed or 0) + n)


VARIATIONAL_DEFECTS = [
    (ScalarPosterior, "distributions", "posterior has batch and event shapes"),
    (OtherCode, "distributions", "encode is not the posterior's mean"),
    (FallingBound, "importance-weighted bound", "the bound with K = 1: off by"),
    (MovedPrior, "ELBO", "the ELBO's KL is"),
    (WeighsTheKL, "ELBO", "loss: the term 'kl' is"),
    (WideDraws, "ELBO", "the ELBO's KL is"),
    (NoLogK, "importance-weighted bound", "the bound with K = 2: off by"),
    (WidePrior, "prior codes", "the prior's variance is 0.98"),
    (Reseeded, "sample", "is not sample(4, seed=0)"),
]
