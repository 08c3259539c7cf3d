"""`sprites`: white shapes on black, drawn by the zoo, of which five factors are known (after dSprites).

Every pixel comes from sums, products and quotients of int64, so that all machines draw the same.

| factor | values | what it is |
|---|---|---|
| shape | 3 | a square, an ellipse, a heart |
| scale | 6 | 0.5, 0.6, ... 1.0 of the full size |
| angle | 20 | 0, 18, ... 342 degrees, counter-clockwise |
| x | 16 | steps of two pixels to the right |
| y | 16 | steps of two pixels downwards |

Angles go once around, as in dSprites (Matthey et al. 2017): a square looks the same after every
fifth, an ellipse after every tenth, a heart never. No shape is cut by an edge.
"""

from __future__ import annotations

import math

import numpy as np

FACTORS = {"shape": 3, "scale": 6, "angle": 20, "x": 16, "y": 16}
"""How many values each factor has, which are numbered from 0."""
COUNT = math.prod(FACTORS.values())
PARTS = {"test": 10_000, "validation": 5_000, "train": COUNT - 15_000}
"""Images of each part, which follow one another in the order of the dataset."""
SIZE, STEP = 64, 2
"""Pixels of an image's side, and from one place of a shape to the next."""
PATCH = SIZE - STEP * (FACTORS["x"] - 1)
"""Pixels of the side of the square in which a shape turns."""
FINE = 4
"""Samples along the side of a pixel."""

SINES = (0, 20252, 38521, 53020, 62328, 65536)
"""2^16 sin of 0, 18, 36, 54, 72 and 90 degrees."""
HALF_PIXELS = (24, 32, 23)
"""What a full-sized shape's own unit measures."""
UNIT = 256
"""Steps in that unit."""


def order() -> np.ndarray:
    """Which image of the grid, the last factor running fastest, each of the dataset is: `(N,)`.

    The order of N draws of NumPy's `Philox(key=0)`, whose raw output never changes.
    """
    return np.argsort(np.random.Philox(key=0).random_raw(COUNT), kind="stable")


def factors(split: str) -> np.ndarray:
    """The factors of every image of a split, in its order, `(N, 5)` int64."""
    grid = np.stack(np.unravel_index(order(), tuple(FACTORS.values())), axis=1).astype(np.int64)
    parts = dict(zip(PARTS, np.split(grid, np.cumsum(list(PARTS.values()))[:-1]), strict=True))
    return np.concatenate([parts[part] for part in split.split("+")])


def images() -> np.ndarray:
    """Every image, in the order of the dataset, `(N, 64, 64)` uint8. A second or two."""
    kinds = [FACTORS[name] for name in ("shape", "scale", "angle")]
    patches = np.stack([patch(*kind) for kind in np.ndindex(*kinds)])  # (360, PATCH, PATCH)
    numbers = np.argsort(order()).reshape(len(patches), FACTORS["x"], FACTORS["y"])
    drawn = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    for x, y in np.ndindex(*numbers.shape[1:]):
        rows, columns = (slice(STEP * place, STEP * place + PATCH) for place in (y, x))
        drawn[numbers[:, x, y], rows, columns] = patches
    return drawn


def patch(shape: int, scale: int, angle: int) -> np.ndarray:
    """A shape in the middle of black, `(PATCH, PATCH)` uint8: each level is a pixel's covered share."""
    along = 2 * np.arange(PATCH * FINE, dtype=np.int64) - (PATCH * FINE - 1)  # in 1/8 pixel
    right, up = along[None, :], -along[:, None]
    sine, cosine = _sine(angle), _sine(angle + 5)
    unit = HALF_PIXELS[shape] * (4 << 16) * (5 + scale)  # of samples, sines and tenths of a scale
    x = _quotient((right * cosine + up * sine) * (10 * UNIT), unit)
    y = _quotient((up * cosine - right * sine) * (10 * UNIT), unit)
    inside = (_square, _ellipse, _heart)[shape](x, y)
    covered = inside.reshape(PATCH, FINE, PATCH, FINE).sum((1, 3), dtype=np.int64)
    return ((covered * 255 + FINE**2 // 2) // FINE**2).astype(np.uint8)


def _sine(angle: int) -> int:
    """2^16 sin of so many times 18 degrees."""
    half, rest = divmod(angle % 20, 10)
    return (1 - 2 * half) * SINES[min(rest, 10 - rest)]


def _quotient(value: np.ndarray, unit: int) -> np.ndarray:
    """Rounded to the nearest, so that a shape's two sides are the same."""
    return np.sign(value) * ((np.abs(value) + unit // 2) // unit)


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) <= UNIT


def _ellipse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x / 16)^2 + (y / 9)^2 <= 1."""
    return 81 * x**2 + 256 * y**2 <= 81 * UNIT**2


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x^2 + y^2 - 1)^3 <= x^2 y^3; less than 2^61 where a shape turns."""
    return (x**2 + y**2 - UNIT**2) ** 3 <= x**2 * y**3 * UNIT
