"""A dataset's name, file or folder -> its images."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from zoo.data.arrays import read_array
from zoo.data.image_files import read_folder
from zoo.data.images import SPLITS, Images, in_parts, sha256_of
from zoo.data.named import NAMED, read_named
from zoo.data.plugins import read_plugin
from zoo.errors import DataError, InputError, UnknownNameError, did_you_mean
from zoo.io.files import with_home
from zoo.registry import families, plugins

Dataset = str | Path | Tensor


def load_images(dataset: Dataset, split: str) -> Images:
    """One split of a dataset, as uint8 in memory.

    Args:
        dataset: a name (`mnist`, `fashion-mnist`, `kmnist`, `digits`, or one that an installed
            package has), a folder of images, a `.npy` or `.npz` file, or a uint8 tensor `(N, C, H, W)`.
        split: `train`, `validation`, `test`, or `train+validation`.

    Raises:
        UnknownNameError: for a name that is not a dataset's.
        DataError: for images that are missing, damaged or of several sizes.
        InputError: for an unknown split.
    """
    return open_dataset(dataset, (split,))[split]


def open_dataset(dataset: Dataset, splits: tuple[str, ...]) -> dict[str, Images]:
    """Several splits of a dataset, read once; as `load_images` otherwise."""
    for split in splits:
        if split not in SPLITS:
            raise InputError(
                f"There is no split {split!r}.{did_you_mean(str(split), SPLITS)} "
                f"Splits: {', '.join(SPLITS)}."
            )
    name, parts = _read(dataset)
    return {split: _images(name, parts, split) for split in splits}


def _images(name: str, parts: dict[str, Tensor], split: str) -> Images:
    joined = split == "train+validation"
    pixels = torch.cat([parts["train"], parts["validation"]]) if joined else parts[split]
    if len(pixels) == 0:
        raise DataError(f"The {split} split of {name} is empty: give it more images.")
    return Images(name, split, pixels, sha256_of(pixels))


def _read(dataset: Dataset) -> tuple[str, dict[str, Tensor]]:
    """What to call a dataset, and its train, validation and test images."""
    if isinstance(dataset, Tensor):
        return "tensor", in_parts({"all": dataset}, "The tensor")
    if not isinstance(dataset, str | Path) or not str(dataset).strip():
        raise InputError(
            "A dataset is a name, a folder of images, a .npy or .npz file, or a uint8 tensor; got "
            f"{type(dataset).__name__} {str(dataset)[:60]!r}."
        )
    if isinstance(dataset, str) and dataset in NAMED:
        return dataset, read_named(dataset)
    if isinstance(dataset, str) and (plugin := plugins.named("dataset", dataset)):
        return dataset, in_parts(read_plugin(plugin), str(plugin))
    path = with_home(dataset, DataError)
    if not os.path.lexists(path):
        if isinstance(dataset, Path) or "/" in dataset or dataset.endswith((".npy", ".npz")):
            raise DataError(f"There is no file or folder {str(dataset)!r}.")
        of_packages = {plugin.name for plugin in plugins.installed("dataset") if not plugin.problem}
        names = [*NAMED, *sorted(of_packages)]
        raise UnknownNameError(
            f"No dataset named {dataset!r}.{did_you_mean(dataset.lower(), names)} Datasets: "
            f"{', '.join(names)}; or a folder of images, or a .npy or .npz file."
        )
    found = read_folder(path) if os.path.isdir(path) else read_array(path)
    name = Path(os.path.abspath(path)).name or "images"  # "." and ".." have one, "/" has none
    return name, in_parts(found, repr(str(path)))


def may_be_read_for(dataset: str, family: str) -> bool:
    """Whether an untrusted model may name a dataset that is then read.

    The zoo's own may be, and those of the very package that provides its family: no other package
    is imported, and no file is opened, because an untrusted model names it.
    """
    if dataset in NAMED:
        return True
    provider = families.get(family).provider
    owners = [p.distribution for p in plugins.installed("dataset") if p.name == dataset]
    return provider is not None and owners == [provider.distribution]
