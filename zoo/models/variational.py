"""`VariationalAutoencoder`: a model with a posterior, a prior and a likelihood, and its bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.distributions.gaussians import divergence, draw_at, normal, without_gradient
from zoo.distributions.mixture import NormalMixture
from zoo.errors import InputError, did_you_mean
from zoo.models.importance import log_weight_sum
from zoo.models.interface import Autoencoder, Loss, full_precision
from zoo.specs.objectives import ELBO, GRADIENTS, IWAE

Gradient = Literal["reparameterized", "stl", "dreg"]

VALUES_AT_ONCE = 400_000
"""Values that are decoded in one go: small enough for a processor's cache, and for any memory."""

SAMPLES_AT_ONCE = 16
MOST_SAMPLES = 1_000_000


class VariationalAutoencoder(Autoencoder):
    """A latent-variable model p(x | z) p(z) with an amortized Gaussian posterior q(z | x).

    A family implements `_posterior(x)` and `_likelihood(z)`, and, where its prior is not a
    standard normal, `prior()`: another `Independent` of a `Normal`, or a `NormalMixture`. All distributions are independent over their event dimensions.
    """

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x): batch `(N,)`, event `latent_shape`, for images `(N, C, H, W)` in [0, 1]."""
        return self._posterior(self._images(x, "posterior"))

    def prior(self) -> Distribution:
        """p(z): no batch, event `latent_shape`; a standard normal."""
        zeros = torch.zeros(self.latent_shape, device=self.device)
        return normal(zeros, torch.ones_like(zeros), len(self.latent_shape))

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
        if seed is not None and (type(seed) is not int or not 0 <= seed < 2**63):
            raise InputError(f"seed is a whole number from 0 to 2**63 - 1, or None; got {seed!r}.")
        return self._sampled(n, seed, self._prior_codes)

    def _sampled(self, n: int, seed: int | None, codes_from: Callable[[Tensor], Tensor]) -> Tensor:
        """Images of the codes that are made from standard normal noise `(n, *_prior_noise_shape)`."""
        generator = torch.Generator().manual_seed(seed) if seed is not None else None
        padded = -(-n // SAMPLES_AT_ONCE) * SAMPLES_AT_ONCE
        shape = self._prior_noise_shape
        noise = [torch.randn(shape, generator=generator) for _ in range(padded)]
        if not noise:
            return torch.zeros(0, *self.spec.input_shape, device=self.device, dtype=self.dtype)
        with torch.no_grad():
            z = codes_from(torch.stack(noise).to(self.device, self.dtype))
            return torch.cat([self._decode(block) for block in z.split(SAMPLES_AT_ONCE)])[:n]

    def elbo(self, x: Tensor, *, samples: int = 1) -> Tensor:
        """The evidence lower bound of each image, `(N,)` in nats.

        Kingma & Welling 2014, eq. 10: the mean over `samples` draws of log p(x | z), less
        KL(q(z | x) || p(z)), in closed form where the prior is a Gaussian and else at the same
        draws. At beta = 1, whatever was trained.
        """
        x = self._images(x, "elbo")
        _check_samples(samples)
        if not len(x):
            return torch.zeros(0, device=self.device)
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
        z = self._codes_from(posterior, noise)
        log_likelihood = self._likelihood(z).log_prob(x.float())
        return -log_likelihood.mean(0), divergence(posterior, self.prior(), z)

    def log_likelihood(self, x: Tensor, *, samples: int) -> Tensor:
        """The importance-weighted bound on log p(x) of each image, `(N,)` in nats, float64 on the CPU.

        Burda et al. 2016, eq. 8, with K = `samples`. It rises toward log p(x) with K. Its memory
        does not grow with K or with the images, because it has no gradient: to train on the bound,
        call `loss` with `objective=IWAE(samples=K)`.
        """
        x = self._images(x, "log_likelihood")
        _check_samples(samples)
        bounds = []
        with torch.no_grad():
            for image in x.split(1) if len(x) else ():
                noise = torch.randn(samples, 1, *self.latent_shape).to(self.device, self.dtype)
                bounds.append(self.importance_bound(image, noise))
        return torch.cat(bounds) if bounds else torch.zeros(0, dtype=torch.float64)

    def importance_bound(self, x: Tensor, noise: Tensor) -> Tensor:
        """The importance-weighted bound `(N,)` in nats, float64 on the CPU, from noise `(K, N, *latent_shape)`."""
        weights = self.log_weights(x, self._posterior(x), noise)
        log_weights = weights.cpu().double()  # (K, N), in this order: MPS has no float64
        return log_weights.logsumexp(0) - math.log(len(noise))

    def log_weights(self, x: Tensor, posterior: Distribution, noise: Tensor) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x), `(K, N)` in nats, at the z of this noise.

        The codes are decoded in chunks of K; with a gradient, every chunk's graph is kept.
        """
        return self._weights_at(x, self._codes_from(posterior, noise), posterior)

    def _weights_at(self, x: Tensor, z: Tensor, posterior: Distribution) -> Tensor:
        """log p(x | z) + log p(z) - log q(z | x), `(K, N)` in nats, of codes `(K, N, *latent_shape)`."""
        prior, weights = self.prior(), []
        for part in z.split(draws_at_once(x)):
            score = self._likelihood(part).log_prob(x.float())
            weights.append(score + prior.log_prob(part) - posterior.log_prob(part))
        return torch.cat(weights)

    def loss(
        self,
        x: Tensor,
        gradient: Gradient = "reparameterized",
        objective: ELBO | IWAE | None = None,
    ) -> Loss:
        """The terms of the objective for a batch `(N, C, H, W)` in [0, 1].

        Args:
            x: images, floating point in [0, 1].
            gradient: `"reparameterized"` takes the KL in closed form; `"stl"` takes it at the
                draw and leaves out the score term, whose mean is zero: less variance near the
                optimum (sticking the landing, Roeder et al. 2017, eq. 8). `"dreg"` does for the
                importance-weighted bound what stl does for the ELBO: the doubly reparameterized
                gradient (Tucker et al. 2019, eq. 8).
            objective: the negative ELBO at one draw per image, as reconstruction and KL, which None
                is too, or minus the importance-weighted bound of K draws, which is one term.

        Raises:
            InputError: as `encode`, for no images at all, for an objective that the family is not
                trained on, and for a gradient that is not one of the objective's.
        """
        x = self._batch(x)
        if objective is None:
            _check_gradient(gradient, "elbo")
            return self._learned(self._loss(x, gradient))
        if not isinstance(objective, ELBO | IWAE) or objective.kind not in self.spec.objectives:
            raise InputError(f"{type(self).__name__} is not trained on {objective!r}.")
        _check_gradient(gradient, objective.kind)
        return self._learned(self._loss(x, gradient, objective=objective))

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
        self,
        x: Tensor,
        gradient: Gradient = "reparameterized",
        noise: Tensor | None = None,
        objective: ELBO | IWAE = ELBO(),  # noqa: B008  # immutable
    ) -> Loss:
        """The loss of checked images, at the given standard normal noise.

        A training gives the noise, `(N, *latent_shape)`, or `(N, objective.noises, *latent_shape)`,
        to a family whose `_loss` takes it, so that its draws do not depend on the number of
        processes; None draws it from the global generator.
        """
        if objective.kind == "iwae":
            return self._importance_loss(x, gradient, noise, objective)
        posterior, z, likelihood = self._drawn(x, noise)
        with full_precision(x.device):
            kl = at_least(self._kl(posterior, z, gradient).mean(), objective.free_bits)
            reconstruction = -likelihood.log_prob(x.float())
            return Loss({"reconstruction": reconstruction.mean(), "kl": kl}, self.loss_weights)

    def _drawn(self, x: Tensor, noise: Tensor | None) -> tuple[Distribution, Tensor, Distribution]:
        """The posteriors of images, a code `(N, *latent_shape)` of each, and p(x | z) there."""
        posterior = self._posterior(x)
        z = posterior.rsample() if noise is None else draw_at(posterior, noise)
        return posterior, z, self._likelihood(z)

    def _kl(self, posterior: Distribution, z: Tensor, gradient: Gradient) -> Tensor:
        """KL(q || p) of each image, `(N,)` in nats, at its code or in closed form."""
        if gradient == "stl":
            return without_gradient(posterior).log_prob(z) - self.prior().log_prob(z)
        return divergence(posterior, self.prior(), z[None])

    def _importance_loss(
        self, x: Tensor, gradient: Gradient, noise: Tensor | None, objective: IWAE
    ) -> Loss:
        """Minus the importance-weighted bound of K draws: one term, `iwae`."""
        posterior = self._posterior(x)
        if noise is None:
            noise = torch.randn(len(x), objective.noises, *self.latent_shape, device=x.device)
        doubly = gradient == "dreg"
        scored = without_gradient(posterior) if doubly else posterior
        with full_precision(x.device):
            bound = log_weight_sum(
                lambda noise: self._codes_from(posterior, noise),
                lambda z: self._weights_at(x, z, scored),
                noise.transpose(0, 1),
                doubly,
                objective.resampled,
            )
            return Loss({"iwae": math.log(objective.samples) - bound.mean()})

    def _codes_from(self, posterior: Distribution, noise: Tensor) -> Tensor:
        """The posterior's draws `(K, N, *latent_shape)` at the given standard normal noise."""
        return posterior.mean + posterior.stddev * noise

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


def draws_at_once(x: Tensor) -> int:
    """Draws of each of these images that are decoded in one go: a GPU is not filled by a processor's."""
    most = VALUES_AT_ONCE if x.device.type == "cpu" else 64 * VALUES_AT_ONCE
    return max(1, most // x.numel())


def _check_gradient(gradient: str, kind: str) -> None:
    known = ("reparameterized", GRADIENTS[kind])
    if gradient not in known:
        raise InputError(
            f"gradient is {' or '.join(map(repr, known))} for objective {kind!r}; got "
            f"{gradient!r}.{did_you_mean(str(gradient), known)}"
        )


def _check_samples(samples: int) -> None:
    if type(samples) is not int or samples < 1:
        raise InputError(f"samples is a number of draws, 1 or more; got {samples!r}.")


def at_least(kl: Tensor, free_bits: float) -> Tensor:
    """The KL of a group of latents, with no gradient below its free bits."""
    return kl.clamp(min=free_bits) if free_bits else kl
