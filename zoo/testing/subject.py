"""What is checked: a family, some Specs of it, and images of their sizes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data import load_examples
from zoo.models import Autoencoder
from zoo.registry import families
from zoo.registry.family import Family
from zoo.specs.base import Spec
from zoo.testing.random_specs import draw_specs

CLOSE = 1e-4
"""How far float32 may be off where another batch, or another device, rounds otherwise."""


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
    """The default one first, for the smallest images that it takes; the others are drawn."""

    @classmethod
    def of(cls, family: str) -> Subject:
        """With Specs drawn from a fixed seed. Errors as `zoo.build`."""
        return cls(families.expanded(family)[0], tuple(draw_specs(family)))

    @property
    def spec(self) -> Spec:
        """The default one."""
        return self.specs[0]

    def build(self, spec: Spec | None = None, seed: int = 0) -> Autoencoder:
        """An untrained model, in eval mode."""
        return self.family.build(spec or self.spec, seed).eval()


def images(spec: Spec, count: int = 8) -> Tensor:
    """Digits in [0, 1], `(count, C, H, W)`, in the size that a Spec asks for."""
    return levels(spec, count).float() / 255


def levels(spec: Spec, count: int) -> Tensor:
    """Digits as gray levels, `(count, C, H, W)` uint8, in the size that a Spec asks for."""
    channels, height, width = spec.input_shape
    digits = _digits()[:count].float()
    sized = F.interpolate(digits, (height, width), mode="nearest")
    return sized.repeat(1, channels, 1, 1).to(torch.uint8)


@functools.cache
def _digits() -> Tensor:
    return load_examples("digits", "train").first(2000)
