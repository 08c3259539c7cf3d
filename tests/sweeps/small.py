"""A sweep that takes seconds, as files; and processes as the tests look at them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

RECIPE = """
[model]
family = "vae"
input_shape = [1, 8, 8]
latent_dim = 2
body = {kind = "mlp", hidden = [8]}
[data]
dataset = "digits"
protocol = "binarized"
[training]
epochs = 2
batch_size = 512
"""


def written(folder: Path, text: str) -> Path:
    """A sweep.toml of that text, with a recipe beside it that trains in a second."""
    (folder / "small.toml").write_text(RECIPE)
    path = folder / "sweep.toml"
    path.write_text(f'recipe = "small.toml"\n{text}')
    return path


def processes() -> dict[int, tuple[int, str]]:
    """Parent and command line of every process that has not ended, by its id."""
    words = ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    parts = [line.split(None, 3) for line in lines]
    alive = [(pid, up, command) for pid, up, state, command in parts if state[0] != "Z"]
    return {int(pid): (int(parent), command) for pid, parent, command in alive}


def wait_for(what: Callable[[], object], seconds: float = 120.0) -> None:
    """Returns when it is so; fails when that takes too long."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.05)
