"""The kinds of a row's columns in run-length notation, such as `3r 1500b c5 2c12`. No torch here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, groupby

REAL, BINARY = 0, 1
"""Kinds of columns; a categorical one is its number of categories, 2 or more."""
MOST_CATEGORIES = 256
"""Of one column: bfloat16 holds no larger code exactly."""
MOST_FEATURES = 1_000_000
RUN = re.compile(r"(\d{0,7})(r|b|c(\d{1,7}))")
EXAMPLE = '"3r 2b c5" for 3 real columns, 2 binary ones and 1 of 5 categories'


@dataclass(frozen=True)
class Layout:
    """The kind of each column, and the features that columns become.

    A real column is one feature, a binary one too, and a categorical one a feature per category, in
    the order of the columns.
    """

    text: str
    """The notation."""
    kinds: tuple[int, ...] = field(repr=False)
    """`REAL`, `BINARY`, or the number of categories of each column, `(D,)`."""
    sizes: tuple[int, ...] = field(repr=False)
    """The numbers of categories that occur, in increasing order."""
    features: int
    """Features of a row."""

    def __len__(self) -> int:
        return len(self.kinds)

    def of(self, kind: int) -> tuple[int, ...]:
        """The columns of a kind."""
        return tuple(column for column, own in enumerate(self.kinds) if own == kind)

    def starts(self) -> tuple[int, ...]:
        """The first feature of each column, `(D,)`."""
        return tuple(accumulate((width(kind) for kind in self.kinds), initial=0))[:-1]


def width(kind: int) -> int:
    """Features of a column of a kind."""
    return max(1, kind)


@lru_cache
def layout_of(text: str) -> Layout:
    """The layout that a notation describes. Raises ValueError for one that is malformed."""
    runs = [_run(word) for word in text.split()]
    if not runs:
        raise ValueError(f"no columns; write {EXAMPLE}")
    if (features := sum(count * width(kind) for count, kind in runs)) > MOST_FEATURES:
        raise ValueError(f"{features:,} features; at most {MOST_FEATURES:,}")
    kinds = tuple(kind for count, kind in runs for _ in range(count))
    return Layout(text, kinds, tuple(sorted({kind for kind in kinds if kind > BINARY})), features)


def written(kinds: Iterable[int]) -> str:
    """The notation of columns of these kinds, runs of equal ones together."""
    words = []
    for kind, run in groupby(kinds):
        count = sum(1 for _ in run)
        letter = {REAL: "r", BINARY: "b"}.get(kind, f"c{kind}")
        words.append(letter if count == 1 else f"{count}{letter}")
    return " ".join(words)


def _run(word: str) -> tuple[int, int]:
    """Count and kind of one run, such as `2c12`."""
    match = RUN.fullmatch(word)
    if match is None:
        raise ValueError(
            f"{word[:60]} is not a run of columns, which is a count, then r (real), b (binary) or cK (K "
            f"categories): {EXAMPLE}"
        )
    count, letter, categories = match.groups()
    kind = {"r": REAL, "b": BINARY}.get(letter, int(categories or 0))
    if letter not in ("r", "b") and not 2 <= kind <= MOST_CATEGORIES:
        raise ValueError(
            f"{word} has {kind:,} categor{'y' if kind == 1 else 'ies'}; a categorical column has 2 to "
            f"{MOST_CATEGORIES}"
        )
    if count and not int(count):
        raise ValueError(f"{word} is a run of 0 columns; leave it out")
    return int(count or 1), kind
