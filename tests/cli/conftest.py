"""A small model to damage, and commands that fail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import zoo
from zoo.cli import main


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("mistakes") / "model"
    body = {"kind": "mlp", "hidden": [5]}
    zoo.save(zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3, body=body, seed=0), path)
    return path


@pytest.fixture
def here(saved, tmp_path) -> Path:
    """A model in ./model to damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def fails(capsys):
    """Runs a command that fails, and gives the sentence that it prints."""

    def run(*words: str, code: int = 1) -> str:
        with pytest.raises(SystemExit) as end:
            main([*words])
        out, err = capsys.readouterr()
        assert end.value.code == code, err
        assert "Traceback" not in out + err
        return err

    return run
