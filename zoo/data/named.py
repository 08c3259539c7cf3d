"""The datasets that have a name. torchvision downloads three; scikit-learn carries the fourth."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.data.images import sha256_of
from zoo.errors import DataError, OfflineError


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


def data_folder() -> Path:
    """Where data lie, in torchvision's layout: `ZOO_DATA`, else the platform's cache folder."""
    import platformdirs

    chosen = os.environ.get("ZOO_DATA")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("autoencoder-zoo")


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
        train, test = _mnist_kin(name, train=True), _mnist_kin(name, train=False)
        parts = {"train": train[:-5000], "validation": train[-5000:], "test": test}
        parts["train+validation"] = train
        whole = {"train": train, "test": test}
    for part, pixels in whole.items():
        expected = NAMED[name].sha256.get(part)
        if expected and sha256_of(pixels) != expected:
            raise DataError(
                f"The {part} images of {name} in {str(data_folder())!r} are damaged: sha256 "
                f"{sha256_of(pixels)[:12]}..., expected {expected[:12]}... Delete them there and "
                "run again: they are fetched again."
            )
    return parts


def _digits() -> Tensor:
    from sklearn.datasets import load_digits

    levels, _ = load_digits(return_X_y=True)  # (1797, 64), float64, 0 to 16
    return torch.from_numpy(np.rint(levels * 255 / 16).astype(np.uint8)).view(-1, 1, 8, 8)


def _mnist_kin(name: str, *, train: bool) -> Tensor:
    datasets = _torchvision_datasets()
    kind = getattr(datasets, NAMED[name].torchvision or "")
    folder = data_folder()
    try:
        try:
            images = kind(str(folder), train=train, download=False)
        except RuntimeError:  # not there yet
            images = kind(str(folder), train=train, download=True)
    except OSError as failure:  # URLError is one
        raise OfflineError(_missing(name, folder, failure)) from failure
    except RuntimeError as failure:
        if "download" not in str(failure) and "File not found" not in str(failure):
            raise DataError(_damaged(name, folder, failure)) from failure
        raise OfflineError(_missing(name, folder, failure)) from failure
    except (ValueError, AssertionError, TypeError, KeyError, IndexError) as failure:
        raise DataError(_damaged(name, folder, failure)) from failure
    if images.data.dtype != torch.uint8 or images.data.dim() != 3:
        raise DataError(_damaged(name, folder, f"{tuple(images.data.shape)}"))
    return images.data[:, None]


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


def _missing(name: str, folder: Path, failure: object) -> str:
    return (
        f"{name} is not in {str(folder)!r} and could not be downloaded ({failure}). "
        "Connect to the internet once, or set ZOO_DATA to a folder that has it in torchvision's "
        f"layout ({NAMED[name].torchvision}/raw/)."
    )


def _damaged(name: str, folder: Path, failure: object) -> str:
    where = folder / (NAMED[name].torchvision or "")
    return (
        f"The files of {name} in {str(where)!r} are damaged ({failure}). Delete that folder and "
        "run again: they are fetched again."
    )
