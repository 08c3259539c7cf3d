"""Small models with weights that are not near zero, and examples of theirs."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import built

import zoo


@pytest.fixture(scope="session")
def vae() -> zoo.Autoencoder:
    """A VAE of gray images of 8 x 8."""
    return built("vae", (1, 8, 8))


@pytest.fixture(scope="session")
def of_rows() -> zoo.Autoencoder:
    """A VAE of rows of 5 columns."""
    return built("vae", (5,))


@pytest.fixture(scope="session")
def hierarchy() -> zoo.Autoencoder:
    """A VAE of gray images of 8 x 8 with two groups of latents below the top one."""
    body = {"kind": "conv", "channels": [4], "residual_blocks": 0}
    return built("hierarchical-vae", (1, 8, 8), body=body, groups=(1, 1))


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Levels of 7 images `(7, 1, 8, 8)`, the last of one color."""
    levels = np.random.default_rng(0).integers(0, 256, (7, 1, 8, 8), dtype=np.uint8)
    levels[6] = 40
    return levels


@pytest.fixture(scope="session")
def rows() -> np.ndarray:
    """7 rows `(7, 5)` in the units of `of_rows`."""
    scale = np.arange(1.0, 6)
    return 100 * scale + scale * np.random.default_rng(0).normal(size=(7, 5))
