"""Whole models in integers, by family; `exact(model)` makes one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.families.ae.model import AE
from zoo.families.hierarchical_vae.model import PRIOR_BOUND, HierarchicalVAE
from zoo.families.hierarchical_vae.top_down import Group
from zoo.families.vae.disentangling import BetaTCVAE, FactorVAE
from zoo.families.vae.model import VAE, GaussianVAE
from zoo.families.vq_vae.model import VQVAE
from zoo.integers import layers, tables
from zoo.integers.base import ExactModel, Moments, State, TopDown
from zoo.integers.discrete import Gaussians
from zoo.integers.forms import form_of, register_exact
from zoo.integers.grids import ACTIVATION, SCALE, divided, on_grid, saturated
from zoo.integers.layers import activation_form
from zoo.integers.priors import MixturePrior, NormalPrior, Prior, placed
from zoo.likelihoods.base import Likelihood
from zoo.likelihoods.fitting import likelihood_of
from zoo.models import Autoencoder
from zoo.models.parts.priors import Vamp


class _Gaussian(TopDown):
    """A model with Gaussian codes, and a normal or mixture prior of the top group."""

    def __init__(self, model: GaussianVAE | HierarchicalVAE) -> None:
        super().__init__(model)
        bound = model.spec.log_variance_bound
        self.bound = None if bound == "off" else float(bound)
        self.priors = [self._prior(model.vamp)]

    def _top(self, x: Tensor) -> Moments:
        """The top group's posterior moments of images."""
        raise NotImplementedError

    def _prior(self, vamp: Vamp | None) -> Prior:
        if vamp is None:
            return NormalPrior()
        start = on_grid(vamp.logits, ACTIVATION)
        return MixturePrior.make(
            *self._top(saturated(start) if not vamp.is_image else tables.sigmoid(start))
        )

    def _on_top(self, moments: Moments) -> Gaussians:
        mean, log_variance = moments
        return Gaussians.make(mean * 2.0**8, tables.scale_of(log_variance), self.priors[0].grid)

    def _moments(self, outputs: Tensor) -> Moments:
        """Means and log-variances, soft-clamped, of outputs `(N, 2 d, ...)`."""
        mean, log_variance = outputs.chunk(2, 1)
        return mean, self._clamped(log_variance)

    def _clamped(self, log_variance: Tensor) -> Tensor:
        return log_variance if self.bound is None else tables.soft_clamped(log_variance, self.bound)


@register_exact(VAE, BetaTCVAE, FactorVAE)
class _VAE(_Gaussian):
    """A VAE with one group of codes."""

    def __init__(self, model: GaussianVAE) -> None:
        self.encoder, self.decoder = form_of(model.encoder), form_of(model.decoder)
        heads = (
            [model.posterior_head]
            if model.spec.heads == "joint"
            else [model.mean_head, model.log_variance_head]
        )
        self.heads = [form_of(head) for head in heads]
        self.sizes = [model.spec.latent_dim]
        super().__init__(model)

    def features(self, x: Tensor) -> Moments:
        return self._top(x)

    def posterior(self, group: int, features: Any, state: State) -> Gaussians:
        return self._on_top(features)

    def descend(self, group: int, codes: Tensor, state: State) -> State:
        return State(codes)

    def outputs(self, state: State) -> Tensor:
        return self.decoder(state.grid)

    def _top(self, x: Tensor) -> Moments:
        h = self.encoder(x)
        return self._moments(torch.cat([head(h) for head in self.heads], 1))


@register_exact(HierarchicalVAE)
class _Hierarchy(_Gaussian):
    """A hierarchical VAE: the grid of a group below the top one is in units of its prior."""

    def __init__(self, model: HierarchicalVAE) -> None:
        self.grid, self.summary = (
            layers.encoder_grid(model.encoder),
            layers.encoder_summary(model.encoder),
        )
        self.head = form_of(model.posterior_head)
        self.start, self.image = (
            layers.decoder_grid(model.decoder),
            layers.decoder_image(model.decoder),
        )
        self.groups = [_Group(group) for group in model.groups if isinstance(group, Group)]
        self.sizes = [int(torch.Size(shape).numel()) for shape in model.spec.group_shapes]
        super().__init__(model)
        self.priors = [*self.priors, *(NormalPrior() for _ in self.groups)]

    def features(self, x: Tensor) -> tuple[Tensor, Moments]:
        grid = self.grid(x)
        return grid, self._moments(self.head(self.summary(grid)))

    def posterior(self, group: int, features: Any, state: State) -> Gaussians:
        image, top = features
        if group == 0:
            return self._on_top(top)
        assert state.grid is not None
        assert state.prior is not None
        shift, growth = self.groups[group - 1].posterior(state.grid, image).chunk(2, 1)
        _, before = state.prior
        wide = tables.scale_of(self._clamped(saturated(before + growth))).clamp(max=2.0**31)
        ratio = divided(wide * 2.0**SCALE, tables.scale_of(self._clamped(before)))
        return Gaussians.make(shift.flatten(1) * 2.0**8, ratio.flatten(1), self.priors[group].grid)

    def codes(self, group: int, positions: Tensor, state: State) -> Tensor:
        if group == 0:
            return placed(positions)
        assert state.prior is not None
        mean, log_variance = (moment.flatten(1) for moment in state.prior)
        return placed(positions, mean, tables.scale_of(self._clamped(log_variance)))

    def descend(self, group: int, codes: Tensor, state: State) -> State:
        if group == 0:
            grid = self.start(codes)
        else:
            assert state.grid is not None
            assert state.prior is not None
            grid = self.groups[group - 1].update(state.grid, codes.view_as(state.prior[0]))
        if group == len(self.groups):
            return State(grid)
        by_prior = tables.soft_clamped(self.groups[group].prior(grid), PRIOR_BOUND)
        mean, log_variance = by_prior.chunk(2, 1)
        return State(grid, (mean, log_variance))

    def outputs(self, state: State) -> Tensor:
        assert state.grid is not None
        return self.image(state.grid)

    def _top(self, x: Tensor) -> Moments:
        return self.features(x)[1]


@register_exact(AE)
class _AE(ExactModel):
    """An autoencoder: codes alone."""

    def __init__(self, model: AE) -> None:
        super().__init__(model)
        self.encoder, self.code = form_of(model.encoder), form_of(model.to_code)
        self.activation = model.spec.latent_activation

    def _encode(self, x: Tensor) -> Tensor:
        code = self.code(self.encoder(x))
        return code if self.activation == "identity" else tables.activated(self.activation, code)


@register_exact(VQVAE)
class Quantized(ExactModel):
    """A VQ-VAE. Codes are numbers of vectors, `(N, n)` int64, row by row."""

    def __init__(self, model: VQVAE) -> None:
        super().__init__(model)
        self.sides = model.spec.latent_shape[1:]
        self.codebook = saturated(on_grid(model.codebook, ACTIVATION))  # (K, D)
        self.encoder = layers.in_turn(model.encoder, model.to_vectors)
        self.decoder = layers.in_turn(model.from_vectors, model.decoder)

    def numbers(self, x: Tensor) -> Tensor:
        """Numbers of the nearest vectors, of images that are activations; of equally near ones, the first."""
        x = self.encoder(x)
        codebook = self.codebook.to(x.device)
        products = 2 * x.flatten(2).mT @ codebook.T  # (N, n, K)
        apart = codebook.square().sum(1) - products
        first = apart == apart.amin(-1, keepdim=True)
        return first.to(torch.uint8).argmax(-1)

    def restored(self, numbers: Tensor) -> Tensor:
        """Images of numbers, `(N, C, H, W)` uint8."""
        assert self.levels is not None
        return self.levels.mean(self.decoder(self._vectors(numbers)))

    def _encode(self, x: Tensor) -> Tensor:
        return self._vectors(self.numbers(x))

    def _vectors(self, numbers: Tensor) -> Tensor:
        return self.codebook.to(numbers.device)[numbers].mT.unflatten(2, self.sides)  # (N, D, h, w)


class _Group:
    """One group of codes on a grid."""

    def __init__(self, group: Group) -> None:
        self.prior_head, self.from_image = form_of(group.prior_head), form_of(group.from_image)
        self.block, self.head = form_of(group.posterior_block), form_of(group.posterior_head)
        self.from_latents = form_of(group.from_latents)
        self.blocks = layers.in_turn(*group.blocks)
        self.activate = activation_form(group.activate)

    def prior(self, grid: Tensor) -> Tensor:
        return self.prior_head(self.activate(grid))

    def posterior(self, grid: Tensor, image: Tensor) -> Tensor:
        return self.head(self.activate(self.block(saturated(grid + self.from_image(image)))))

    def update(self, grid: Tensor, z: Tensor) -> Tensor:
        return self.blocks(saturated(grid + self.from_latents(z)))


def exact(model: Autoencoder) -> ExactModel:
    """The integer form of a model: its codes and its masses are equal to the last bit on every machine.

    Raises InputError for a model, or one with a layer, that has no integer form, for one that does not
    encode images' own pixels, and for weights too large.
    """
    likelihood = likelihood_of(model.spec)
    if not model.spec.domain.is_image or (
        likelihood is not None and type(likelihood).features is not Likelihood.features
    ):
        raise InputError(
            f"{type(model).__name__} of {model.spec.domain} has no exact form: images have."
        )
    with torch.no_grad():
        return form_of(model)
