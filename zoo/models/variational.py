"""`VariationalAutoencoder`: a model with a posterior, a prior and a likelihood, and its bounds."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.distributions.gaussians import divergence, draw_at, normal, without_gradient
from zoo.distributions.mixture import NormalMixture
from zoo.errors import InputError
from zoo.models.interface import Autoencoder
from zoo.models.loss import Batch
from zoo.models.objectives import NegativeELBO
from zoo.models.objectives.bounds import VALUES_AT_ONCE, log_weights
from zoo.models.primitives import Inference, full_precision
from zoo.specs.objectives import ELBO

SAMPLES_AT_ONCE = 16
"""Codes of a seeded sample that are decoded in one go."""
MOST_SAMPLES = 1_000_000


class VariationalAutoencoder(Autoencoder):
    """A latent-variable model p(x | z) p(z) with an amortized Gaussian posterior q(z | x).

    A family implements `_posterior(x)` and `_likelihood(z)`, and, where its prior is not a
    standard normal, `prior()`: another `Independent` of a `Normal`, or a `NormalMixture`. All
    distributions are independent over their event dimensions.
    """

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x): batch `(N,)`, event `latent_shape`, for examples `(N, *input_shape)`."""
        return self._posterior(self._inputs(x, "posterior"))

    def prior(self) -> Distribution:
        """p(z): no batch, event `latent_shape`; a standard normal."""
        zeros = torch.zeros(self.latent_shape, device=self.device)
        return normal(zeros, torch.ones_like(zeros), len(self.latent_shape))

    def sample(self, n: int, *, seed: int | None = None) -> Tensor:
        """The expected examples of `n` codes drawn from the prior: `(n, *input_shape)`, as `decode` gives them.

        With a seed, the first examples of a larger sample are those of a smaller one, bit for bit:
        codes are decoded in blocks of one size, because a matrix product of another size rounds
        differently. Raises InputError for a negative or huge `n` and for an invalid seed.
        """
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MOST_SAMPLES:
            raise InputError(
                f"sample takes a number of {self.spec.domain.nouns}, 0 to {MOST_SAMPLES:,}; got {n!r}."
            )
        if seed is not None and (type(seed) is not int or not 0 <= seed < 2**63):
            raise InputError(f"seed is a whole number from 0 to 2**63 - 1, or None; got {seed!r}.")
        return self._sampled(n, seed, self._prior_codes)

    def _sampled(self, n: int, seed: int | None, codes_from: Callable[[Tensor], Tensor]) -> Tensor:
        """Examples of the codes that are made from standard normal noise `(n, *_prior_noise_shape)`."""
        shape = self._prior_noise_shape
        if seed is None:
            noise, size = torch.randn(n, *shape), max(1, VALUES_AT_ONCE // self.spec.input_size)
        else:
            generator, size = torch.Generator().manual_seed(seed), SAMPLES_AT_ONCE
            count = -(-n // size) * size
            draws = [torch.randn(shape, generator=generator) for _ in range(count)]
            noise = torch.stack(draws) if draws else torch.zeros(0, *shape)
        if not n:
            empty = torch.zeros(0, *self.spec.input_shape, device=self.device, dtype=self.dtype)
            return self._restored(empty)
        with torch.no_grad():
            z = codes_from(noise.to(self.device, self.dtype))
            return self._restored(torch.cat([self._decode(block) for block in z.split(size)])[:n])

    def elbo(self, x: Tensor, *, samples: int = 1) -> Tensor:
        """The evidence lower bound of each example, `(N,)` in nats.

        Kingma & Welling 2014, eq. 10: the mean over `samples` draws of log p(x | z), less
        KL(q(z | x) || p(z)), in closed form where the prior is a Gaussian and else at the same
        draws. At beta = 1, whatever was trained. Of rows and series it bounds the log-density in
        the user's units.
        """
        x = self._inputs(x, "elbo")
        _check_samples(samples)
        if not len(x):
            return torch.zeros(0, device=self.device)
        noise = torch.randn(samples, len(x), *self.latent_shape).to(self.device, self.dtype)
        terms = NegativeELBO(ELBO()).loss(self, Batch.of(x), noise).per_example
        return -torch.stack(list(terms.values())).sum(0)

    def log_likelihood(self, x: Tensor, *, samples: int) -> Tensor:
        """The importance-weighted bound on log p(x) of each example, `(N,)` in nats, float64 on the CPU.

        Burda et al. 2016, eq. 8, with K = `samples`. It rises toward log p(x) with K. Its memory
        does not grow with K or with the examples, because it has no gradient: to train on the bound,
        call `loss` with `objective=IWAE(samples=K)`.
        """
        x = self._inputs(x, "log_likelihood")
        _check_samples(samples)
        bounds = []
        with torch.no_grad():
            for one in x.split(1) if len(x) else ():
                noise = torch.randn(samples, 1, *self.latent_shape).to(self.device, self.dtype)
                bounds.append(self.importance_bound(one, noise))
        return torch.cat(bounds) if bounds else torch.zeros(0, dtype=torch.float64)

    def importance_bound(self, x: Tensor, noise: Tensor) -> Tensor:
        """The importance-weighted bound `(N,)` in nats, float64 on the CPU, from noise `(K, N, *latent_shape)`.

        `x` is `(N, *input_shape)` as `standardized` gives it.
        """
        weights = (
            self._log_weights(x, noise).cpu().double()
        )  # (K, N), in this order: MPS has no float64
        return weights.logsumexp(0) - math.log(len(noise))

    def _log_weights(self, x: Tensor, noise: Tensor) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x), `(K, N)` in nats, at the z of this noise."""
        posterior = self._posterior(x)
        return log_weights(self, x, draw_at(posterior, noise), posterior)

    def _encode(self, x: Tensor) -> Tensor:
        return self._posterior(x).mean.to(x.dtype)

    def _infer(self, x: Tensor, noise: Tensor, stl: bool = False) -> Inference:
        posterior = self._posterior(x)
        z = draw_at(posterior, noise)
        likelihood = self._likelihood(z)
        with full_precision(x.device):
            if stl:
                kl = without_gradient(posterior).log_prob(z) - self.prior().log_prob(z)
            else:
                draws = z if z.dim() > 1 + len(self.latent_shape) else z[None]
                kl = divergence(posterior, self.prior(), draws)
        return Inference(z, {"kl": kl}, likelihood)

    @property
    def _prior_noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that makes one code of the prior's; a `NormalMixture` takes one number more."""
        return self.latent_shape

    def _prior_codes(self, noise: Tensor) -> Tensor:
        """The prior's draws `(n, *latent_shape)` at standard normal noise `(n, *_prior_noise_shape)`."""
        prior = self.prior()
        if isinstance(prior, NormalMixture):
            return prior.codes_from(noise).to(noise.dtype)
        return (prior.mean + prior.stddev * noise.float()).to(noise.dtype)


def _check_samples(samples: int) -> None:
    if type(samples) is not int or samples < 1:
        raise InputError(f"samples is a number of draws, 1 or more; got {samples!r}.")
