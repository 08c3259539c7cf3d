"""The hierarchical variational autoencoder: groups of latents, each conditioned on those above it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from zoo.distributions.gaussians import divergence, draw_at, normal, without_gradient
from zoo.distributions.mixture import NormalMixture
from zoo.errors import InputError
from zoo.families.hierarchical_vae.spec import HierarchicalVAESpec
from zoo.families.hierarchical_vae.top_down import (
    Descent,
    Features,
    Group,
    SelectLatents,
    fixed,
    posterior_samples,
    sampled_kl,
)
from zoo.models.objectives.base import reconstruction
from zoo.models.objectives.bounds import in_chunks
from zoo.models.parts.bodies import ConvDecoder, ConvEncoder, bounded
from zoo.models.parts.likelihoods import LikelihoodHead
from zoo.models.parts.priors import build_prior
from zoo.models.primitives import Inference, full_precision
from zoo.models.variational import VariationalAutoencoder

PRIOR_BOUND = 2.0
"""Soft clamp of the means and log-variances of the grid priors, which the likelihood does not determine:
unbounded, they drift and training diverges."""


class HierarchicalVAE(VariationalAutoencoder):
    """A VAE with several groups of latents and top-down inference (Soenderby et al. 2016).

    The top group is a vector; each group below is a grid, whose posterior is its prior shifted by
    image features (Vahdat & Kautz 2020, section 3.2). The mean's shift is in units of the prior's
    standard deviation, so the KL stays bounded for narrow priors. A code concatenates all groups;
    `encode` takes each posterior's mean, given the means above. The loss has terms `kl_1` for the
    top group, `kl_2`, ...
    """

    Spec = HierarchicalVAESpec
    grouped = True
    spec: HierarchicalVAESpec

    def __init__(self, spec: HierarchicalVAESpec) -> None:
        super().__init__(spec)
        body = spec.body
        self.encoder = ConvEncoder(body, spec.input_shape)
        self.posterior_head = nn.Linear(self.encoder.features, 2 * spec.latent_dim)
        outputs = spec.likelihood.outputs(spec.input_shape)
        self.decoder = ConvDecoder(body, outputs, spec.latent_dim)
        self.groups = nn.ModuleList(
            Group(channels, body.channels[-1], body.residual_blocks, body.activation)
            for channels in spec.groups
        )
        self.likelihood_head = LikelihoodHead(spec.likelihood, spec.input_shape)
        self.vamp = build_prior(spec.prior, spec.domain)

    def set_output_mean(self, mean: Tensor) -> None:
        with torch.no_grad():
            self.decoder.set_output_bias(self.likelihood_head.outputs_for(mean))

    def prior(self) -> Distribution:
        """p(z) over all groups: empty batch shape, event `latent_shape`. Its mean has no closed form."""
        return TopDownPrior(self)

    def sample(
        self, n: int, *, seed: int | None = None, temperatures: Sequence[float] | None = None
    ) -> Tensor:
        """See `VariationalAutoencoder.sample`; standard deviations are scaled by temperatures.

        `temperatures` has a number of 0 or more per group, top group first; None is 1 for all.
        Raises InputError for any other `temperatures`.
        """
        chosen = self._checked(temperatures)
        return self._sampled(n, seed, functools.partial(self._prior_codes, temperatures=chosen))

    def _infer(self, x: Tensor, noise: Tensor, stl: bool = False) -> Inference:
        """One top-down pass; the KL of the groups is `kl_1`, `kl_2`, ..."""
        drawn = noise.shape[:-1]
        times = drawn[0] if len(drawn) > 1 else 1
        features = self._features(x)
        features = features.repeated(times) if times > 1 else features
        descent = self._descend(features, posterior_samples(self._split(noise)), self._top_prior())
        with full_precision(x.device):
            groups = zip(descent.posteriors, descent.priors, descent.latents, strict=True)
            if stl:
                kls = [without_gradient(q).log_prob(z) - p.log_prob(z) for q, p, z in groups]
            else:
                kls = [divergence(q, p, z[None]) for q, p, z in groups]
        kl = {f"kl_{number}": one.view(drawn) for number, one in enumerate(kls, 1)}
        likelihood = self._likelihood_at(descent.grid, drawn)
        return Inference(descent.codes.view(noise.shape), kl, likelihood)

    def _infer_top(self, x: Tensor, noise: Tensor, groups: int) -> Inference:
        def select(
            number: int, prior: Distribution | None, posterior: Distribution | None
        ) -> Tensor:
            given = posterior if number < groups else prior
            assert given is not None
            return draw_at(given, parts[number])

        parts = self._split(noise)
        descent = self._descend(self._features(x), select, self._top_prior())
        tops = list(zip(descent.posteriors, descent.priors, descent.latents, strict=True))[:groups]
        with full_precision(x.device):
            kls = [divergence(q, p, z[None]) for q, p, z in tops]
        kl = {f"kl_{number}": one for number, one in enumerate(kls, 1)}
        return Inference(descent.codes, kl, self._likelihood_at(descent.grid))

    def _log_weights(self, x: Tensor, noise: Tensor) -> Tensor:
        """One top-down pass per sample."""
        image, top = self._features(x), self._top_prior()

        def of_chunk(part: Tensor) -> Tensor:
            features = image.repeated(len(part))
            descent = self._descend(features, posterior_samples(self._split(part)), top)
            likelihood = self._likelihood_at(descent.grid, part.shape[:2])
            return -reconstruction(self, likelihood, x) - sampled_kl(descent).view(part.shape[:2])

        return in_chunks(of_chunk, noise, x)

    def _posterior(self, x: Tensor) -> TopDownPosterior:
        return TopDownPosterior(self, self._features(x))

    def _likelihood(self, z: Tensor) -> Distribution:
        descent = self._descend(None, fixed(self._split(z)))
        return self._likelihood_at(descent.grid, z.shape[:-1])

    def _features(self, x: Tensor) -> Features:
        grid = self.encoder.grid(x)
        mean, log_variance = self.posterior_head(self.encoder.summary(grid)).float().chunk(2, 1)
        return Features(grid, mean, torch.exp(0.5 * self._bounded(log_variance)))

    def _descend(
        self, image: Features | None, select: SelectLatents, top: Distribution | None = None
    ) -> Descent:
        """A top-down pass to the decoder's last feature map, with latents from `select`.

        `top` is the top group's prior; None if it is not needed, as it can be costly.
        """
        descent = Descent([top] if top else [], [image.top] if image else [], [], torch.empty(0))
        descent.latents.append(select(0, top, image and image.top))
        descent.grid = self.decoder.grid(descent.latents[0].to(self.dtype))
        for number, group in enumerate(self.groups, 1):
            assert isinstance(group, Group)
            by_prior = bounded(group.prior(descent.grid).float(), PRIOR_BOUND)
            prior, posterior = self._gaussian(by_prior), None
            if image is not None:
                mean, log_variance = group.posterior(descent.grid, image.grid).float().chunk(2, 1)
                shifts = torch.cat([prior.stddev * mean, log_variance], 1)
                posterior = self._gaussian(by_prior + shifts)
                descent.posteriors.append(posterior)
            descent.priors.append(prior)
            descent.latents.append(select(number, prior, posterior))
            descent.grid = group(descent.grid, descent.latents[-1].to(self.dtype))
        return descent

    def _top_prior(self) -> Distribution:
        if self.vamp is not None:
            return self.vamp(lambda images: self._features(images).top)
        zeros = torch.zeros(self.spec.latent_dim, device=self.device)
        return normal(zeros, torch.ones_like(zeros), 1)

    def _gaussian(self, moments: Tensor) -> Independent:
        """The distribution of a grid group from mean and log-variance `(N, 2 c, h, w)`."""
        mean, log_variance = moments.float().chunk(2, 1)
        return normal(mean, torch.exp(0.5 * self._bounded(log_variance)), 3)

    def _bounded(self, log_variance: Tensor) -> Tensor:
        bound = self.spec.log_variance_bound
        return log_variance if bound == "off" else bounded(log_variance, bound)

    def _likelihood_at(self, grid: Tensor, batch: Sequence[int] | None = None) -> Distribution:
        logits = self.decoder.image(grid).float()  # (prod(batch), C, H, W)
        shape = logits.shape[1:]
        return self.likelihood_head.distribution(
            logits if batch is None else logits.reshape(*batch, *shape)
        )

    def _split(self, codes: Tensor) -> list[Tensor]:
        """Codes or noise `(*batch, D)` by group: `(prod(batch), *shape)` each."""
        shapes = self.spec.group_shapes
        parts = codes.reshape(-1, codes.shape[-1]).split([math.prod(one) for one in shapes], 1)
        return [part.view(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]

    def _codes_from(self, posterior: Distribution, noise: Tensor) -> Tensor:
        assert isinstance(posterior, TopDownPosterior)
        features = posterior.features.repeated(len(noise))
        return self._descend(features, posterior_samples(self._split(noise))).codes.view(
            noise.shape
        )

    @property
    def _prior_noise_shape(self) -> tuple[int, ...]:
        return (self.latent_shape[0] + (self.vamp is not None),)

    def _prior_codes(self, noise: Tensor, temperatures: Sequence[float] | None = None) -> Tensor:
        scales = temperatures or [1.0] * len(self.spec.group_shapes)
        parts = self._split(noise[:, : self.latent_shape[0]])

        def select(number: int, prior: Distribution | None, _: Distribution | None) -> Tensor:
            assert prior is not None
            if isinstance(prior, NormalMixture):
                return prior.codes_from(torch.cat([parts[0], noise[:, -1:]], 1), scales[0])
            return prior.mean + scales[number] * prior.stddev * parts[number].float()

        return self._descend(None, select, self._top_prior()).codes.to(noise.dtype)

    def _checked(self, temperatures: Sequence[float] | None) -> list[float] | None:
        if temperatures is None:
            return None
        numbers, count = [float(one) for one in temperatures], len(self.spec.group_shapes)
        if len(numbers) != count:
            raise InputError(
                f"temperatures must have one number for each of the {count} latent groups; "
                f"got {len(numbers)}."
            )
        if not all(0 <= one < math.inf for one in numbers):
            raise InputError(f"temperatures must be finite numbers of 0 or more; got {numbers}.")
        return numbers


class TopDownPosterior(Distribution):
    """q(z | x) of all groups, each conditioned on those above it."""

    def __init__(self, model: HierarchicalVAE, features: Features) -> None:
        self.model, self.features = model, features
        event = torch.Size(model.latent_shape)
        super().__init__(features.loc.shape[:1], event, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Each group's mean, given the means above it: `(N, D)`."""

        def select(_: int, prior: Distribution | None, posterior: Distribution | None) -> Tensor:
            assert posterior is not None
            return posterior.mean

        return self.model._descend(self.features, select).codes

    def rsample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Samples `(*sample_shape, N, D)`, with gradients."""
        batch, codes = len(self.features.loc), self.event_shape[0]
        noise = torch.randn(math.prod(sample_shape), batch, codes, device=self.features.loc.device)
        return self.model._codes_from(self, noise).view(*sample_shape, batch, codes)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density `(*, N)` in nats of codes `(*, N, D)`."""
        times = value[..., 0, 0].numel()
        latents = fixed(self.model._split(value))
        descent = self.model._descend(self.features.repeated(times), latents)
        pairs = zip(descent.posteriors, descent.latents, strict=True)
        return torch.stack([q.log_prob(z) for q, z in pairs]).sum(0).view(value.shape[:-1])


class TopDownPrior(Distribution):
    """p(z) of all groups, each conditioned on those above it."""

    def __init__(self, model: HierarchicalVAE) -> None:
        self.model = model
        super().__init__(torch.Size(), torch.Size(model.latent_shape), validate_args=False)

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Samples `(*sample_shape, D)`."""
        shape = math.prod(sample_shape), *self.model._prior_noise_shape
        with torch.no_grad():
            codes = self.model._prior_codes(torch.randn(shape, device=self.model.device))
        return codes.view(*sample_shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density `(*,)` in nats of codes `(*, D)`."""
        latents = fixed(self.model._split(value))
        descent = self.model._descend(None, latents, self.model._top_prior())
        pairs = zip(descent.priors, descent.latents, strict=True)
        return torch.stack([p.log_prob(z) for p, z in pairs]).sum(0).view(value.shape[:-1])
