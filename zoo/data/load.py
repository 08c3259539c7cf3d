"""A dataset's name, file or folder -> its images."""

from __future__ import annotations

import os
from pathlib import Path

from torch import Tensor

from zoo.data.arrays import read_array
from zoo.data.image_files import read_folder
from zoo.data.images import SPLITS, Images, held_out, sha256_of
from zoo.data.named import NAMED, read_named
from zoo.data.plugins import plugin_names, read_plugin
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
        UnknownNameError: for a name that is no dataset.
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
    return {split: _part(name, parts, split) for split in splits}


def _part(name: str, parts: dict[str, Tensor], split: str) -> Images:
    if split == "train+validation":
        pixels = parts["train+validation"] if split in parts else _joined(parts)
    else:
        pixels = parts[split]
    if len(pixels) == 0:
        raise DataError(f"The {split} split of {name} is empty: give it more images.")
    return Images(name, split, pixels, sha256_of(pixels))


def _joined(parts: dict[str, Tensor]) -> Tensor:
    import torch

    return torch.cat([parts["train"], parts["validation"]])


def _read(dataset: Dataset) -> tuple[str, dict[str, Tensor]]:
    if isinstance(dataset, Tensor):
        return "tensor", held_out(_enough(_checked(dataset, "The tensor"), "The tensor"))
    if not isinstance(dataset, str | Path) or not str(dataset).strip():
        raise InputError(
            "A dataset is a name, a folder of images, a .npy or .npz file, or a uint8 tensor; got "
            f"{type(dataset).__name__} {str(dataset)[:60]!r}."
        )
    if isinstance(dataset, str) and dataset in NAMED:
        return dataset, read_named(dataset)
    if isinstance(dataset, str) and (parts := read_plugin(dataset)) is not None:
        return dataset, _of_one_size(parts, f"Dataset {dataset!r}")
    path = with_home(dataset, DataError)
    if not os.path.lexists(path):
        raise _not_there(dataset)
    parts = read_folder(path) if os.path.isdir(path) else read_array(path)
    name = Path(os.path.abspath(path)).name or "images"  # "." and ".." have one, "/" has none
    if set(parts) == {"all"}:
        pixels = _checked(parts["all"], repr(str(path)))
        return name, held_out(_enough(pixels, repr(str(path))))
    return name, _of_one_size(parts, repr(str(path)))


def _of_one_size(parts: dict[str, Tensor], what: str) -> dict[str, Tensor]:
    parts = {name: _checked(part, what) for name, part in parts.items()}
    shapes = {name: tuple(part.shape[1:]) for name, part in parts.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(f"All images of a dataset have one size; {what} has {listed}.")
    return parts


def _not_there(dataset: str | Path) -> DataError | UnknownNameError:
    if isinstance(dataset, Path) or "/" in dataset or dataset.endswith((".npy", ".npz")):
        return DataError(f"There is no file or folder {str(dataset)!r}.")
    names = [*NAMED, *plugin_names()]
    return UnknownNameError(
        f"No dataset named {dataset!r}.{did_you_mean(dataset.lower(), names)} Datasets: "
        f"{', '.join(names)}; or a folder of images, or a .npy or .npz file."
    )


def _checked(pixels: Tensor, what: str) -> Tensor:
    """`(N, C, H, W)` uint8 from that or `(N, H, W)`. Raises DataError for anything else."""
    shape, dtype = tuple(pixels.shape), str(pixels.dtype).removeprefix("torch.")
    if dtype != "uint8" or pixels.dim() not in (3, 4) or 0 in shape[1:]:
        raise DataError(
            f"{what} is {shape}, {dtype}; images are (N, C, H, W) or (N, H, W), uint8, 0 to 255."
        )
    return (pixels if pixels.dim() == 4 else pixels[:, None]).cpu().contiguous()


def _enough(pixels: Tensor, what: str) -> Tensor:
    """The images, if they can be split. Raises DataError for fewer than three."""
    if len(pixels) < 3:
        raise DataError(f"{what} has {len(pixels)} images; three at least are needed, one a part.")
    return pixels


def may_be_read_for(dataset: str, family: str) -> bool:
    """Whether an untrusted model may name a dataset that is then read.

    The zoo's own may be, and those of the very package that provides its family: no other package
    is imported, and no file is opened, because somebody's model names it.
    """
    if dataset in NAMED:
        return True
    provider = families.get(family).provider
    owners = [p.distribution for p in plugins.installed("dataset") if p.name == dataset]
    return provider is not None and owners == [provider.distribution]
