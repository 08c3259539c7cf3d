"""The grids of integers that stand for real numbers, and the arithmetic on them.

An activation a stands for a / 2^12, a weight w for w / 2^16, a standard deviation s for s / 2^20.
"""

from __future__ import annotations

import torch
from torch import Tensor

VERSION = 1
"""Of the arithmetic: a change of any number in this package is another version."""
ACTIVATION, WEIGHT, SCALE = 12, 16, 20
"""Bits after the binary point."""
ONE = 2**ACTIVATION
LIMIT = 128 * ONE
"""Activations saturate at +-128."""
EXACT = 2**52
"""Sums of products are below this, so that adding one half for rounding is exact too."""


def rounded(values: Tensor, bits: int) -> Tensor:
    """values / 2^bits, rounded to the nearest integer, halves up."""
    return torch.floor(values * 2.0**-bits + 0.5)


def saturated(values: Tensor) -> Tensor:
    """Integers clamped to the range of activations."""
    return values.clamp(-LIMIT, LIMIT)


def divided(a: Tensor, b: Tensor) -> Tensor:
    """floor(a / b) of integers, |a| below 2^52 and b positive: exact, as a quotient is correctly rounded."""
    return torch.floor(a / b)


def on_grid(values: Tensor, bits: int) -> Tensor:
    """Real numbers as integers: times 2^bits, rounded to nearest, halves to even; float64 on the CPU."""
    return torch.round(values.detach().cpu().double() * 2.0**bits)
