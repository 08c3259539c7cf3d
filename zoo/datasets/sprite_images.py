"""Rendering of `sprites`: white shapes on black with five known factors, after dSprites.

All arithmetic is in int64, so images are identical on all machines.

| factor | values | meaning |
|---|---|---|
| shape | 3 | a square, an ellipse, a heart |
| scale | 6 | 0.5, 0.6, ... 1.0 of the full size |
| angle | 20 | 0, 18, ... 342 degrees, counter-clockwise |
| x | 16 | steps of two pixels to the right |
| y | 16 | steps of two pixels downwards |

Angles cover the full circle, as in dSprites (Matthey et al. 2017): a square repeats after five
steps, an ellipse after ten, a heart never. No shape is cut off at an edge.
"""

from __future__ import annotations

import math

import numpy as np

FACTORS = {"shape": 3, "scale": 6, "angle": 20, "x": 16, "y": 16}
"""Number of values of each factor, which are numbered from 0."""
COUNT = math.prod(FACTORS.values())
PARTS = {"test": 10_000, "validation": 5_000, "train": COUNT - 15_000}
"""Number of images of each part, in dataset order."""
SIZE, STEP = 64, 2
"""Side of an image and step between positions of a shape, in pixels."""
PATCH = SIZE - STEP * (FACTORS["x"] - 1)
"""Side of the square patch that contains a shape at any angle, in pixels."""
FINE = 4
"""Samples per pixel along each axis."""

SINES = (0, 20252, 38521, 53020, 62328, 65536)
"""2^16 sin of 0, 18, 36, 54, 72 and 90 degrees."""
HALF_PIXELS = (24, 32, 23)
"""Length of a full-sized shape's unit, in half pixels, by shape."""
UNIT = 256
"""Integer steps per unit."""


def order() -> np.ndarray:
    """Grid index of each image of the dataset, `(N,)`, where the last factor varies fastest.

    The sorting order of N draws of NumPy's `Philox(key=0)`, whose raw output never changes.
    """
    return np.argsort(np.random.Philox(key=0).random_raw(COUNT), kind="stable")


def factors(split: str) -> np.ndarray:
    """The factors of every image of a split, in order, `(N, 5)` int64."""
    grid = np.stack(np.unravel_index(order(), tuple(FACTORS.values())), axis=1).astype(np.int64)
    parts = dict(zip(PARTS, np.split(grid, np.cumsum(list(PARTS.values()))[:-1]), strict=True))
    return np.concatenate([parts[part] for part in split.split("+")])


def images() -> np.ndarray:
    """All images in dataset order, `(N, 64, 64)` uint8. Takes one or two seconds."""
    kinds = [FACTORS[name] for name in ("shape", "scale", "angle")]
    patches = np.stack([patch(*kind) for kind in np.ndindex(*kinds)])  # (360, PATCH, PATCH)
    numbers = np.argsort(order()).reshape(len(patches), FACTORS["x"], FACTORS["y"])
    drawn = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    for x, y in np.ndindex(*numbers.shape[1:]):
        rows, columns = (slice(STEP * place, STEP * place + PATCH) for place in (y, x))
        drawn[numbers[:, x, y], rows, columns] = patches
    return drawn


def patch(shape: int, scale: int, angle: int) -> np.ndarray:
    """A centered shape on black, `(PATCH, PATCH)` uint8; levels are the covered fraction of each pixel."""
    along = 2 * np.arange(PATCH * FINE, dtype=np.int64) - (PATCH * FINE - 1)  # in 1/8 pixels
    right, up = along[None, :], -along[:, None]
    sine, cosine = _sine(angle), _sine(angle + 5)
    unit = HALF_PIXELS[shape] * (4 << 16) * (5 + scale)  # of samples, sines and tenths of a scale
    x = _quotient((right * cosine + up * sine) * (10 * UNIT), unit)
    y = _quotient((up * cosine - right * sine) * (10 * UNIT), unit)
    inside = (_square, _ellipse, _heart)[shape](x, y)
    covered = inside.reshape(PATCH, FINE, PATCH, FINE).sum((1, 3), dtype=np.int64)
    return ((covered * 255 + FINE**2 // 2) // FINE**2).astype(np.uint8)


def _sine(angle: int) -> int:
    """2^16 sin of `angle` times 18 degrees."""
    half, rest = divmod(angle % 20, 10)
    return (1 - 2 * half) * SINES[min(rest, 10 - rest)]


def _quotient(value: np.ndarray, unit: int) -> np.ndarray:
    """Quotient rounded to nearest, halves away from zero, which keeps shapes symmetric."""
    return np.sign(value) * ((np.abs(value) + unit // 2) // unit)


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) <= UNIT


def _ellipse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x / 16)^2 + (y / 9)^2 <= 1."""
    return 81 * x**2 + 256 * y**2 <= 81 * UNIT**2


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x^2 + y^2 - 1)^3 <= x^2 y^3; both sides are below 2^61 within the patch."""
    return (x**2 + y**2 - UNIT**2) ** 3 <= x**2 * y**3 * UNIT
