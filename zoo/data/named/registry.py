"""The datasets that have a name: torchvision downloads three, scikit-learn carries one, the zoo draws one."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from http.client import HTTPException
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor

from zoo.data.examples import sha256_of
from zoo.data.named import sprites
from zoo.data.splits import PARTS
from zoo.errors import DataError, OfflineError
from zoo.io.files import read_regular, with_home
from zoo.runtime import processes

TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
"""Names of torchvision's classes, by the zoo's."""
NAMED = (*TORCHVISION, "digits", "sprites")

SHA256 = {
    ("mnist", "train"): "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    ("mnist", "test"): "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    ("fashion-mnist", "train"): "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    ("fashion-mnist", "test"): "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    ("digits", "all"): "b41ca9fd335466eee997366c2e6f6bbe0a1b4582afe091fc4eba35f4a254182f",
    ("sprites", "all"): "06a15242bd2287833b48bcd4831ffaf166022b693649d1f716699aa1d7caf61e",
}
"""Of the uint8 pixels, in row-major order. KMNIST's are not checked."""

IDX_FILES = {
    "train": ("train-images-idx3-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", 10_000),
}
"""File and number of images of each part of MNIST and of its kin."""


def data_folder() -> Path:
    """Where data lie, in torchvision's layout: `ZOO_DATA`, else the platform's cache folder."""
    import platformdirs

    chosen = os.environ.get("ZOO_DATA")
    if chosen:
        return with_home(chosen, DataError)
    return platformdirs.user_cache_path("autoencoder-zoo")


def read_named(name: str) -> dict[str, Tensor]:
    """Every part of a named dataset, each `(N, C, H, W)` uint8.

    Of MNIST and its kin, validation is the last 5,000 training images; digits are split in order
    into 1,297, 200 and 300, sprites as `zoo.data.named.sprites` says. Raises OfflineError where it would
    have to be downloaded and cannot be, DataError where its bytes are not the published ones.
    """
    made = {"digits": _digits, "sprites": _sprites}
    whole = {"all": made[name]()} if name in made else _mnist_kin(name)
    for part, pixels in whole.items():
        expected = SHA256.get((name, part))
        if expected and (found := sha256_of(pixels)) != expected:
            is_not = f"sha256 of the {part} images is {found[:12]}..., expected {expected[:12]}..."
            raise DataError(_damaged(name, is_not))
    if name == "digits":
        return dict(zip(PARTS, whole["all"].split([1297, 200, 300]), strict=True))
    if name == "sprites":
        sizes = sprites.PARTS
        return dict(zip(sizes, whole["all"].split(list(sizes.values())), strict=True))
    train = whole["train"]
    return {"train": train[:-5000], "validation": train[-5000:], "test": whole["test"]}


def is_here(name: str) -> bool:
    """Whether reading a dataset of that name downloads nothing."""
    return name not in TORCHVISION or all(
        os.path.lexists(_folder_of(name) / file) for file, _ in IDX_FILES.values()
    )


def _digits() -> Tensor:
    from sklearn.datasets import load_digits

    levels, _ = load_digits(return_X_y=True)  # (1797, 64), float64, 0 to 16
    return torch.from_numpy(np.rint(levels * 255 / 16).astype(np.uint8)).view(-1, 1, 8, 8)


def _sprites() -> Tensor:
    return torch.from_numpy(sprites.images())[:, None]


def _mnist_kin(name: str) -> dict[str, Tensor]:
    """All training images and all test images of MNIST or one of its kin."""
    folder = _folder_of(name)
    processes.first_here(lambda: is_here(name) or _download(name))
    return {part: _read_idx(name, folder / file, n) for part, (file, n) in IDX_FILES.items()}


def _read_idx(name: str, path: Path, count: int) -> Tensor:
    """Images `(N, 1, 28, 28)` from a file of four big-endian numbers and then the pixels."""
    header = b"".join(number.to_bytes(4, "big") for number in (0x0803, count, 28, 28))
    size = len(header) + count * 28 * 28
    try:
        data = bytearray(read_regular(path, size, DataError))
    except DataError as wrong:
        raise DataError(_damaged(name, str(wrong).rstrip("."))) from None
    if len(data) != size or not data.startswith(header):
        raise DataError(_damaged(name, f"{path.name} is not {count:,} images of 28 x 28"))
    return torch.frombuffer(data, dtype=torch.uint8, offset=len(header)).reshape(-1, 1, 28, 28)


def _download(name: str) -> None:
    kind = getattr(torchvision_part("datasets"), TORCHVISION[name])
    dataset = kind.__new__(kind)  # its constructor would read an old processed/*.pt, a pickle
    dataset.root = str(data_folder())
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where it says what it downloads
            dataset.download()
    except (URLError, HTTPException, ConnectionError, TimeoutError, RuntimeError) as failure:
        causes = re.findall(r"got:\n(.*)", str(failure)) or str(failure).splitlines()
        raise OfflineError(
            f"{name} is not in {dataset.root!r} and could not be downloaded "
            f"({(causes or [type(failure).__name__])[0]}). Connect to the internet once, or set "
            f"ZOO_DATA to a folder that has it in torchvision's layout ({kind.__name__}/raw/)."
        ) from failure
    except OSError as failure:
        raise DataError(
            f"{name} cannot be kept in {dataset.root!r}: {failure.strerror or failure}. Make room "
            "there, or set ZOO_DATA to a folder that can be written."
        ) from failure


def _folder_of(name: str) -> Path:
    return data_folder() / TORCHVISION[name] / "raw"


def torchvision_part(name: str) -> ModuleType:
    """torchvision's `datasets` or `utils`. Raises DataError where it is missing, or made for another torch."""
    try:
        return import_module(f"torchvision.{name}")
    except (ImportError, RuntimeError) as clash:
        installed = [found.version for found in distributions(name="torchvision")]
        raise DataError(
            f"torchvision {(installed or ['(not installed)'])[0]} and torch {torch.__version__} do "
            f"not work together ({clash}). Install the torchvision made for your torch."
        ) from clash


def _damaged(name: str, failure: object) -> str:
    if maker := {"digits": "scikit-learn", "sprites": "NumPy"}.get(name):
        return f"{name} is not what it was in this {maker} ({failure}): install another one."
    return (
        f"The files of {name} in {str(_folder_of(name))!r} are damaged ({failure}). Delete that "
        "folder and run again: they are fetched again."
    )
