"""Opening of datasets given by name, file, folder or Python object."""

from __future__ import annotations

import itertools
import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from zoo.data.agreement import check_agreement, check_one_shape
from zoo.data.examples import IN_MEMORY, Examples
from zoo.data.levels import note_levels
from zoo.data.sources.base import Concatenated, InMemory, Prefixed, Source
from zoo.data.sources.folders import is_pattern, read_file, read_folder, read_pattern
from zoo.data.sources.hub import PREFIX as HF_DATASET
from zoo.data.sources.hub import read_hf_dataset
from zoo.data.sources.image_files import ImageFiles, is_image_file
from zoo.data.sources.objects import can_hold_examples, read_object
from zoo.data.sources.packages import read_plugin
from zoo.data.splits import SPLITS, describe, numbers_of
from zoo.data.stream import StreamedExamples
from zoo.data.transform import as_pixels
from zoo.data.values import Shape, from_table
from zoo.datasets import NAMED
from zoo.errors import DataError, InputError, OfflineError, UnknownNameError, did_you_mean
from zoo.io.files import with_home
from zoo.plugins import entry_points as plugins
from zoo.specs.data import FOUND, Transform

log = logging.getLogger("zoo")

Dataset = str | Path | Tensor | np.ndarray | Iterable | Mapping | TorchDataset
"""A name, path or Python object: see `load_examples`."""
AnyExamples = Examples | StreamedExamples
KINDS = "a folder of images, tar shards, hf-dataset:org/name, parquet files, or a .npy or .npz file"
IN_PYTHON = (
    "uint8 images, or float rows or series, as a tensor, an array, a torch Dataset or an iterable"
)


def load_examples(
    dataset: Dataset,
    split: str | None,
    *,
    shape: Shape | None = None,
    transform: Transform | None = None,
    column: str = FOUND,
    max_damaged: int = 0,
    keep_fitting: bool = False,
    has_missing: bool = False,
    default: str = "test",
) -> AnyExamples:
    """One split of a dataset: in memory up to `IN_MEMORY` bytes, else streamed.

    Args:
        dataset: a name, built in or provided by an installed package; a folder of images; tar
            shards, as a folder or a pattern such as `photos/train-{000..099}.tar`;
            `hf-dataset:org/name`; parquet files; a `.npy` or `.npz` file. Or a Python object: a
            tensor or array, uint8 images `(N, C, H, W)` or `(N, H, W)`, or float32 or float64 rows
            `(N, D)` or series `(N, C, L)`; a data frame of numbers; a list of image files; a torch
            Dataset; an iterable, which is read once; a mapping of train, validation and test to these.
        split: `train`, `validation`, `test`, or `train+validation`. None is `default`, or everything,
            as "all", if the dataset has no named parts. A part that the dataset does not name is a
            tenth, held out by a hash of each example's key: see `zoo.data.splits`.
        shape: `input_shape` of the model, which also decides how to read an ambiguous array; None is
            the shape of the first example.
        transform: resizes and crops images to `shape`; None does nothing.
        column: image column of parquet files, if there are several; "auto" detects it.
        max_damaged: number of examples that may be skipped because they are unreadable or hold NaN.
        keep_fitting: leave images unchanged that already have the height and width of `shape`.
        has_missing: whether NaN in rows and series is a missing value; otherwise it is refused.
        default: the split if `split` is None and there are named parts.

    Raises:
        UnknownNameError: if no dataset has that name.
        DataError: for examples that are missing, damaged, not finite, or not of the model's shape.
        InputError: for an unknown split.
    """
    opened = open_dataset(
        dataset,
        (split,),
        default=default,
        shape=shape,
        transform=transform,
        column=column,
        max_damaged=max_damaged,
        keep_fitting=keep_fitting,
        has_missing=has_missing,
    )
    return next(iter(opened.values()))


def open_dataset(
    dataset: Dataset,
    splits: tuple[str | None, ...],
    *,
    shape: Shape | None = None,
    transform: Transform | None = None,
    column: str = FOUND,
    max_damaged: int = 0,
    keep_fitting: bool = False,
    has_missing: bool = False,
    default: str = "test",
) -> dict[str, AnyExamples]:
    """Several splits of a dataset by name, read once; otherwise as `load_examples`."""
    for split in splits:
        _check_split(split)
    name, what, found = _find(dataset, column, shape)
    for part in found.values() if has_missing else ():
        part.accept_missing()
    source = Concatenated(list(found.values()))
    if transform is None or (keep_fitting and source.shape == shape):
        transform = Transform()
    check_one_shape(found, what)
    check_agreement(found, what, shape, transform)
    note_levels(found.values(), what)
    numbers = _numbers_of(found, what, splits)
    opened: dict[str, AnyExamples] = {}
    for split in (_split_of(wanted, found, default) for wanted in splits):
        if not len(numbers[split]):
            raise DataError(f"The {split} split of {name} is empty: add more {source.nouns}.")
        may_skip = max_damaged and source.is_real
        is_unchanged = transform == Transform() and not may_skip
        if is_unchanged and (values := source.held(numbers[split])) is not None:
            opened[split] = Examples(name, split, values)
            continue
        fitting = shape or _shape_of(source, transform)
        stream = StreamedExamples(
            name, split, source, numbers[split], fitting, transform, keep_fitting
        )
        stream = stream.without_damaged(max_damaged) if max_damaged else stream
        fits = len(stream) * math.prod(fitting) * source.dtype.itemsize <= IN_MEMORY
        varies = transform.is_random and split not in ("validation", "test")
        opened[split] = stream.held() if fits and not varies else stream
    return opened


def find_source(
    dataset: Dataset, split: str | None = None, column: str = FOUND
) -> tuple[str, str, Source, np.ndarray]:
    """Dataset name, split name, source of the whole dataset, and the split's example numbers in it.

    Without a split it is the test split, or everything, as "all", if the dataset has no named parts.
    Errors as `load_examples`.
    """
    _check_split(split)
    name, what, found = _find(dataset, column)
    note_levels(found.values(), what)
    chosen = _split_of(split, found)
    numbers = _numbers_of(found, what, (split,))[chosen]
    return name, chosen, Concatenated(list(found.values())), numbers


def _split_of(wanted: str | None, found: dict[str, Source], default: str = "test") -> str:
    return wanted or ("all" if "all" in found else default)


def _check_split(split: str | None) -> None:
    if split is not None and split not in SPLITS:
        raise InputError(
            f"Unknown split {split!r}.{did_you_mean(str(split), SPLITS)} "
            f"Splits: {', '.join(SPLITS)}."
        )


def _numbers_of(
    found: dict[str, Source], what: str, splits: tuple[str | None, ...]
) -> dict[str, np.ndarray]:
    """The example numbers of each split; or of all, as "all", if no split is requested.

    Logs how a user's own data were divided.
    """
    if "all" in found and set(splits) == {None}:
        return {"all": np.arange(len(found["all"]))}
    numbers = numbers_of(found, what)
    if what not in NAMED:
        log.warning(describe(found, numbers, what))
    return numbers


def open_all(
    files: Sequence[str],
    *,
    shape: Shape | int,
    transform: Transform,
    column: str = FOUND,
    max_damaged: int = 0,
    has_missing: bool = False,
) -> StreamedExamples:
    """All examples of image files and datasets, in order, including all parts.

    Keys are prefixed with the name of their part and, for several datasets, of the dataset, as in
    `train/0` and `b.npy/0`.

    Args:
        files: paths of image files, or dataset names and paths as for `load_examples`.
        shape: `input_shape` of the model; or only its number of channels, to use the size of the first
            image.
        transform: resizes and crops images to `shape`; the default leaves them unchanged.
        column: image column of parquet files; "auto" detects it.
        max_damaged: number of examples that may be skipped because they are unreadable.
        has_missing: as for `load_examples`.

    Raises:
        UnknownNameError: if no dataset has that name.
        DataError: if files are missing or damaged, or there are no examples.
    """
    found: dict[str, Source] = {}
    wanted = (shape, 1, 1) if isinstance(shape, int) else shape
    for are_images, group in itertools.groupby(files, is_image_file):
        if are_images:
            paths = list(group)
            found[paths[0]] = ImageFiles(Path(), paths)
            continue
        for file in group:
            parts = _find(file, column, wanted)[2]
            for part, one in parts.items():
                one = one if part == "all" else Prefixed(part, one)
                name = file if part == "all" else f"{file}: {part}"
                found[name] = Prefixed(file, one) if len(files) > 1 else one
    for part in found.values() if has_missing else ():
        part.accept_missing()
    source = Concatenated(list(found.values()))
    name = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} more"
    if not len(source):
        raise DataError(f"{name!r} has no {source.nouns}.")
    check_agreement(found, repr(name), shape, transform)
    note_levels(found.values(), repr(name))
    if isinstance(shape, int):
        shape = (shape, *as_pixels(source.read(0)).shape[1:])
    images = StreamedExamples(name, "all", source, np.arange(len(source)), shape, transform)
    return images.without_damaged(max_damaged) if max_damaged else images


def _find(
    dataset: Dataset, column: str, wanted: Shape | None = None
) -> tuple[str, str, dict[str, Source]]:
    """A dataset's name for metrics, its name for errors, and its examples by part.

    `wanted` is the model's input shape.
    """
    if not isinstance(dataset, str | Path):
        return _find_object(dataset, wanted)
    if not str(dataset).strip():
        raise InputError(
            f"A dataset must be a name, {KINDS}, or {IN_PYTHON}; got {str(dataset)!r}."
        )
    if isinstance(dataset, str) and dataset in NAMED:
        _warn_of_folder(dataset)
        return dataset, dataset, _in_memory(NAMED[dataset].read(), dataset)
    if isinstance(dataset, str) and (plugin := plugins.named("dataset", dataset)):
        _warn_of_folder(dataset)
        return dataset, str(plugin), _in_memory(read_plugin(plugin), str(plugin), wanted)
    if str(dataset).startswith(HF_DATASET):
        return str(dataset), str(dataset), read_hf_dataset(str(dataset), column)
    path = with_home(dataset, DataError)
    name = Path(os.path.abspath(path)).name or "images"  # resolves "." and ".."; "/" has no name
    if os.path.isdir(path):
        return name, repr(str(path)), read_folder(path, column)
    if os.path.lexists(path):
        return name, repr(str(path)), read_file(path, column, wanted)
    if is_pattern(str(dataset)):
        return name, repr(str(dataset)), read_pattern(str(dataset), column)
    if (
        isinstance(dataset, Path)
        or "/" in dataset
        or dataset.lower().endswith((".npy", ".npz", ".parquet", ".csv"))
    ):
        near = did_you_mean(path.name, _siblings(path))
        raise DataError(f"The file or folder {str(dataset)!r} does not exist.{near}", path=path)
    names = [*NAMED, *sorted({p.name for p in plugins.installed("dataset") if not p.problem})]
    near = did_you_mean(dataset, _siblings(path)) or did_you_mean(dataset.lower(), names)
    raise UnknownNameError(
        f"No dataset named {dataset!r}.{near} Datasets: {', '.join(names)}; or {KINDS}.",
        name=dataset,
        known=names,
    )


def _warn_of_folder(name: str) -> None:
    """Warns that a dataset name takes precedence over an existing path `./name`."""
    if os.path.lexists(name):
        log.warning(
            "%r means the dataset of that name; for the local path, use './%s'.", name, name
        )


def _siblings(path: Path) -> list[str]:
    """Names of the files and folders in the parent folder of a path."""
    with suppress(OSError):
        return [name for name in os.listdir(path.parent) if not name.startswith(".")]
    return []


def _find_object(dataset: object, wanted: Shape | None) -> tuple[str, str, dict[str, Source]]:
    name = type(dataset).__name__
    dataset = from_table(dataset, f"The {name}")
    if isinstance(dataset, Tensor | np.ndarray):
        name = {"Tensor": "tensor", "ndarray": "array"}.get(name, name)
        return name, f"The {name}", {"all": InMemory(dataset, f"The {name}", wanted)}
    if not can_hold_examples(dataset):
        raise InputError(
            f"A dataset must be a name, {KINDS}, or {IN_PYTHON}; got {name} {str(dataset)[:60]!r}."
        )
    return name, f"The {name}", read_object(dataset, f"The {name}", wanted)


def _in_memory(
    found: Mapping[str, object], what: str, wanted: Shape | None = None
) -> dict[str, Source]:
    return {
        part: InMemory(given, f"{what}: its {part} split", wanted) for part, given in found.items()
    }


def _shape_of(source: Source, transform: Transform) -> Shape:
    """The shape of the first example after the transform, for when no model gives it."""
    if source.shape and transform == Transform():
        return source.shape
    shape, side = as_pixels(source.read(0)).shape, transform.resize
    return tuple(shape) if side == "off" else (shape[0], side, side)


def check_at_hand(dataset: Dataset, offline: bool) -> None:
    """Raises OfflineError if `offline` and the dataset would have to be downloaded."""
    if offline and isinstance(dataset, str) and not is_at_hand(dataset):
        raise OfflineError(
            f"{dataset!r} is not on this machine, and offline=True forbids downloads: run it "
            "once without offline, or give local images."
        )


def is_at_hand(dataset: str) -> bool:
    """Whether a dataset can be read without network access. Its contents are not checked."""
    return not dataset.startswith(HF_DATASET) and (dataset not in NAMED or NAMED[dataset].is_here())
