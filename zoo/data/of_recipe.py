"""The dataset named by a model's own files, and whether it may be read: the files may be untrusted.

`evaluate`, `verify`, `draw`, `page` and `export` default to the dataset of the model's recipe. A
recipe may therefore name only built-in datasets, those of the package that provides the model, and
paths below the model's folder or the working folder. Other images, local or on the Hub, must be given
explicitly.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from zoo.data.sources.folders import is_pattern
from zoo.data.sources.hub import PREFIX as HF_DATASET
from zoo.data.sources.shards import expanded
from zoo.datasets import NAMED
from zoo.errors import DataError
from zoo.io.files import with_home
from zoo.plugins import entry_points as plugins
from zoo.registry import families, published
from zoo.specs.data import data_settings
from zoo.specs.info import ModelInfo


def dataset_of(info: ModelInfo, recipe: str, measured: str | None = None) -> str:
    """The dataset that a model was trained on, as for `load_examples`.

    Args:
        info: metadata of the model.
        recipe: the text of its recipe.toml; empty if there is none.
        measured: the dataset of a measurement as named in metrics.json (only the last component of
            a path); None is the recipe's own dataset.

    Raises DataError if the model's files may not name that dataset.
    """
    named = data_settings(recipe).dataset if recipe else measured or ""
    if measured is not None and Path(named).name != measured:
        named = measured
    _check(named, info)
    return named


def _check(dataset: str, info: ModelInfo) -> None:
    if dataset in NAMED:
        return
    owners = [p.distribution for p in plugins.installed("dataset") if p.name == dataset]
    if owners:
        if len(owners) == 1 and owners[0] in _packages_of(info):
            return
        why = f"a dataset of {' and '.join(owners)}, which does not provide this model"
    elif dataset.startswith(HF_DATASET):
        why = "a dataset on the Hub"
    elif info.origin.startswith("hf://"):
        why = "a local file of its author or a dataset that is not installed"
    elif not _is_below(dataset, _places_of(info)):
        why = "not below the model's folder or the working folder (a home folder does not count)"
    else:
        return
    raise DataError(
        f"Its recipe names {dataset!r}, which is {why}, so it was not read: a recipe may be "
        f"untrusted. If you trained this model, pass its dataset: --dataset {shlex.quote(dataset)}."
    )


def _packages_of(info: ModelInfo) -> set[str]:
    """The packages that provide a model: those of its family and of its publication."""
    provider, line = families.get(info.family).provider, published.known(info.origin)
    brought = {provider.distribution} if provider else set()
    return brought | ({line.registry.distribution} if line else set())


def _places_of(info: ModelInfo) -> list[Path]:
    """The model's folder and the working folder, unless that is a home folder or above it."""
    home, here = (
        Path(os.path.realpath(os.path.expanduser("~"))),
        Path(os.path.realpath(os.getcwd())),
    )
    places = [] if home.is_relative_to(here) else [here]
    return places + ([Path(os.path.realpath(info.folder))] if info.folder else [])


def _is_below(dataset: str, places: list[Path]) -> bool:
    """Whether a path, and every link below it, resolves to below one of these folders, or does not exist."""
    path = with_home(dataset, DataError)
    paths = [path] if os.path.lexists(path) else expanded(dataset) if is_pattern(dataset) else []
    return all(_leads_below(one, places) and _links_lead_below(one, places) for one in paths)


def _leads_below(path: Path | str, places: list[Path]) -> bool:
    real = Path(os.path.realpath(path))
    return any(real != place and real.is_relative_to(place) for place in places)


def _links_lead_below(folder: Path | str, places: list[Path]) -> bool:
    if not os.path.isdir(folder):
        return True
    try:
        with os.scandir(folder) as entries:
            return all(
                _leads_below(one.path, places)
                if one.is_symlink()
                else not one.is_dir() or _links_lead_below(one.path, places)
                for one in entries
            )
    except OSError as failure:
        raise DataError(f"Cannot read {str(folder)!r}: {failure.strerror}.") from None
