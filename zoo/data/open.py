"""A dataset's name, file, folder or object -> its examples."""

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
from zoo.data.sources.base import InMemory, Joined, Named, Source
from zoo.data.sources.folders import is_pattern, read_file, read_folder, read_pattern
from zoo.data.sources.hub import PREFIX as HF_DATASET
from zoo.data.sources.hub import read_hf_dataset
from zoo.data.sources.image_files import SUFFIXES, ImageFiles
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
"""A name or path, or a Python object: see KINDS."""
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
) -> AnyExamples:
    """One split of a dataset: in memory if it fits there (`IN_MEMORY`), else streamed.

    Args:
        dataset: a name (of `zoo.datasets.NAMED`, or one that an installed package has); a folder of images; tar shards: a folder of them, or a pattern such as
            `photos/train-{000..099}.tar`; `hf-dataset:org/name`; parquet files; a `.npy` or `.npz`
            file. Or objects: a tensor or array, uint8 images `(N, C, H, W)` or `(N, H, W)`, or float32 or
            float64 rows `(N, D)` or series `(N, C, L)`; a data frame of numbers; a torch Dataset; an
            iterable, which is read once; a mapping of train, validation and test to these.
        split: `train`, `validation`, `test`, or `train+validation`. None is test; of data without
            parts it is all of them, as "all". A part that the data do not name is a tenth, held out
            by a hash of each example's key: see `zoo.data.splits`.
        shape: `input_shape` of a model, which also says what an ambiguous array is; None is that of
            the first example.
        transform: what makes images of any size fit; None does nothing.
        column: of parquet files, where several hold images; "auto" finds it.
        max_damaged: examples that may be left out because they cannot be read, or hold NaN.
        keep_fitting: leave images alone that already have the height and width of `shape`.
        has_missing: NaN in rows and series of arrays and files is a missing value; else it is refused.

    Raises:
        UnknownNameError: for a name that is not a dataset's.
        DataError: for examples that are missing, damaged, not finite, or not of the model's shape.
        InputError: for an unknown split.
    """
    opened = open_dataset(
        dataset,
        (split,),
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
) -> dict[str, AnyExamples]:
    """Several splits of a dataset by name, read once; as `load_examples` otherwise."""
    for split in splits:
        _check_split(split)
    name, what, found = _find(dataset, column, shape)
    for part in found.values() if has_missing else ():
        part.accept_missing()
    source, transform = Joined(list(found.values())), transform or Transform()
    if keep_fitting and source.shape == shape:
        transform = Transform()
    check_one_shape(found, what)
    check_agreement(found, what, shape, transform)
    note_levels(found.values(), what)
    numbers = _numbers_of(found, what, splits)
    opened: dict[str, AnyExamples] = {}
    for split in (_split_of(wanted, found) for wanted in splits):
        if not len(numbers[split]):
            raise DataError(f"The {split} split of {name} is empty: give it more {source.nouns}.")
        leaves_out = max_damaged and source.is_real
        is_as_it_is = transform == Transform() and not leaves_out
        if is_as_it_is and (values := source.held(numbers[split])) is not None:
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
    """A dataset's name, a split's, all its examples of any sizes, and the numbers of the split's.

    Without a split it is the test split; of a dataset without parts, all of it, as "all".
    Errors as `load_examples`.
    """
    _check_split(split)
    name, what, found = _find(dataset, column)
    note_levels(found.values(), what)
    numbers = _numbers_of(found, what, (split,))
    split = _split_of(split, found)
    return name, split, Joined(list(found.values())), numbers[split]


def _split_of(wanted: str | None, found: dict[str, Source]) -> str:
    return wanted or ("all" if "all" in found else "test")


def _check_split(split: str | None) -> None:
    if split is not None and split not in SPLITS:
        raise InputError(
            f"There is no split {split!r}.{did_you_mean(str(split), SPLITS)} "
            f"Splits: {', '.join(SPLITS)}."
        )


def _numbers_of(
    found: dict[str, Source], what: str, splits: tuple[str | None, ...]
) -> dict[str, np.ndarray]:
    """The numbers of the examples of each split; of all, as "all", if no split is asked for.

    How a user's own data were divided is said in a line.
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
    """All examples of image files and datasets, whatever part they are in, in order.

    Of one dataset without parts their keys are its own; otherwise those of a part or of one of
    several datasets begin with its name, as in `train/0` and `b.npy/0`.

    Args:
        files: paths of images, and what `load_examples` takes by name or path.
        shape: `input_shape` of a model; or its channels alone, where the first image says the size.
        transform: what makes images of any size fit; where it does nothing they must be of `shape`.
        has_missing: as `load_examples` takes it.

    Raises UnknownNameError, DataError: for files that are missing or damaged, and no examples at all.
    """
    found: dict[str, Source] = {}
    wanted = (shape, 1, 1) if isinstance(shape, int) else shape
    for are_images, group in itertools.groupby(files, _is_image_file):
        if are_images:
            paths = list(group)
            found[paths[0]] = ImageFiles(Path(), paths)
            continue
        for file in group:
            parts = _find(file, column, wanted)[2]
            for part, one in parts.items():
                one = one if part == "all" else Named(part, one)
                name = file if part == "all" else f"{file}: {part}"
                found[name] = Named(file, one) if len(files) > 1 else one
    for part in found.values() if has_missing else ():
        part.accept_missing()
    source = Joined(list(found.values()))
    name = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1:,} more"
    if not len(source):
        raise DataError(f"There is no {source.noun} in {name!r}.")
    check_agreement(found, repr(name), shape, transform)
    note_levels(found.values(), repr(name))
    if isinstance(shape, int):
        _, height, width = as_pixels(source.read(0)).shape
        shape = (shape, height, width)
    images = StreamedExamples(name, "all", source, np.arange(len(source)), shape, transform)
    return images.without_damaged(max_damaged) if max_damaged else images


def _is_image_file(path: str) -> bool:
    if not path.lower().endswith(SUFFIXES) or os.path.isdir(path):
        return False
    if not os.path.lexists(path):
        raise DataError(f"There is no image file {path!r}.")
    return True


def _find(
    dataset: Dataset, column: str, wanted: Shape | None = None
) -> tuple[str, str, dict[str, Source]]:
    """What to call a dataset in numbers and in errors, and its examples by part.

    `wanted` is the shape that a model takes.
    """
    if not isinstance(dataset, str | Path):
        return _find_object(dataset, wanted)
    if not str(dataset).strip():
        raise InputError(f"A dataset is a name, {KINDS}, or {IN_PYTHON}; got {str(dataset)!r}.")
    if isinstance(dataset, str) and dataset in NAMED:
        _note_folder(dataset)
        return dataset, dataset, _in_memory(NAMED[dataset].read(), dataset)
    if isinstance(dataset, str) and (plugin := plugins.named("dataset", dataset)):
        _note_folder(dataset)
        return dataset, str(plugin), _in_memory(read_plugin(plugin), str(plugin), wanted)
    if str(dataset).startswith(HF_DATASET):
        return str(dataset), str(dataset), read_hf_dataset(str(dataset), column)
    path = with_home(dataset, DataError)
    name = Path(os.path.abspath(path)).name or "images"  # "." and ".." have one, "/" has none
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
        near = did_you_mean(path.name, _beside(path))
        raise DataError(f"There is no file or folder {str(dataset)!r}.{near}", path=path)
    of_packages = {plugin.name for plugin in plugins.installed("dataset") if not plugin.problem}
    names = [*NAMED, *sorted(of_packages)]
    near = did_you_mean(dataset, _beside(path)) or did_you_mean(dataset.lower(), names)
    raise UnknownNameError(
        f"No dataset named {dataset!r}.{near} Datasets: {', '.join(names)}; or {KINDS}.",
        name=dataset,
        known=names,
    )


def _note_folder(name: str) -> None:
    """A name is always the dataset's, as a model's is; the folder of that name is `./name`."""
    if os.path.lexists(name):
        log.warning("%r is the dataset of that name; the one in this folder is './%s'.", name, name)


def _beside(path: Path) -> list[str]:
    """Names of the files and folders in the folder where a path should be."""
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
            f"A dataset is a name, {KINDS}, or {IN_PYTHON}; got {name} {str(dataset)[:60]!r}."
        )
    return name, f"The {name}", read_object(dataset, f"The {name}", wanted)


def _in_memory(
    found: Mapping[str, object], what: str, wanted: Shape | None = None
) -> dict[str, Source]:
    return {
        part: InMemory(given, f"{what}: its {part} split", wanted) for part, given in found.items()
    }


def _shape_of(source: Source, transform: Transform) -> Shape:
    """Where no model says it: the first example's, after the transform."""
    if source.shape and transform == Transform():
        return source.shape
    channels, height, width = as_pixels(source.read(0)).shape
    side = transform.resize
    return (channels, height, width) if side == "off" else (channels, side, side)


def check_at_hand(dataset: Dataset, offline: bool) -> None:
    """Raises OfflineError for a dataset that would be fetched, if that may not be."""
    if offline and isinstance(dataset, str) and not is_at_hand(dataset):
        raise OfflineError(
            f"{dataset!r} is not on this machine, and with offline=True nothing is fetched: run it "
            "once without, or give images that are here."
        )


def is_at_hand(dataset: str) -> bool:
    """Whether a dataset can be read without a network; another thing is whether it is sound."""
    named = NAMED.get(dataset)
    return (named is None or named.is_here()) and not dataset.startswith(HF_DATASET)
