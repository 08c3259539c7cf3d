"""A model that was saved, one that was trained, and a copy to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from folders import RECIPE, small

import zoo


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A model that was built and saved."""
    path = tmp_path_factory.mktemp("folder") / "model"
    zoo.save(small(), path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model that was trained: with recipe, metrics and figures."""
    path = tmp_path_factory.mktemp("folder")
    (path / "recipe.toml").write_text(RECIPE)
    return zoo.train(path / "recipe.toml", out=path / "run", device="cpu").folder / "model"


@pytest.fixture
def here(saved, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))
