"""The datasets that have a name. torchvision downloads three; scikit-learn carries the fourth."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import sys
import urllib.error
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.images import sha256_of
from zoo.errors import DataError, OfflineError
from zoo.io.files import read_regular, with_home


@dataclass(frozen=True)
class Named:
    """A dataset that has a name: where it comes from and what its bytes must be."""

    torchvision: str | None
    hub_id: str | None
    licence: str
    sha256: dict[str, str]
    """Of the uint8 pixels, in row-major order; what a name does not have here is not checked."""


_MNIST = {
    "train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
}
_FASHION_MNIST = {
    "train": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "test": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
}
_DIGITS = {"all": "b41ca9fd335466eee997366c2e6f6bbe0a1b4582afe091fc4eba35f4a254182f"}

NAMED = {
    "mnist": Named("MNIST", "ylecun/mnist", "CC-BY-SA-3.0", _MNIST),
    "fashion-mnist": Named("FashionMNIST", "zalando-datasets/fashion_mnist", "MIT", _FASHION_MNIST),
    "kmnist": Named("KMNIST", "tanganke/kmnist", "CC-BY-SA-4.0", {}),
    "digits": Named(None, None, "CC-BY-4.0", _DIGITS),
}


IDX_FILES = {
    "train": ("train-images-idx3-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", 10_000),
}
"""File and number of images of each part of MNIST and of its kin."""

NETWORK = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)


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
    into 1,297, 200 and 300. Raises OfflineError where it would have to be downloaded and cannot
    be, DataError where its bytes are not the published ones.
    """
    parts: dict[str, Tensor]
    if name == "digits":
        pixels = _digits()
        parts = dict(
            zip(("train", "validation", "test"), pixels.split([1297, 200, 300]), strict=True)
        )
        whole = {"all": pixels}
    else:
        train, test = _mnist_kin(name)
        parts = {"train": train[:-5000], "validation": train[-5000:], "test": test}
        parts["train+validation"] = train
        whole = {"train": train, "test": test}
    for part, pixels in whole.items():
        expected = NAMED[name].sha256.get(part)
        if expected and sha256_of(pixels) != expected:
            found = f"sha256 of the {part} images is {sha256_of(pixels)[:12]}..., "
            raise DataError(_damaged(name, f"{found}expected {expected[:12]}..."))
    return parts


def _digits() -> Tensor:
    from sklearn.datasets import load_digits

    levels, _ = load_digits(return_X_y=True)  # (1797, 64), float64, 0 to 16
    return torch.from_numpy(np.rint(levels * 255 / 16).astype(np.uint8)).view(-1, 1, 8, 8)


def _mnist_kin(name: str) -> tuple[Tensor, Tensor]:
    """All training images and all test images of MNIST or one of its kin."""
    files = [_files_of(name) / file for file, _ in IDX_FILES.values()]
    if not all(os.path.lexists(file) for file in files):
        _download(name)
    train, test = (_read_idx(name, part) for part in IDX_FILES)
    return train, test


def _read_idx(name: str, part: str) -> Tensor:
    """Images `(N, 1, 28, 28)` from a file of four big-endian numbers and then the pixels."""
    file, count = IDX_FILES[part]
    header = b"".join(number.to_bytes(4, "big") for number in (0x0803, count, 28, 28))
    size = len(header) + count * 28 * 28
    try:
        data = bytearray(read_regular(_files_of(name) / file, size, DataError))
    except DataError as wrong:
        raise DataError(_damaged(name, str(wrong).rstrip("."))) from None
    if len(data) != size:
        raise DataError(_damaged(name, f"{file} has {len(data):,} bytes, not {size:,}"))
    if not data.startswith(header):
        raise DataError(_damaged(name, f"{file} begins with {data[:16].hex(' ', 4)}"))
    return torch.frombuffer(data, dtype=torch.uint8, offset=len(header)).reshape(-1, 1, 28, 28)


def _download(name: str) -> None:
    kind = getattr(_torchvision_datasets(), NAMED[name].torchvision or "")
    dataset = kind.__new__(kind)  # its constructor would read an old processed/*.pt, a pickle
    dataset.root = str(data_folder())
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where it says what it downloads
            dataset.download()
    except (*NETWORK, RuntimeError) as failure:
        raise OfflineError(_missing(name, failure)) from failure
    except OSError as failure:
        raise DataError(
            f"{name} cannot be kept in {dataset.root!r}: {failure.strerror or failure}. Make room "
            "there, or set ZOO_DATA to a folder that can be written."
        ) from failure


def _files_of(name: str) -> Path:
    return data_folder() / (NAMED[name].torchvision or "") / "raw"


def _torchvision_datasets():
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as clash:
        raise DataError(_torchvision_clash(clash)) from clash
    return datasets


def _torchvision_clash(clash: Exception) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        have = f"torchvision {version('torchvision')} and torch {version('torch')}"
    except PackageNotFoundError:
        return f"torchvision is needed to read this dataset: pip install torchvision ({clash})."
    return f"{have} do not work together ({clash}). Install the torchvision made for your torch."


def _missing(name: str, failure: object) -> str:
    causes = re.findall(r"got:\n(.*)", str(failure)) or str(failure).splitlines()
    return (
        f"{name} is not in {str(data_folder())!r} and could not be downloaded "
        f"({(causes or [type(failure).__name__])[0]}). Connect to the internet once, or set "
        f"ZOO_DATA to a folder that has it in torchvision's layout ({NAMED[name].torchvision}/raw/)."
    )


def _damaged(name: str, failure: object) -> str:
    if NAMED[name].torchvision is None:
        return f"{name} is not what it was in this scikit-learn ({failure}): install another one."
    return (
        f"The files of {name} in {str(_files_of(name))!r} are damaged ({failure}). Delete that "
        "folder and run again: they are fetched again."
    )
