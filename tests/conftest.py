"""What all tests share: quiet threads, a folder of their own, and data only where there are some."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side
os.environ["HF_HUB_OFFLINE"] = "1"

import torch

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a job in a shell's background ignores Ctrl-C, and so would the programs that tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)


torch.set_num_threads(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Twice as many as there are processors: many tests wait, for a Hub or for another process."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in an empty folder; ZOO_DATA stays what the caller made it, if absolute."""
    data = os.environ.get("ZOO_DATA")
    if data:
        monkeypatch.setenv("ZOO_DATA", os.path.abspath(data))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _absolute_data_folder() -> None:
    data = os.environ.get("ZOO_DATA")
    if data:
        os.environ["ZOO_DATA"] = os.path.abspath(data)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this checkout."""
    return Path(__file__).resolve().parent.parent


def tiny_recipe(**training) -> dict:
    """A recipe that trains in a second."""
    return {
        "model": {
            "family": "vae",
            "input_shape": [1, 8, 8],
            "latent_dim": 4,
            "body": {"kind": "mlp", "hidden": [32]},
        },
        "data": {"dataset": "digits", "fit": "train", "protocol": "binarized"},
        "training": {"epochs": 2, "batch_size": 64, **training},
    }


@pytest.fixture
def recipe():
    """`recipe(epochs=3)`: a recipe that trains in a second, some of its settings changed."""
    return tiny_recipe


@pytest.fixture
def as_rank(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """`as_rank(4, 2)` gives this process the environment of number 2 of 4 that `torchrun` starts."""

    def set_environment(count: int, rank: int) -> None:
        for name, value in {"WORLD_SIZE": count, "RANK": rank, "LOCAL_RANK": rank}.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")

    return set_environment


@pytest.fixture
def no_hang() -> Iterator[None]:
    """A guard, not a measurement: what would never end fails instead."""

    def give_up(number: int, frame: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
