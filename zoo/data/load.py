"""A dataset's name, file or folder -> its images."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from zoo.data.files import read_array, read_folder
from zoo.data.images import SPLITS, Images, held_out, sha256_of
from zoo.data.named import NAMED, read_named
from zoo.errors import DataError, InputError, UnknownNameError, did_you_mean

Dataset = str | Path | Tensor


def load_images(dataset: Dataset, split: str) -> Images:
    """One split of a dataset, as uint8 in memory.

    Args:
        dataset: a name (`mnist`, `fashion-mnist`, `kmnist`, `digits`), a folder of images, a
            `.npy` or `.npz` file, or a uint8 tensor `(N, C, H, W)`.
        split: `train`, `validation`, `test`, or `train+validation`.

    Raises:
        UnknownNameError: for a name that is no dataset.
        DataError: for images that are missing, damaged or of several sizes.
        InputError: for a split that there is not.
    """
    return open_dataset(dataset, (split,))[split]


def open_dataset(dataset: Dataset, splits: tuple[str, ...]) -> dict[str, Images]:
    """Several splits of a dataset, read once; as `load_images` otherwise."""
    for split in splits:
        if split not in SPLITS:
            raise InputError(
                f"There is no split {split!r}.{did_you_mean(split, SPLITS)} "
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
        return "tensor", held_out(_checked(dataset, "The tensor"))
    if isinstance(dataset, str) and dataset in NAMED:
        return dataset, read_named(dataset)
    path = Path(dataset).expanduser()
    if isinstance(dataset, str) and not path.exists() and path.suffix not in (".npy", ".npz"):
        if "/" in dataset:
            raise DataError(f"There is no file or folder {dataset!r}.")
        raise UnknownNameError(
            f"No dataset named {dataset!r}.{did_you_mean(dataset, NAMED)} Datasets: "
            f"{', '.join(NAMED)}; or a folder of images, or a .npy or .npz file."
        )
    if not path.exists():
        raise DataError(f"There is no file {str(path)!r}.")
    parts = read_folder(path) if path.is_dir() else read_array(path)
    if set(parts) == {"all"}:
        parts = held_out(_checked(parts["all"], str(path)))
    return path.name, {name: _checked(part, str(path)) for name, part in parts.items()}


def _checked(pixels: Tensor, what: str) -> Tensor:
    """`(N, C, H, W)` uint8 from that or `(N, H, W)`. Raises DataError for anything else."""
    shape, dtype = tuple(pixels.shape), str(pixels.dtype).removeprefix("torch.")
    if dtype != "uint8" or pixels.dim() not in (3, 4):
        raise DataError(
            f"{what} is {shape}, {dtype}; images are (N, C, H, W) or (N, H, W), uint8, 0 to 255."
        )
    if len(pixels) < 3:
        raise DataError(f"{what} has {len(pixels)} images; three at least are needed, one a part.")
    return (pixels if pixels.dim() == 4 else pixels[:, None]).cpu().contiguous()
