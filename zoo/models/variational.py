"""`VariationalAutoencoder`: a model with posterior, prior and likelihood, and its bounds."""

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
"""Codes decoded at once when sampling with a seed."""
MOST_SAMPLES = 1_000_000


class VariationalAutoencoder(Autoencoder):
    """A latent-variable model p(x | z) p(z) with an amortized Gaussian posterior q(z | x).

    A family implements `_posterior(x)` and `_likelihood(z)`, and, if its prior is not a standard
    normal, `prior()`: another `Independent` of a `Normal`, or a `NormalMixture`.
    """

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x): batch `(N,)`, event `latent_shape`, for examples `(N, *input_shape)`."""
        return self._posterior(self._inputs(x, "posterior"))

    def prior(self) -> Distribution:
        """p(z), by default a standard normal: empty batch shape, event `latent_shape`."""
        zeros = torch.zeros(self.latent_shape, device=self.device)
        return normal(zeros, torch.ones_like(zeros), len(self.latent_shape))

    def sample(self, n: int, *, seed: int | None = None) -> Tensor:
        """`decode` of `n` codes sampled from the prior, `(n, *input_shape)`.

        With a seed, a smaller sample is bitwise identical to the start of a larger one: codes are
        decoded in blocks of a fixed size, because rounding of a matrix product depends on its size.
        Raises InputError for an invalid `n` or seed.
        """
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MOST_SAMPLES:
            raise InputError(f"n must be an integer from 0 to {MOST_SAMPLES:,}; got {n!r}.")
        if seed is not None and (type(seed) is not int or not 0 <= seed < 2**63):
            raise InputError(f"seed must be an integer from 0 to 2**63 - 1, or None; got {seed!r}.")
        return self._sampled(n, seed, self._prior_codes)

    def _sampled(self, n: int, seed: int | None, codes_from: Callable[[Tensor], Tensor]) -> Tensor:
        """Decoded codes `codes_from(noise)` at standard normal noise `(n, *_prior_noise_shape)`."""
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

        Kingma & Welling 2014, eq. 10: the mean over `samples` samples of log p(x | z), minus
        KL(q(z | x) || p(z)), in closed form for a Gaussian prior, else estimated from the same
        samples. Loss weights such as beta are ignored. For rows and series it bounds the log-density
        in the user's units.
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

        Burda et al. 2016, eq. 8, with K = `samples`; it approaches log p(x) as K grows. Memory use is
        independent of K and N, because no gradient is kept: to train on the bound, call `loss` with
        `objective=IWAE(samples=K)`.
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

        `x` is `(N, *input_shape)` as given by `standardized`.
        """
        weights = self._log_weights(
            x, noise
        ).cpu()  # (K, N); not .double() first: MPS has no float64
        return weights.double().logsumexp(0) - math.log(len(noise))

    def _log_weights(self, x: Tensor, noise: Tensor) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x), `(K, N)` in nats, with z at this noise."""
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
        """Shape of the noise for one prior sample; a `NormalMixture` needs one more number."""
        return self.latent_shape

    def _prior_codes(self, noise: Tensor) -> Tensor:
        """Prior samples `(n, *latent_shape)` at standard normal noise `(n, *_prior_noise_shape)`."""
        prior = self.prior()
        if isinstance(prior, NormalMixture):
            return prior.codes_from(noise).to(noise.dtype)
        return (prior.mean + prior.stddev * noise.float()).to(noise.dtype)


def _check_samples(samples: int) -> None:
    if type(samples) is not int or samples < 1:
        raise InputError(f"samples must be a positive integer; got {samples!r}.")
