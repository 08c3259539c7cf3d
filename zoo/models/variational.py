"""`VariationalAutoencoder`: a model with a posterior, a prior and a likelihood, and its bounds."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from zoo.errors import InputError
from zoo.models.interface import Autoencoder, Loss, full_precision

Gradient = Literal["reparameterised", "stl"]

VALUES_AT_ONCE = 400_000
"""Values that are decoded in one go: small enough for a processor's cache, and for any memory."""

SAMPLES_AT_ONCE = 16
MOST_SAMPLES = 1_000_000


class VariationalAutoencoder(Autoencoder):
    """A latent-variable model p(x | z) p(z) with an amortised Gaussian posterior q(z | x).

    A family implements `_posterior(x)` and `_likelihood(z)`, and, where its prior is not a
    standard normal, `prior()`. All distributions are independent over their event dimensions.
    """

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x): batch `(N,)`, event `latent_shape`, for images `(N, C, H, W)` in [0, 1]."""
        return self._posterior(self._images(x, "posterior"))

    def prior(self) -> Distribution:
        """p(z): no batch, event `latent_shape`; a standard normal."""
        zeros = torch.zeros(self.latent_shape, device=self.device)
        return _normal(zeros, torch.ones_like(zeros), len(self.latent_shape))

    def likelihood(self, z: Tensor) -> Distribution:
        """p(x | z): batch `(*batch,)`, event `(C, H, W)`, for codes `(*batch, *latent_shape)`."""
        return self._likelihood(self._codes(z))

    def sample(self, n: int, *, seed: int | None = None) -> Tensor:
        """The expected images of `n` codes drawn from the prior: `(n, C, H, W)` in [0, 1].

        With a seed, the first images of a larger sample are those of a smaller one, bit for bit:
        codes are decoded in blocks of one size, because a matrix product of another size rounds
        differently. Raises InputError for a negative or huge `n` and for an invalid seed.
        """
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MOST_SAMPLES:
            raise InputError(f"sample takes a number of images, 0 to {MOST_SAMPLES:,}; got {n!r}.")
        if seed is not None and (not isinstance(seed, int) or not 0 <= seed < 2**63):
            raise InputError(f"seed is a whole number from 0 to 2**63 - 1, or None; got {seed!r}.")
        generator = torch.Generator().manual_seed(seed) if seed is not None else None
        padded = -(-n // SAMPLES_AT_ONCE) * SAMPLES_AT_ONCE
        noise = [torch.randn(self.latent_shape, generator=generator) for _ in range(padded)]
        if not noise:
            return torch.zeros(0, *self.spec.image_shape, device=self.device, dtype=self.dtype)
        z = self._prior_codes(torch.stack(noise).to(self.device, self.dtype))
        with torch.no_grad():
            return torch.cat([self._decode(block) for block in z.split(SAMPLES_AT_ONCE)])[:n]

    def elbo(self, x: Tensor, *, samples: int = 1) -> Tensor:
        """The evidence lower bound of each image, `(N,)` in nats, with the KL term in closed form.

        Kingma & Welling 2014, eq. 10: the mean over `samples` draws of log p(x | z), less
        KL(q(z | x) || p(z)). At beta = 1, whatever was trained.
        """
        x = self._images(x, "elbo")
        _check_samples(samples)
        noise = torch.randn(samples, len(x), *self.latent_shape).to(self.device, self.dtype)
        reconstruction, kl = self.elbo_terms(x, noise)
        return -(reconstruction + kl)

    def elbo_terms(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The two terms of the negative ELBO of each image, `(N,)` each, in nats.

        Args:
            x: `(N, C, H, W)` in [0, 1], already checked.
            noise: `(K, N, *latent_shape)`, standard normal.
        """
        posterior = self._posterior(x)
        log_likelihood = self._likelihood(self._codes_from(posterior, noise)).log_prob(x.float())
        return -log_likelihood.mean(0), kl_divergence(posterior, self.prior())

    def log_likelihood(self, x: Tensor, *, samples: int) -> Tensor:
        """The importance-weighted bound on log p(x) of each image, `(N,)` in nats, float64.

        Burda et al. 2016, eq. 8, with K = `samples`. It rises towards log p(x) with K.
        """
        x = self._images(x, "log_likelihood")
        _check_samples(samples)
        bounds = []
        for image in x.split(1):
            noise = torch.randn(samples, 1, *self.latent_shape).to(self.device, self.dtype)
            bounds.append(self.importance_bound(image, noise))
        return torch.cat(bounds) if bounds else torch.zeros(0, dtype=torch.float64)

    def importance_bound(self, x: Tensor, noise: Tensor) -> Tensor:
        """The importance-weighted bound `(N,)` in nats, float64, from noise `(K, N, *latent_shape)`."""
        log_weights = self.log_weights(x, self._posterior(x), noise).double()  # (K, N)
        return log_weights.logsumexp(0) - math.log(len(noise))

    def log_weights(self, x: Tensor, posterior: Distribution, noise: Tensor) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x), `(K, N)` in nats, at the z of this noise.

        The codes are decoded in chunks of K, in bounded memory.
        """
        z = self._codes_from(posterior, noise)  # (K, N, *latent_shape)
        at_once = max(1, VALUES_AT_ONCE // (len(x) * self.spec.pixels))
        scores = [self._likelihood(part).log_prob(x.float()) for part in z.split(at_once)]
        return torch.cat(scores) + self.prior().log_prob(z) - posterior.log_prob(z)

    def loss(self, x: Tensor, gradient: Gradient = "reparameterised") -> Loss:
        """The negative ELBO's terms for a batch `(N, C, H, W)` in [0, 1], one draw per image.

        Args:
            x: images, floating point in [0, 1].
            gradient: `"reparameterised"` takes the KL in closed form; `"stl"` takes it at the
                draw and leaves out the score term, whose mean is zero: less variance near the
                optimum (sticking the landing, Roeder et al. 2017, eq. 8).
        """
        return self._learnt(self._loss(self._images(x, "loss"), gradient))

    @property
    def loss_weights(self) -> dict[str, float]:
        """Constant weights of the loss terms, from the Spec."""
        return {}

    def _posterior(self, x: Tensor) -> Distribution:
        """q(z | x) of checked images `(N, C, H, W)`: batch `(N,)`, event `latent_shape`.

        Such as `Independent(Normal(mean, std, validate_args=False), len(latent_shape))`.
        """
        raise NotImplementedError

    def _likelihood(self, z: Tensor) -> Distribution:
        """p(x | z) of codes `(*batch, *latent_shape)`, batch may be (): event `(C, H, W)`.

        Such as `Independent(Bernoulli(logits=..., validate_args=False), 3)`: without validation,
        because a Bernoulli is also asked for the log-probability of values between 0 and 1. Its mean is what `decode`
        gives, in [0, 1].
        """
        raise NotImplementedError

    def _encode(self, x: Tensor) -> Tensor:
        return self._posterior(x).mean.to(x.dtype)

    def _decode(self, z: Tensor) -> Tensor:
        return self._likelihood(z).mean.to(z.dtype)

    def _loss(
        self, x: Tensor, gradient: Gradient = "reparameterised", noise: Tensor | None = None
    ) -> Loss:
        """The loss of checked images, at the given standard normal noise `(N, *latent_shape)`.

        A training gives the noise to a family whose `_loss` takes it, so that its draws do not
        depend on the number of processes; None draws it from the global generator.
        """
        posterior = self._posterior(x)
        z = posterior.rsample() if noise is None else _draw_at(posterior, noise)
        likelihood = self._likelihood(z)
        with full_precision(x.device):
            if gradient == "stl":
                kl = _without_gradient(posterior).log_prob(z) - self.prior().log_prob(z)
            else:
                kl = kl_divergence(posterior, self.prior())
            reconstruction = -likelihood.log_prob(x.float())
            terms = {"reconstruction": reconstruction.mean(), "kl": kl.mean()}
        return Loss(terms, self.loss_weights)

    def _codes_from(self, posterior: Distribution, noise: Tensor) -> Tensor:
        """The posterior's draws `(K, N, *latent_shape)` at the given standard normal noise."""
        return posterior.mean + posterior.stddev * noise

    def _prior_codes(self, noise: Tensor) -> Tensor:
        """The prior's draws `(n, *latent_shape)` at the given standard normal noise."""
        prior = self.prior()
        return (prior.mean + prior.stddev * noise.float()).to(noise.dtype)


def _check_samples(samples: int) -> None:
    if not isinstance(samples, int) or samples < 1:
        raise InputError(f"samples is a number of draws, 1 or more; got {samples!r}.")


def gaussian_posterior(mean: Tensor, log_variance: Tensor) -> Distribution:
    """A diagonal Gaussian over the dimensions after the first, float32."""
    return _normal(mean.float(), torch.exp(0.5 * log_variance.float()), mean.dim() - 1)


def _normal(loc: Tensor, scale: Tensor, event_dims: int) -> Independent:
    return Independent(Normal(loc, scale, validate_args=False), event_dims, validate_args=False)


def _standard(dims: int) -> Independent:
    return _normal(torch.zeros(1), torch.ones(1), dims)


kl_divergence(_standard(1), _standard(1))
"""torch looks the formula up at its first use, in a way that `torch.compile` cannot trace."""


def _draw_at(posterior: Distribution, noise: Tensor) -> Tensor:
    """What `rsample` of a Gaussian gives at this noise `(N, *latent_shape)`, bit for bit.

    Any other posterior draws by itself.
    """
    base = posterior.base_dist if isinstance(posterior, Independent) else posterior
    return base.loc + noise * base.scale if isinstance(base, Normal) else posterior.rsample()


def _without_gradient(posterior: Distribution) -> Distribution:
    loc, scale = posterior.mean.detach(), posterior.stddev.detach()
    return _normal(loc, scale, len(posterior.event_shape))
