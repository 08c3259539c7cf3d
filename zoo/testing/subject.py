"""What is checked: a family, some Specs of it, and examples of their shapes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data import Examples, as_input, load_examples, moments
from zoo.likelihoods.fitting import likelihood_of
from zoo.models import Autoencoder
from zoo.models.parts.likelihoods import LikelihoodHead
from zoo.registry import families
from zoo.registry.family import Family
from zoo.specs.base import Spec
from zoo.testing.random_specs import draw_specs

CLOSE = 1e-4
"""How far float32 may be off where another batch, or another device, rounds otherwise."""
TIMESTAMP = 1.7e9
"""What the first column of rows, or channel of series, is near: float32 holds it to 128."""


class FailedError(Exception):
    """A check that fails: a sentence."""


class NotMeasuredError(Exception):
    """A check that cannot be made here: why."""


def expect(condition: object, sentence: str) -> None:
    """Raises FailedError with the sentence unless the condition holds."""
    if not condition:
        raise FailedError(sentence)


def expect_close(one: Tensor, other: Tensor, sentence: str, most: float = CLOSE) -> None:
    """Raises FailedError, with how far they are apart, unless two tensors are nearly the same."""
    off = float((one - other).detach().abs().max())
    expect(off <= most, f"{sentence}: off by {off:.2g}")


@contextlib.contextmanager
def expect_unchanged(model: Autoencoder, doing: str) -> Iterator[None]:
    """Raises FailedError where the tensors of a model are not afterward what they were."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    yield
    for name, tensor in model.state_dict().items():
        expect(torch.equal(tensor, before[name]), f"{name} changes when the model is {doing}")


@dataclass(frozen=True)
class Subject:
    """A family under test."""

    family: Family
    specs: tuple[Spec, ...]
    """The default ones first, each for the smallest shape of a domain that it takes; the others are drawn."""

    @classmethod
    def of(cls, family: str, small: Mapping[str, Any] | None = None) -> Subject:
        """With Specs drawn from a fixed seed; `small` are fields of all of them. Errors as `zoo.build`."""
        return cls(families.expanded(family)[0], tuple(draw_specs(family, small)))

    @property
    def spec(self) -> Spec:
        """The default one, of the first domain."""
        return self.specs[0]

    def by_domain(self) -> dict[str, Subject]:
        """The same with the Specs of one domain each, by the word for its examples."""
        nouns = dict.fromkeys(spec.domain.nouns for spec in self.specs)
        return {
            noun: Subject(self.family, tuple(s for s in self.specs if s.domain.nouns == noun))
            for noun in nouns
        }

    def build(self, spec: Spec | None = None, seed: int = 0) -> Autoencoder:
        """An untrained model, in eval mode, standardized as a training on `inputs` would."""
        spec = spec or self.spec
        model = self.family.build(spec, seed).eval()
        if model.standardization is not None:
            model.standardization.set(*_moments(spec.input_shape))
        return model


def inputs(spec: Spec, count: int = 8) -> Tensor:
    """Examples `(count, *input_shape)` as users give them: images in [0, 1]; rows and series in odd units."""
    return as_input(values(spec, count))


def values(spec: Spec, count: int) -> Tensor:
    """Examples `(count, *input_shape)` as data hold them, made of digits.

    Images are uint8 levels. Rows and series are float64, in units of 1000 to 0.001 with an offset,
    the first column or channel near 1.7e9; columns that the likelihood does not standardize, such as
    codes of categories, are drawn from it.
    """
    found, likelihood = _made_of_digits(spec.input_shape, count), likelihood_of(spec)
    kept = likelihood.standardized(spec.input_shape) if likelihood else None
    if likelihood is None or kept is None or spec.domain.is_image:
        return found
    head = LikelihoodHead(likelihood, spec.input_shape)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        drawn = head.distribution(2 * torch.randn(head.outputs)).sample((count,)).double()
    columns = torch.tensor(kept).view(-1, *[1] * (len(spec.input_shape) - 1))
    return torch.where(columns, found, drawn)


def _made_of_digits(shape: tuple[int, ...], count: int) -> Tensor:
    """Examples `(count, *shape)` of neighboring digits, so that values are correlated."""
    digits = _digits()[:count].float()
    if len(shape) == 3:
        sized = F.interpolate(digits, shape[1:], mode="nearest")
        return sized.repeat(1, shape[0], 1, 1).to(torch.uint8)
    walk = digits.flatten(1).double().cumsum(1) / 2_000  # (count, 64): neighbors are alike
    path = F.interpolate(walk[:, None], shape[-1], mode="linear")  # (count, 1, D or L)
    columns = torch.arange(shape[0])
    found = path[:, 0] if len(shape) == 1 else torch.cat([path.roll(int(c), 2) for c in columns], 1)
    unit = 10.0 ** (3 - columns.double() % 4 * 2)  # (D,) or (C,)
    offset = (-5 * unit).where(columns > 0, torch.tensor(TIMESTAMP).double())
    sides = (-1, *[1] * (len(shape) - 1))
    return found * unit.view(sides) + offset.view(sides)


@functools.cache
def _moments(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return moments(Examples("digits", "train", _made_of_digits(shape, 512)))


@functools.cache
def _digits() -> Tensor:
    return load_examples("digits", "train").first(2000)
