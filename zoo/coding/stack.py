"""`Stack`: a stack of bits to which symbols are pushed and from which they are popped, by their masses.

The coder is constriction's asymmetric numeral systems (Duda 2013) with words of 32 and a state of 64 bits, and
probabilities of 24 bits. Of it only models whose masses are exact integers are used.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np

from zoo.errors import DataError, NotInstalledError
from zoo.integers.discrete import BASE
from zoo.integers.tables import MASS

EXTRA = "pip install 'autoencoder-zoo[coding]'"
SUPPLY = 2**14
"""Words below every stack: bits that the first image pops. Those that are not touched are not stored."""


@functools.cache
def supply() -> np.ndarray:
    """The words below every stack, `(SUPPLY,)` uint32: sha256 of 0, 1, 2, ..., as little-endian words."""
    blocks = [hashlib.sha256(n.to_bytes(4, "little")).digest() for n in range(SUPPLY // 8)]
    return np.frombuffer(b"".join(blocks), "<u4").astype(np.uint32)


class Stack:
    """A stack of bits.

    Args:
        words: its words, the top last; None is a new one.
        touched: number of words of the supply that `words` replaces.
    """

    def __init__(self, words: np.ndarray | None = None, touched: int = 0) -> None:
        self.kinds = _models()
        below = supply()[: SUPPLY - touched]
        held = below if words is None else np.concatenate([below, words])
        self.coder: Any = _constriction().stream.stack.AnsCoder(held.astype(np.uint32))

    def push(self, symbols: np.ndarray, weights: np.ndarray) -> None:
        """Pushes symbols `(n,)` int32, the last first, of weights `(n, K)` as `weights_of` makes them."""
        self.coder.encode_reverse(symbols, self.kinds[0], weights)

    def pop(self, weights: np.ndarray) -> np.ndarray:
        """Pops symbols `(n,)`, int32, of weights `(n, K)`. Raises DataError if there are too few bits."""
        found = self.coder.decode(self.kinds[0], weights)
        self._check()
        return found

    def push_equal(self, symbols: np.ndarray) -> None:
        """Pushes symbols `(n,)` of 0 to 3, the last first, of equal masses."""
        self.coder.encode_reverse(symbols.astype(np.int32), self.kinds[1])

    def pop_equal(self, count: int) -> np.ndarray:
        """Pops what `push_equal` pushed, `(count,)` int64."""
        found = self.coder.decode(self.kinds[1], count)
        self._check()
        return found.astype(np.int64)

    def words(self) -> tuple[np.ndarray, int]:
        """The words that differ from the supply, the top last, and the number of supplied words they replace."""
        held = np.asarray(self.coder.get_compressed(), np.uint32)
        shared = min(len(held), SUPPLY)
        differs = np.flatnonzero(held[:shared] != supply()[:shared])
        kept = int(differs[0]) if len(differs) else shared
        return held[kept:], SUPPLY - kept

    @property
    def is_at_start(self) -> bool:
        """Whether it holds the supply alone."""
        return np.array_equal(self.coder.get_compressed(), supply())

    @property
    def is_empty(self) -> bool:
        """Whether more was popped than it held."""
        return self.coder.num_words() < 2

    def _check(self) -> None:
        if self.is_empty:
            raise DataError("it has too few bits")


def weights_of(masses: np.ndarray) -> np.ndarray:
    """What gives constriction's `Categorical(perfect=False)` exactly these masses `(..., K)`: each less 1."""
    assert masses.min() >= 1
    assert (masses.sum(-1) == MASS).all()
    return np.ascontiguousarray(masses - 1.0)


@functools.cache
def _models() -> tuple[Any, Any]:
    kinds = _constriction().stream.model
    return kinds.Categorical(perfect=False), kinds.Uniform(BASE)


def check_installed() -> None:
    """Raises NotInstalledError if the extra is not installed."""
    _constriction()


def _constriction() -> Any:
    try:
        import constriction
    except ImportError:
        raise NotInstalledError(f"Compression needs constriction: {EXTRA}") from None
    return constriction
