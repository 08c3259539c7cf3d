"""Families of rows and series with one defect each, and which check of the kit finds it."""

from __future__ import annotations

import torch
from defects import PlainSpec
from torch.distributions import Independent, Normal

import zoo


class Real(zoo.Autoencoder):
    """Without defects."""

    class Spec(PlainSpec):
        domains = ("vector", "series")

    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(0.1 * torch.randn(spec.input_size, spec.width))

    def _encode(self, x):
        return x.flatten(1) @ self.weight

    def _likelihood(self, z):
        mean = (z @ self.weight.T).float().unflatten(-1, self.spec.input_shape)
        sides = len(self.spec.input_shape)
        return Independent(Normal(mean, 0.5, validate_args=False), sides, validate_args=False)


class StaysStandardized(Real):
    def _restored(self, x):
        return x.double()


class NarrowsFirst(Real):
    def standardized(self, x):
        return super().standardized(x.float())


class ScoresStandardized(Real):
    def likelihood(self, z):
        return Unshifted(super().likelihood(z))


class Unshifted:
    def __init__(self, restored):
        self.restored = restored

    def log_prob(self, value):
        return self.restored.log_prob(value) + self.restored.standardization.log_volume()


class Twice(Independent):
    def log_prob(self, value):
        return super().log_prob(value) + 2.0**0.5


class Unnormalized(Real):
    def _likelihood(self, z):
        one = super()._likelihood(z)
        return Twice(one.base_dist, one.reinterpreted_batch_ndims, validate_args=False)


UNIT_DEFECTS = [
    (StaysStandardized, "units", "decode does not give the user's units"),
    (NarrowsFirst, "units", "values lose digits before they are standardized"),
    (ScoresStandardized, "units", "likelihood(z).log_prob is no density in the user's units"),
    (Unnormalized, "densities", "likelihood(z) integrates to 4.1"),
]
