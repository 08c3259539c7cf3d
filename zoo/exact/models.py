"""A whole model in integers: groups of latents on grids, each with its posterior and prior, and the values' masses.

`exact(model)` makes it. Codes are numbers of cells, `(N, D)` for each group, the top one first.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.exact import tables
from zoo.exact.gaussians import CELLS, HALF, Gaussian, masses_of, of_gaussian
from zoo.exact.grids import (
    ACTIVATION,
    ONE,
    SCALE,
    VERSION,
    WEIGHT,
    divided,
    on_grid,
    rounded,
    saturated,
)
from zoo.exact.layers import (
    Function,
    decoder_grid,
    decoder_image,
    encoder_grid,
    encoder_summary,
    exact_activation,
    exact_layer,
)
from zoo.families.hierarchical_vae.model import PRIOR_BOUND, HierarchicalVAE
from zoo.families.hierarchical_vae.top_down import Group
from zoo.families.vae.model import GaussianVAE
from zoo.models import Autoencoder
from zoo.models.parts.priors import Vamp

Moments = tuple[Tensor, Tensor]
"""Means and log-variances, activations."""


@dataclass
class State:
    """How far a top-down pass has come."""

    grid: Tensor | None = None
    """The decoder's feature map; of a model with one group, the codes `(N, D)`, activations."""
    prior: Moments | None = None
    """Of the group below."""


@dataclass(frozen=True)
class QuantilePrior:
    """A Gaussian prior, whose cells have equal mass: in units of its standard deviation from its mean."""

    edges: Tensor
    """`(CELLS - 1,)`, times 2^-20."""
    centers: Tensor
    """`(CELLS,)`, times 2^-20."""

    @classmethod
    def make(cls) -> QuantilePrior:
        return cls(*tables.quantiles(2 * HALF))


@dataclass(frozen=True)
class MixturePrior:
    """A uniform mixture of Gaussians, on one uniform grid for each dimension."""

    mean: Tensor
    """`(K, D)`, activations."""
    log_variance: Tensor
    """`(K, D)`, activations, after the soft clamp."""
    scale: Tensor
    """`(K, D)`, times 2^-20."""
    edges: Tensor = field(init=False)
    """`(D, CELLS - 1)`, times 2^-20."""
    centers: Tensor = field(init=False)
    """`(D, CELLS)`, activations."""

    def __post_init__(self) -> None:
        low = (self.mean * 2.0**8 - 5 * self.scale).amin(0)  # (D,), times 2^-20
        high = (self.mean * 2.0**8 + 5 * self.scale).amax(0)
        width = torch.full_like(low, 2.0**8)  # of a cell; at least the grid of activations
        while bool((wide := width * CELLS < high - low).any()):
            width = torch.where(wide, width * 2, width)
        middle = torch.floor((low + high) * 2.0**-9) * 2.0**8
        numbers = torch.arange(CELLS + 1, dtype=torch.float64) - CELLS // 2
        edges = middle[:, None] + width[:, None] * numbers  # (D, CELLS + 1)
        object.__setattr__(self, "edges", edges[:, 1:-1])
        object.__setattr__(self, "centers", rounded(edges[:, :-1] + width[:, None] / 2, 8))

    def __len__(self) -> int:
        return len(self.mean)

    def of(self, component: Tensor) -> Gaussian:
        """The chosen components `(N,)`."""
        chosen = component.long()
        return of_gaussian(self.mean[chosen] * 2.0**8, self.scale[chosen], self.edges)

    def component_masses(self, cells: Tensor) -> Tensor:
        """Masses of the components given the cells `(N, D)`, `(N, K)`, which sum to 2^24."""
        z = self.centers.gather(1, cells.long().T).T  # (N, D), activations
        apart = (z[:, None] - self.mean) * 2.0**16  # (N, K, D)
        t = divided(apart, self.scale).clamp(-(2.0**14), 2.0**14)  # deviations, times 2^-8
        costs = (t.square() + self.log_variance * 2.0 ** (16 - ACTIVATION)).sum(-1)  # times 2^-17
        weights = tables.softmin(costs).cumsum(-1)
        return masses_of(torch.cat([torch.zeros_like(weights[:, :1]), weights], 1))


class ExactModel:
    """The integer form of a model with Gaussian latents. Subclasses implement a top-down pass."""

    def __init__(self, model: GaussianVAE | HierarchicalVAE) -> None:
        self.shape, self.spec = tuple(model.spec.input_shape), model.spec
        bound = model.spec.log_variance_bound
        self.bound = None if bound == "off" else float(bound)
        self.digest = _digest(model)
        self.prior = self._prior(model.vamp)

    @property
    def sizes(self) -> list[int]:
        """Number of latents of each group."""
        raise NotImplementedError

    def features(self, x: Tensor) -> object:
        """What the encoder computes of images `(N, C, H, W)`, activations."""
        raise NotImplementedError

    def posterior(self, number: int, features: object, state: State) -> Gaussian:
        """The posterior of a group, given the groups above it, on the grid of its prior."""
        raise NotImplementedError

    def descend(self, number: int, cells: Tensor, state: State) -> State:
        """The pass after a group's latents, given as cells `(N, D)`."""
        raise NotImplementedError

    def logits(self, state: State) -> Tensor:
        """The decoder's outputs `(N, C, H, W)`, activations."""
        raise NotImplementedError

    def pixel_masses(self, state: State) -> Tensor:
        """The mass of 1 of each pixel of a Bernoulli likelihood, `(N, C H W)`; 0 has the rest of 2^24."""
        return tables.bernoulli_mass(self.logits(state).flatten(1))

    def _moments(self, outputs: Tensor) -> Moments:
        """Means and log-variances, soft-clamped, of outputs `(N, 2 d, ...)`."""
        mean, log_variance = outputs.chunk(2, 1)
        return mean, self._clamped(log_variance)

    def _clamped(self, log_variance: Tensor) -> Tensor:
        return log_variance if self.bound is None else tables.soft_clamped(log_variance, self.bound)

    def _top(self, x: Tensor) -> Moments:
        """The top group's posterior moments of images."""
        raise NotImplementedError

    def _prior(self, vamp: Vamp | None) -> QuantilePrior | MixturePrior:
        if vamp is None:
            return QuantilePrior.make()
        start = on_grid(vamp.logits, ACTIVATION)
        mean, log_variance = self._top(
            saturated(start) if not vamp.is_image else tables.sigmoid(start)
        )
        return MixturePrior(mean, log_variance, tables.scale_of(log_variance))

    def _on_top_grid(self, mean: Tensor, log_variance: Tensor) -> Gaussian:
        return of_gaussian(mean * 2.0**8, tables.scale_of(log_variance), self.prior.edges)

    def _top_codes(self, cells: Tensor) -> Tensor:
        """The codes of cells of the top group, activations."""
        if isinstance(self.prior, QuantilePrior):
            return rounded(self.prior.centers[cells.long()], 8)
        return self.prior.centers.gather(1, cells.long().T).T


class ExactVAE(ExactModel):
    """A VAE with one group of latents."""

    def __init__(self, model: GaussianVAE) -> None:
        self.encoder, self.decoder = exact_layer(model.encoder), exact_layer(model.decoder)
        heads = (
            [model.posterior_head]
            if model.spec.heads == "joint"
            else [model.mean_head, model.log_variance_head]
        )
        self.heads = [exact_layer(head) for head in heads]
        self.latents = model.spec.latent_dim
        super().__init__(model)

    @property
    def sizes(self) -> list[int]:
        return [self.latents]

    def features(self, x: Tensor) -> Moments:
        return self._top(x)

    def posterior(self, number: int, features: object, state: State) -> Gaussian:
        mean, log_variance = features  # pyright: ignore[reportGeneralTypeIssues]  # its own
        return self._on_top_grid(mean, log_variance)

    def descend(self, number: int, cells: Tensor, state: State) -> State:
        return State(self._top_codes(cells))

    def logits(self, state: State) -> Tensor:
        assert state.grid is not None
        return self.decoder(state.grid)

    def _top(self, x: Tensor) -> Moments:
        h = self.encoder(x)
        return self._moments(torch.cat([head(h) for head in self.heads], 1))


class ExactHierarchy(ExactModel):
    """A hierarchical VAE: the cells of a group below the top one are in units of its prior."""

    def __init__(self, model: HierarchicalVAE) -> None:
        self.grid, self.summary = encoder_grid(model.encoder), encoder_summary(model.encoder)
        self.head = exact_layer(model.posterior_head)
        self.start, self.image = decoder_grid(model.decoder), decoder_image(model.decoder)
        self.groups = [_ExactGroup(group) for group in model.groups if isinstance(group, Group)]
        self.shapes = model.spec.group_shapes
        self.below = QuantilePrior.make()
        super().__init__(model)

    @property
    def sizes(self) -> list[int]:
        return [int(torch.Size(shape).numel()) for shape in self.shapes]

    def features(self, x: Tensor) -> tuple[Tensor, Moments]:
        grid = self.grid(x)
        return grid, self._moments(self.head(self.summary(grid)))

    def posterior(self, number: int, features: object, state: State) -> Gaussian:
        image, top = features  # pyright: ignore[reportGeneralTypeIssues]  # its own
        if number == 0:
            return self._on_top_grid(*top)
        assert state.grid is not None
        assert state.prior is not None
        shift, growth = self.groups[number - 1].posterior(state.grid, image).chunk(2, 1)
        _, before = state.prior
        wide = tables.scale_of(self._clamped(saturated(before + growth)))
        ratio = divided(wide * 2.0**SCALE, tables.scale_of(self._clamped(before)))
        return of_gaussian(shift.flatten(1) * 2.0**8, ratio.flatten(1), self.below.edges)

    def descend(self, number: int, cells: Tensor, state: State) -> State:
        if number == 0:
            grid = self.start(self._top_codes(cells))
        else:
            assert state.grid is not None
            assert state.prior is not None
            mean, log_variance = state.prior
            scale = tables.scale_of(self._clamped(log_variance))
            deviation = self.below.centers[cells.long()].view_as(scale)
            z = saturated(mean + rounded(scale * deviation, 2 * SCALE - ACTIVATION))
            grid = self.groups[number - 1].update(state.grid, z)
        if number == len(self.groups):
            return State(grid)
        by_prior = tables.soft_clamped(self.groups[number].prior(grid), PRIOR_BOUND)
        mean, log_variance = by_prior.chunk(2, 1)
        return State(grid, (mean, log_variance))

    def logits(self, state: State) -> Tensor:
        assert state.grid is not None
        return self.image(state.grid)

    def _top(self, x: Tensor) -> Moments:
        return self.features(x)[1]


class _ExactGroup:
    """One group of latents on a grid."""

    def __init__(self, group: Group) -> None:
        self.prior_head, self.from_image = (
            exact_layer(group.prior_head),
            exact_layer(group.from_image),
        )
        self.block, self.head = (
            exact_layer(group.posterior_block),
            exact_layer(group.posterior_head),
        )
        self.from_latents = exact_layer(group.from_latents)
        self.blocks: list[Function] = [exact_layer(block) for block in group.blocks]
        self.activate = exact_activation(group.activate)

    def prior(self, grid: Tensor) -> Tensor:
        return self.prior_head(self.activate(grid))

    def posterior(self, grid: Tensor, image: Tensor) -> Tensor:
        return self.head(self.activate(self.block(saturated(grid + self.from_image(image)))))

    def update(self, grid: Tensor, z: Tensor) -> Tensor:
        h = saturated(grid + self.from_latents(z))
        for block in self.blocks:
            h = block(h)
        return h


def exact(model: Autoencoder) -> ExactModel:
    """The integer form of a model.

    Raises InputError for a model without Gaussian latents or a likelihood of levels, and for one with a
    layer that has no integer form.
    """
    with torch.no_grad():
        if isinstance(model, HierarchicalVAE):
            return ExactHierarchy(model)
        if isinstance(model, GaussianVAE):
            return ExactVAE(model)
    raise InputError(
        f"{type(model).__name__} has no exact form: vae, beta-vae, conv-vae, beta-tc-vae, factor-vae and "
        "hierarchical-vae have one."
    )


def _digest(model: Autoencoder) -> str:
    """Hex sha256 of the integer weights and of the version of the arithmetic."""
    digest = hashlib.sha256(f"exact {VERSION} {ACTIVATION} {WEIGHT} {HALF}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.is_floating_point():
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(on_grid(tensor, WEIGHT + ACTIVATION).to(torch.int64).numpy().tobytes())
    return digest.hexdigest()


def images_as_activations(levels: Tensor) -> Tensor:
    """uint8 levels as activations: v / 255, rounded to nearest."""
    return torch.floor((levels.double() * (2 * ONE) + 255) / 510)
