"""What one example is: an image, a row of a table, a series. No torch here.

The rank of `input_shape` determines it: `(D,)` is a vector, `(C, L)` a series, `(C, H, W)` an image.
Images are levels, scaled to [0, 1] for a model; vectors and series are real numbers in the user's
units, which the model standardizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["vector", "series", "image"]
KINDS: tuple[Kind, ...] = ("vector", "series", "image")
"""By rank, from 1."""
_WORDS: dict[Kind, tuple[str, str, str]] = {
    "vector": ("row", "rows", "(N, D)"),
    "series": ("series", "series", "(N, C, L)"),
    "image": ("image", "images", "(N, C, H, W)"),
}
MOST = {"vector": (1_000_000,), "series": (4096, 1_000_000), "image": (64, 4096, 4096)}
"""Largest sides of an `input_shape` of each kind."""


@dataclass(frozen=True)
class Domain:
    """The kind and shape of examples, with the words for them in messages."""

    kind: Kind
    shape: tuple[int, ...]

    @property
    def is_image(self) -> bool:
        """Whether values are levels of an image, scaled to [0, 1] for a model."""
        return self.kind == "image"

    @property
    def is_real(self) -> bool:
        """Whether values are real numbers in the user's units, which the model standardizes."""
        return self.kind != "image"

    @property
    def size(self) -> int:
        """Number of values in one example."""
        return math.prod(self.shape)

    @property
    def noun(self) -> str:
        """Singular: `image`, `row` or `series`."""
        return _WORDS[self.kind][0]

    @property
    def nouns(self) -> str:
        """Plural: `images`, `rows` or `series`."""
        return _WORDS[self.kind][1]

    @property
    def axes(self) -> str:
        """Axes of a batch, such as `(N, C, H, W)`."""
        return _WORDS[self.kind][2]

    def __str__(self) -> str:
        """Such as `1 x 28 x 28 images`, `30-column rows`, `2 x 128 series`."""
        sides = " x ".join(map(str, self.shape))
        return f"{sides}-column rows" if self.kind == "vector" else f"{sides} {self.nouns}"


def domain_of(shape: tuple[int, ...]) -> Domain:
    """The domain of an `input_shape` of rank 1 to 3."""
    return Domain(KINDS[len(shape) - 1], shape)
