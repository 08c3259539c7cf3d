"""A model that was saved, one that was trained, and a copy to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from folders import RECIPE, small

import zoo


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """A model that was built and saved."""
    path = tmp_path_factory.mktemp("store") / "model"
    zoo.save(small(), path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model that was trained: with recipe, metrics and figures."""
    path = tmp_path_factory.mktemp("store")
    (path / "recipe.toml").write_text(RECIPE)
    return zoo.train(path / "recipe.toml", out=path / "run", device="cpu").folder / "model"


@pytest.fixture
def here(plain, tmp_path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "model"))
