"""A small sweep for the tests, written as files."""

from __future__ import annotations

from pathlib import Path

import pytest

RECIPE = """
[model]
family = "vae"
image_shape = [1, 8, 8]
latent_dim = 2
body = {kind = "mlp", hidden = [8]}
[data]
dataset = "digits"
protocol = "binarised"
[training]
epochs = 2
batch_size = 512
"""


@pytest.fixture
def sweep_file(tmp_path: Path):
    """`sweep_file(text)`: a sweep.toml of that text, with a recipe.toml beside it that trains in a second."""

    def write(text: str, name: str = "sweep.toml") -> Path:
        (tmp_path / "small.toml").write_text(RECIPE)
        path = tmp_path / name
        path.write_text(f'recipe = "small.toml"\n{text}')
        return path

    return write
