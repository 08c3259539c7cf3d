"""Likelihoods of levels in integers: the decoder's outputs as masses of each value's number.

`form_of(likelihood, shape)` is a `Levels`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from zoo.distributions.discretized_logistic import FIRST_LOG_SCALE, LOG_SCALES
from zoo.errors import InputError
from zoo.integers import tables
from zoo.integers.discrete import Bits, Discrete, Logistics
from zoo.integers.forms import register_exact
from zoo.integers.grids import ACTIVATION, ONE, SCALE, divided, rounded
from zoo.likelihoods.bernoulli import BernoulliLikelihood
from zoo.likelihoods.discretized_logistic import DiscretizedLogisticLikelihood

WEIGHTS = 23
"""The sum of a mixture's weights is at most 2^23."""


class Levels:
    """A likelihood of images' levels. Values are coded in turns, each given those before it.

    Attributes:
        values: `"binary"` for levels 0 and 255, `"levels"` for 0 to 255.
        turns: number of turns.
    """

    values: Literal["binary", "levels"]
    turns = 1

    def numbers(self, levels: Tensor) -> list[Tensor]:
        """Levels `(N, C, H, W)` uint8 as numbers to code: `(N, n)` for each turn."""
        raise NotImplementedError

    def levels(self, numbers: list[Tensor]) -> Tensor:
        """The inverse: `(N, values)` uint8."""
        raise NotImplementedError

    def masses(self, outputs: Tensor, before: list[Tensor]) -> Discrete:
        """Masses of the numbers of a turn, from the decoder's outputs, activations, and the turns before."""
        raise NotImplementedError

    def mean(self, outputs: Tensor) -> Tensor:
        """The mean image `(N, C, H, W)` uint8, rounded to levels. Raises InputError for a likelihood whose mean has no exact form."""
        raise InputError(f"The mean of {self.values!r} images has no exact form.")


class BernoulliLevels(Levels):
    """Black and white pixels."""

    values = "binary"

    def numbers(self, levels: Tensor) -> list[Tensor]:
        return [(levels.flatten(1) > 127).long()]

    def levels(self, numbers: list[Tensor]) -> Tensor:
        return (numbers[0] * 255).to(torch.uint8)

    def masses(self, outputs: Tensor, before: list[Tensor]) -> Discrete:
        return Bits(tables.bernoulli_mass(outputs.flatten(1)))

    def mean(self, outputs: Tensor) -> Tensor:
        return rounded(tables.sigmoid(outputs) * 255, ACTIVATION).to(torch.uint8)


class LogisticLevels(Levels):
    """Mixtures of discretized logistics; channels are turns."""

    values = "levels"

    def __init__(self, components: int, channels: int) -> None:
        self.components, self.turns = components, channels

    def numbers(self, levels: Tensor) -> list[Tensor]:
        return list(levels.flatten(2).long().unbind(1))

    def levels(self, numbers: list[Tensor]) -> Tensor:
        return torch.stack(numbers, 1).to(torch.uint8).flatten(1)

    def masses(self, outputs: Tensor, before: list[Tensor]) -> Discrete:
        channels = self.turns
        each = outputs.shape[1] // self.components
        parts = outputs.flatten(2).unflatten(1, (self.components, each)).movedim(1, -1)
        weight, means, log_scales, couplings = parts.split(
            [1, channels, channels, each - 1 - 2 * channels], 1
        )  # (N, ., H W, K)
        low, high = (round(one * ONE) for one in LOG_SCALES)
        log_scales = (log_scales + round(FIRST_LOG_SCALE * ONE)).clamp(low, high)
        weights = tables.softmin(-weight[:, 0] * 2.0 ** (17 - ACTIVATION), most=WEIGHTS)
        found = None
        for channel in range(len(before) + 1):
            if found is not None:
                weights = _given(found, before[channel - 1])
            centers = means[:, channel] * 2.0 ** (SCALE - ACTIVATION)
            first = channel * (channel - 1) // 2
            for number, value in enumerate(before[:channel]):
                coupling = tables.activated("tanh", couplings[:, first + number])
                moved = coupling * _signed(value)[..., None]
                centers = centers + rounded(moved, 2 * ACTIVATION - SCALE)
            found = Logistics(centers, tables.scale_of(2 * log_scales[:, channel]), weights)
        assert found is not None
        return found


def _given(mixtures: Logistics, levels: Tensor) -> Tensor:
    """Weights of the components `(N, n, K)` given the levels `(N, n)` of a channel."""
    below, up_to = mixtures.each(torch.stack([levels, levels + 1], -1), slice(None)).unbind(2)
    products = mixtures.weights * (up_to - below + 1)  # below 2^52
    _, exponent = torch.frexp(products.amax(-1, keepdim=True))
    bits = WEIGHTS - max(1, products.shape[-1] - 1).bit_length()
    powers = torch.tensor([2.0 ** (bits - n) for n in range(64)], dtype=torch.float64)
    return torch.floor(products * powers.to(products.device)[exponent.long()])


def _signed(levels: Tensor) -> Tensor:
    """Levels v as activations in [-1, 1]: 2 v / 255 - 1, rounded to nearest."""
    return divided(levels.double() * (4 * ONE) - (2 * 255 * ONE - 255), torch.tensor(510.0))


@register_exact(BernoulliLikelihood)
def _bernoulli(_: BernoulliLikelihood, shape: tuple[int, ...]) -> Levels:
    return BernoulliLevels()


@register_exact(DiscretizedLogisticLikelihood)
def _logistic(likelihood: DiscretizedLogisticLikelihood, shape: tuple[int, ...]) -> Levels:
    return LogisticLevels(likelihood.components, shape[0])
