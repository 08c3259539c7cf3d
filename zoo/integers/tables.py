"""Functions as tables of integers, made with Python's `decimal`, which gives the same digits everywhere."""

from __future__ import annotations

import decimal
import functools
from collections.abc import Callable
from decimal import Decimal

import torch
from torch import Tensor

from zoo.integers.grids import ACTIVATION, LIMIT, ONE, SCALE

DIGITS = 30
SIDE = 12
"""Activation functions are tabulated on [-12, 12], and equal their asymptotes beyond, to the grid's precision."""
MASS = 2**24
"""Sum of the masses of the values of a symbol."""
LOG_VARIANCE = 6
"""Bits after the point of a log-variance: a step is 0.8 % of a standard deviation."""
CDF = 28
"""Bits of a cumulative probability."""
STEPS, CDF_SIDE, LOGISTIC_SIDE = 256, 8, 20
"""The normal and the logistic distribution functions are tabulated at 256 points per unit, up to 8 and to 20."""


def table(function: Callable[[Decimal], Decimal], first: int, last: int, unit: int) -> Tensor:
    """round(function(i / unit)) for i from first to last, `(last - first + 1,)` float64, halves to even."""
    with decimal.localcontext(decimal.Context(prec=DIGITS, rounding=decimal.ROUND_HALF_EVEN)):
        found = [
            int(function(Decimal(i) / unit).to_integral_value()) for i in range(first, last + 1)
        ]
    return torch.tensor(found, dtype=torch.float64)


def looked_up(values: Tensor, found: Tensor, first: int) -> Tensor:
    """The table's entries at integers, which are clamped to its range."""
    return found.to(values.device)[(values - first).clamp(0, len(found) - 1).long()]


def _exp(x: Decimal) -> Decimal:
    return x.exp()


def _sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + _exp(-x))


def _tanh(x: Decimal) -> Decimal:
    return 2 * _sigmoid(2 * x) - 1


@functools.cache
def _of_activation(name: str) -> Tensor:
    """An activation function on [-12, 12], on the grid of activations; of elu on [-12, 0]."""
    if name == "elu":
        return table(lambda x: ONE * (_exp(x) - 1), -SIDE * ONE, 0, ONE)
    functions = {
        "silu": lambda x: ONE * x * _sigmoid(x),
        "gelu": lambda x: ONE * x * _phi(x),
        "tanh": lambda x: ONE * _tanh(x),
    }
    upper = table(functions[name], 0, SIDE * ONE, ONE)
    lower = -upper[1:] if name == "tanh" else upper[1:] - torch.arange(1.0, len(upper))
    return torch.cat([lower.flip(0), upper])  # tanh is odd, and of the others f(-x) = f(x) - x


def activated(name: str, x: Tensor) -> Tensor:
    """An activation function of activations, by its name in a Spec."""
    if name == "relu":
        return x.clamp(min=0)
    if name == "leaky-relu":
        slope = round(0.01 * 2**16)
        return torch.where(x < 0, torch.floor(x * slope * 2.0**-16 + 0.5), x)
    found = looked_up(x, _of_activation(name), -SIDE * ONE)
    if name == "tanh":
        return found
    if name == "elu":
        return torch.where(x < 0, found, x)
    return found + (x - SIDE * ONE).clamp(min=0)


@functools.cache
def _sigmoids() -> Tensor:
    return table(lambda x: ONE * _sigmoid(x), 0, SIDE * ONE, ONE)


def sigmoid(x: Tensor) -> Tensor:
    """The logistic function of activations, as activations."""
    inside = looked_up(x.abs(), _sigmoids(), 0)
    return torch.where(x < 0, ONE - inside, inside)


@functools.cache
def _weights(bits: int) -> Tensor:
    return table(lambda x: 2**bits * _exp(-x), 0, 20 * STEPS, STEPS)


def softmin(costs: Tensor, most: int) -> Tensor:
    """Relative weights exp(-cost) of the last dimension, in which the largest is a power of two.

    `costs` are integers times 2^-17, in nats, below 2^52. The weights' sum is at most 2^most.
    """
    bits = most - max(1, costs.shape[-1] - 1).bit_length()
    apart = costs - costs.amin(-1, keepdim=True)
    return looked_up(torch.floor(apart * 2.0**-9 + 0.5), _weights(bits), 0)


@functools.cache
def _soft_clamp(bound: float) -> Tensor:
    limit = int(7 * Decimal(repr(bound))) * ONE
    return table(
        lambda x: ONE * Decimal(repr(bound)) * _tanh(x / Decimal(repr(bound))), 0, limit, ONE
    )


def soft_clamped(x: Tensor, bound: float) -> Tensor:
    """b tanh(x / b) of activations."""
    inside = looked_up(x.abs(), _soft_clamp(bound), 0)
    return torch.where(x < 0, -inside, inside)


@functools.cache
def _scales() -> Tensor:
    side = LIMIT // ONE * 2**LOG_VARIANCE
    return table(
        lambda v: max(Decimal(1), 2**SCALE * _exp(min(v, Decimal(24)) / 2)),
        -side,
        side,
        2**LOG_VARIANCE,
    )


def scale_of(log_variance: Tensor) -> Tensor:
    """Standard deviations exp(v / 2) of activations v, times 2^20: at least 2^-20, at most exp(12)."""
    steps = torch.floor(log_variance * 2.0 ** (LOG_VARIANCE - ACTIVATION) + 0.5)
    return looked_up(steps, _scales(), -(LIMIT // ONE) * 2**LOG_VARIANCE)


@functools.cache
def _bernoulli() -> Tensor:
    def mass(logit: Decimal) -> Decimal:
        return min(max(MASS * _sigmoid(logit), Decimal(1)), Decimal(MASS - 1))

    return table(mass, -18 * 2**10, 18 * 2**10, 2**10)


def bernoulli_mass(logits: Tensor) -> Tensor:
    """The mass of 1, of 2^24 in all, for logits that are activations; 0 has the rest. At least 1 each."""
    return looked_up(torch.floor(logits * 0.25 + 0.5), _bernoulli(), -18 * 2**10)


def _phi(x: Decimal) -> Decimal:
    """The standard normal distribution function, by its series."""
    if x < 0:
        return 1 - _phi(-x)
    if x > 10:  # 1 less 1e-23
        return Decimal(1)
    term = total = x
    n = 1
    while abs(term) > Decimal(10) ** (-DIGITS):
        n += 2
        term = term * x * x / n
        total += term
    root = (2 * Decimal("3.14159265358979323846264338327950288")).sqrt()
    return Decimal("0.5") + total * _exp(-x * x / 2) / root


@functools.cache
def _distribution(function: Callable[[Decimal], Decimal], side: int) -> Tensor:
    """2^28 times a symmetric distribution function on [-side, side], 0 and 2^28 at the ends."""
    upper = table(lambda x: 2**CDF * function(x), 0, side * STEPS, STEPS)
    upper[-1] = 2**CDF
    return torch.cat([2**CDF - upper.flip(0), upper[1:]])


def normal_cdf(t: Tensor) -> Tensor:
    """2^28 times the normal distribution function of t / 2^16, by interpolation; 0 and 2^28 beyond +-8."""
    return _interpolated(t, _distribution(_phi, CDF_SIDE), CDF_SIDE)


def logistic_cdf(t: Tensor) -> Tensor:
    """2^28 times the logistic function of t / 2^16, by interpolation; 0 and 2^28 beyond +-20."""
    return _interpolated(t, _distribution(_sigmoid, LOGISTIC_SIDE), LOGISTIC_SIDE)


def _interpolated(t: Tensor, found: Tensor, side: int) -> Tensor:
    """A function of t / 2^16, from its table of STEPS a unit on [-side, side], as integers."""
    found = found.to(t.device)
    t = t.clamp(-side * 2.0**16, side * 2.0**16) + side * 2.0**16
    low = torch.floor(t * 2.0**-8).clamp(max=len(found) - 2)
    index = low.long()
    a, b = found[index], found[index + 1]
    return a + torch.floor((b - a) * (t - low * 2.0**8) * 2.0**-8)


@functools.cache
def quantiles(count: int) -> Tensor:
    """Quantiles j / count of the standard normal distribution, 0 < j < count, times 2^-20: `(count - 1,)`.

    `count` is a power of two.
    """

    def quantile(numerator: int) -> int:  # of numerator / count, in the upper half
        wanted, low, high = Decimal(numerator) / count, Decimal(0), Decimal(9)
        x = Decimal(0)
        for _ in range(60):
            density = _exp(-x * x / 2) / root
            step = (_phi(x) - wanted) / density
            x -= max(min(step, Decimal(1)), Decimal(-1))
            x = min(max(x, low), high)
            if abs(step) < Decimal(10) ** -15:
                break
        return int((x * 2**SCALE).to_integral_value())

    with decimal.localcontext(decimal.Context(prec=DIGITS, rounding=decimal.ROUND_HALF_EVEN)):
        root = (2 * Decimal("3.14159265358979323846264338327950288")).sqrt()
        upper = [quantile(n) for n in range(count // 2 + 1, count)]
    points = [-one for one in reversed(upper)] + [0] + upper
    return torch.tensor(points, dtype=torch.float64)
