"""`ExactModel` and `TopDown`: base classes of models in integers.

Codes are activations, `(N, D)` for each group, the top one first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.integers.discrete import CELL_DIGITS, Gaussians
from zoo.integers.forms import form_of, has_form
from zoo.integers.grids import ACTIVATION, LIMIT, ONE, VERSION, WEIGHT, on_grid
from zoo.integers.likelihoods import Levels
from zoo.integers.priors import NormalPrior, Prior, TailPrior, placed
from zoo.likelihoods.fitting import likelihood_of
from zoo.models import Autoencoder

Moments = tuple[Tensor, Tensor]
"""Means and log-variances, activations."""


@dataclass
class State:
    """How far a top-down pass has come."""

    grid: Tensor | None = None
    """The decoder's feature map; of a model with one group, the codes `(N, D)`."""
    prior: Moments | None = None
    """Of the group below."""


class ExactModel:
    """The integer form of a model.

    Attributes:
        shape: shape of an image.
        digest: hex sha256 of the integer weights, the Spec and the version of the arithmetic.
        levels: the likelihood's form; None if it has none.
    """

    def __init__(self, model: Autoencoder) -> None:
        self.shape, self.spec = tuple(model.spec.input_shape), model.spec
        self.digest = _digest(model)
        likelihood = likelihood_of(model.spec)
        can = likelihood is not None and has_form(likelihood)
        self.levels: Levels | None = form_of(likelihood, self.shape) if can else None

    def encode(self, levels: Tensor) -> Tensor:
        """Codes of images `(N, C, H, W)` uint8, `(N, *latent_shape)` float32, equal on every machine.

        Of a posterior they are the means, of a hierarchy each group's mean given those above it. Raises
        InputError for anything but uint8 images of the model's shape, and for codes beyond +-128, at which
        whole numbers saturate.
        """
        if levels.dtype != torch.uint8 or tuple(levels.shape[1:]) != self.shape:
            sides = " x ".join(map(str, self.shape))
            raise InputError(
                f"Exact codes are of uint8 levels, N x {sides}; got {levels.dtype} of shape {tuple(levels.shape)}."
            )
        with torch.no_grad():
            codes = self._encode(images_as_activations(levels))
        if bool((codes.abs() >= LIMIT).any()):
            raise InputError(
                f"Codes reach +-{LIMIT // ONE}, where whole numbers saturate: they have no exact form."
            )
        return (codes / ONE).float()

    def _encode(self, x: Tensor) -> Tensor:
        """Codes, activations, of images that are activations."""
        raise NotImplementedError


class TopDown(ExactModel):
    """A model with posteriors and priors. Subclasses implement a top-down pass through groups of codes.

    Attributes:
        sizes: number of codes of each group, the top one first.
        priors: of each group.
    """

    sizes: list[int]
    priors: list[Prior]

    @property
    def tails(self) -> list[int]:
        """The groups whose normal prior is on a uniform grid."""
        return [n for n, prior in enumerate(self.priors) if isinstance(prior, TailPrior)]

    def set_tails(self, groups: Sequence[int]) -> None:
        """Puts the normal prior of these groups, and of no others, on a uniform grid. Raises ValueError for any other prior."""
        for group, prior in enumerate(self.priors):
            if isinstance(prior, NormalPrior):
                self.priors[group] = TailPrior() if group in groups else NormalPrior()
        if self.tails != sorted(groups):
            raise ValueError(f"no groups with a normal prior: {list(groups)}")

    def features(self, x: Tensor) -> Any:
        """What the encoder computes of images `(N, C, H, W)`, activations."""
        raise NotImplementedError

    def posterior(self, group: int, features: Any, state: State) -> Gaussians:
        """The posterior of a group, given the groups above it, on the grid of its prior."""
        raise NotImplementedError

    def codes(self, group: int, positions: Tensor, state: State) -> Tensor:
        """Codes of a group at positions on its grid, times 2^-20."""
        return placed(positions)

    def descend(self, group: int, codes: Tensor, state: State) -> State:
        """The pass after a group's codes."""
        raise NotImplementedError

    def outputs(self, state: State) -> Tensor:
        """The decoder's outputs, activations."""
        raise NotImplementedError

    def _encode(self, x: Tensor) -> Tensor:
        features, state, found = self.features(x), State(), []
        for group in range(len(self.sizes)):
            mean = self.posterior(group, features, state).mean
            found.append(self.codes(group, mean, state))
            state = self.descend(group, found[-1], state)
        return torch.cat(found, 1)


def _digest(model: Autoencoder) -> str:
    """Hex sha256 of the integer weights, the Spec, and the version of the arithmetic."""
    about = f"exact {VERSION} {ACTIVATION} {WEIGHT} {CELL_DIGITS} {type(model).__name__} "
    digest = hashlib.sha256((about + model.spec.model_dump_json()).encode())
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.is_floating_point():
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(on_grid(tensor, WEIGHT + ACTIVATION).to(torch.int64).numpy().tobytes())
    return digest.hexdigest()


def images_as_activations(levels: Tensor) -> Tensor:
    """uint8 levels as activations: v / 255, rounded to nearest."""
    return torch.floor((levels.double() * (2 * ONE) + 255) / 510)
