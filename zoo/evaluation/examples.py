"""The examples on which a model is measured, drawn or shown: its recipe's, or others made to fit."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.data import AnyExamples, load_examples
from zoo.data.open import Dataset
from zoo.likelihoods.fitting import accepts_missing
from zoo.models import Autoencoder
from zoo.specs.data import DataSettings, Transform, data_settings


def examples_for(
    model: Autoencoder,
    dataset: Dataset,
    split: str | None,
    recipe: str | None = None,
    *,
    own: bool | None = None,
    transform: Transform | None = None,
    column: str | None = None,
    max_damaged: int | None = None,
    default: str = "test",
) -> AnyExamples:
    """A split of a dataset, made to fit a model.

    The recipe's own dataset is read as the recipe says. Of any other the recipe's transform makes
    images fit that do not: those of the model's height and width are left alone.

    Args:
        model: whose shape the images must have.
        dataset: as `load_examples` takes it.
        split: None is `default`, and all of another dataset that has no parts.
        recipe: recipe.toml's text; None is the one that the model knows, if it does.
        own: whether this is the recipe's own dataset; None is where it has its name or path.
        transform, column, max_damaged: as `load_examples` takes them; None is as said above.
    """
    recipe = recipe or (model.info.recipe if model.info else None)
    said = data_settings(recipe) if recipe else None
    if own is None:
        own = said is not None and is_dataset_of(said, dataset)
    defaults = said if said and own else DataSettings.model_construct()
    if transform is not None:
        keep_fitting = False
    else:
        transform, keep_fitting = (said.transform if said else None), not own
    return load_examples(
        dataset,
        split or (default if own else None),
        shape=model.spec.input_shape,
        transform=transform,
        column=defaults.column if column is None else column,
        max_damaged=defaults.max_damaged if max_damaged is None else max_damaged,
        keep_fitting=keep_fitting,
        has_missing=accepts_missing(model.spec),
        default=default,
    )


def is_dataset_of(said: DataSettings, dataset: Dataset) -> bool:
    """Whether a dataset is the one that a recipe names: a name, or a path however it is spelled."""
    if not isinstance(dataset, str | Path):
        return False
    return str(dataset) == said.dataset or _real(dataset) == _real(said.dataset)


def _real(dataset: str | Path) -> str:
    return os.path.realpath(os.path.expanduser(str(dataset)))
