"""Images from a folder or from a NumPy file. Nothing here unpickles."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zoo.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
MAX_BYTES = 8 * 2**30
"""Most bytes of pixels that are read into memory."""


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Every image below a folder, in the order of their paths.

    Subfolders named train and test (and validation) are parts; otherwise there is one, "all".
    All images have one size; they are grey if every one of them is, else RGB.
    """
    names = [name for name in ("train", "validation", "test") if (folder / name).is_dir()]
    if "train" in names and "test" in names:
        parts = {name: _stack(folder / name) for name in names}
        if "validation" not in parts:
            tenth = max(1, len(parts["train"]) // 10)
            parts["validation"] = parts["train"][-tenth:]
            parts["train"] = parts["train"][:-tenth]
        return parts
    return {"all": _stack(folder)}


def read_image(path: Path) -> np.ndarray:
    """One image file as `(C, H, W)` uint8, C = 1 for grey and 3 for colour.

    Raises DataError for a file that is missing, is no image or is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise DataError(f"There is no image file {str(path)!r}.")
    try:
        with Image.open(path) as image:
            grey = image.mode in ("1", "L", "LA", "I;16")
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as broken:
        raise DataError(f"{str(path)!r} cannot be read as an image: {broken}") from broken
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def read_images_for(shape: tuple[int, int, int], paths: Sequence[Path]) -> Tensor:
    """The images of some files, `(N, C, H, W)` uint8, for a model that takes images of `shape`.

    A `.npy` or `.npz` may hold many. Raises DataError for a file that is missing, damaged or of
    another shape: nothing is resized.
    """
    parts = []
    for path in paths:
        if path.suffix in (".npy", ".npz"):
            if not path.is_file():
                raise DataError(f"There is no file {str(path)!r}.")
            pixels = torch.cat(list(read_array(path).values()))
            pixels = (
                pixels if pixels.dim() == 4 else pixels[:, None] if pixels.dim() == 3 else pixels
            )
        else:
            image = read_image(path)
            if shape[0] == 3 and image.shape[0] == 1:
                image = np.repeat(image, 3, axis=0)
            pixels = torch.from_numpy(np.ascontiguousarray(image))[None]
        if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != shape:
            got = f"{tuple(pixels.shape[1:])}, {str(pixels.dtype).removeprefix('torch.')}"
            raise DataError(
                f"The model takes images of {shape}, uint8; {str(path)!r} has {got}. "
                "Resize it first: the zoo does not guess how."
            )
        parts.append(pixels)
    return torch.cat(parts)


def _stack(folder: Path) -> Tensor:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise DataError(f"There is no image in {str(folder)!r} (looked for {', '.join(SUFFIXES)}).")
    images = [read_image(path) for path in paths]
    if len({image.shape[0] for image in images}) > 1:
        images = [np.repeat(i, 3, axis=0) if i.shape[0] == 1 else i for i in images]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            raise DataError(
                f"All images of a dataset have one size: {str(path)!r} is "
                f"{image.shape[1]} x {image.shape[2]}, {str(paths[0])!r} is "
                f"{images[0].shape[1]} x {images[0].shape[2]}."
            )
    return torch.from_numpy(np.stack(images))


def read_array(path: Path) -> dict[str, Tensor]:
    """The array of a `.npy`, or the arrays of a `.npz` named train, validation and test.

    A `.npz` with one array has one part, "all". Raises DataError for pickles and other damage.
    """
    if path.suffix not in (".npy", ".npz") or not stat.S_ISREG(os.stat(path).st_mode):
        raise DataError(f"{str(path)!r} is neither a folder of images nor a .npy or .npz file.")
    try:
        arrays = _arrays(path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as broken:
        hint = "" if "pickle" not in str(broken) else " Save plain numbers: pickles can run code."
        first = str(broken).splitlines()[0] if str(broken) else type(broken).__name__
        raise DataError(f"{str(path)!r} cannot be read as NumPy arrays: {first}.{hint}") from None
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if {"train", "validation", "test"} <= set(tensors):
        return {name: tensors[name] for name in ("train", "validation", "test")}
    if len(tensors) == 1:
        return {"all": next(iter(tensors.values()))}
    raise DataError(
        f"{str(path)!r} has arrays {', '.join(sorted(tensors))}: one array, or train, validation "
        "and test, are understood."
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            _check_size(path, sum(entry.file_size for entry in archive.infolist()))
        with np.load(path, allow_pickle=False) as archive:
            return {name: _numbers(archive[name]) for name in archive.files}
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)  # the header only
    _check_size(path, mapped.nbytes)
    return {"all": _numbers(np.array(mapped))}


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise DataError(f"{str(path)!r} holds {size:,} bytes; at most {MAX_BYTES:,} are read.")


def _numbers(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "uif":
        raise ValueError(f"the array holds {array.dtype}, not numbers")
    return array if array.dtype != np.uint16 else array.astype(np.int32)
