"""The named datasets, one record each, registered in NAMED. Does not import torch.

A record holds all facts about its dataset: names here and on the Hub, reading, the sha256 of its
examples where known, classes and factors.
"""

from zoo.datasets.base import NamedDataset
from zoo.datasets.breast_cancer import BENIGN, MALIGNANT
from zoo.datasets.digits import Digits
from zoo.datasets.idx import FASHION_MNIST, KMNIST, MNIST
from zoo.datasets.sprites import Sprites

NAMED: dict[str, NamedDataset] = {
    one.name: one for one in (MNIST, FASHION_MNIST, KMNIST, Digits(), Sprites(), BENIGN, MALIGNANT)
}
"""Built-in datasets by name."""
WITH_FACTORS = tuple(name for name, one in NAMED.items() if one.factors)
"""Names of datasets with known ground-truth factors."""

__all__ = ["NAMED", "WITH_FACTORS", "NamedDataset"]
