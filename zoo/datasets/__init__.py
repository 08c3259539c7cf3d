"""The datasets that have a name, one record each; built in by one line here. No torch here.

A record holds everything about its dataset: its names here and on the Hub, how it is read, the sha256 of its
images where known, its classes and factors.
"""

from zoo.datasets.base import NamedDataset
from zoo.datasets.digits import Digits
from zoo.datasets.idx import FASHION_MNIST, KMNIST, MNIST
from zoo.datasets.sprites import Sprites

NAMED: dict[str, NamedDataset] = {
    one.name: one for one in (MNIST, FASHION_MNIST, KMNIST, Digits(), Sprites())
}
"""By name."""
WITH_FACTORS = tuple(name for name, one in NAMED.items() if one.factors)
"""Those that know the factors behind their images."""

__all__ = ["NAMED", "WITH_FACTORS", "NamedDataset"]
