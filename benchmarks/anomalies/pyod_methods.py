"""PyOD's methods by their defaults, if it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

AUTO_ENCODER = "PyOD AutoEncoder"
_NETWORK = {"device": "cpu", "verbose": 0}
_METHODS: dict[str, tuple[str, str, dict[str, object], bool]] = {
    AUTO_ENCODER: ("auto_encoder", "AutoEncoder", _NETWORK, True),
    "PyOD VAE": ("vae", "VAE", _NETWORK, True),
    "PyOD PCA": ("pca", "PCA", {}, True),
    "PyOD IForest": ("iforest", "IForest", {}, True),
    "PyOD ECOD": ("ecod", "ECOD", {}, False),
    "PyOD KNN": ("knn", "KNN", {}, False),
}
"""Module, class, arguments that change no result, and whether it takes a seed."""


class PyOD(Protocol):
    """A PyOD detector, as far as it is used here."""

    decision_scores_: np.ndarray

    def fit(self, X: np.ndarray) -> object: ...  # noqa: N803  # its name in PyOD
    def decision_function(self, X: np.ndarray) -> np.ndarray: ...  # noqa: N803


def find() -> dict[str, Callable[[int], PyOD]]:
    """What makes each method with a seed, by name; empty if PyOD is not installed."""
    try:
        return {name: _maker(*fields) for name, fields in _METHODS.items()}
    except ImportError:
        return {}


def has_seed(method: str) -> bool:
    """Whether a method's scores depend on a seed; True for any that is not PyOD's."""
    return method not in _METHODS or _METHODS[method][3]


def _maker(
    module: str, cls: str, arguments: dict[str, object], seeded: bool
) -> Callable[[int], PyOD]:
    found = getattr(importlib.import_module(f"pyod.models.{module}"), cls)
    return lambda seed: found(**arguments, **({"random_state": seed} if seeded else {}))
