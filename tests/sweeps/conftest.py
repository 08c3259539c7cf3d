"""What the tests of sweeps share."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from small import written


@pytest.fixture
def sweep_file(tmp_path: Path):
    """`sweep_file(text)`: a sweep.toml of that text, with a recipe beside it that trains in a second."""
    return functools.partial(written, tmp_path)
