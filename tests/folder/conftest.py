"""A folder that was saved, and a copy to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import zoo


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("folder") / "model"
    model = zoo.build(
        "vae", image_shape=(1, 8, 8), latent_dim=3, body={"kind": "mlp", "hidden": [5]}, seed=0
    )
    zoo.save(model, path)
    return path


@pytest.fixture
def here(saved, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))
