"""What a detector is given: arrays, files and datasets as examples, and names of models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.data.frames import TABLES
from zoo.errors import InputError, RecipeError, UnknownNameError, did_you_mean
from zoo.registry import families, published
from zoo.specs.data import Transform
from zoo.specs.validation import checked, listed


def is_named(X: Any) -> bool:  # noqa: N803
    """Whether X is a path, a dataset's name or a list of files; not of tables, which have names of columns.

    Raises InputError for an empty list.
    """
    if isinstance(X, list | tuple):
        if not X:
            raise InputError("X is an empty list.")
        return isinstance(X[0], str | Path)
    return isinstance(X, str | Path) and Path(X).suffix.lower() not in TABLES


def transform_of(settings: Mapping[str, Any] | None) -> Transform:
    """The transform of images in a recipe's settings, `data.transform`. Raises RecipeError if it is invalid."""
    given, fields = settings or {}, {}
    for name, value in given.items():
        if name == "data.transform" and isinstance(value, Mapping):
            fields |= value
        elif name.startswith("data.transform."):
            fields[name.removeprefix("data.transform.")] = value
    found, problems = checked(Transform, fields, "data.transform")
    if found is None:
        raise RecipeError(listed("This recipe", problems), problems=problems)
    return found


def images_or_series(X: Any) -> torch.Tensor:  # noqa: N803
    """uint8 images `(N, C, H, W)` of levels or of floats in [0, 1]; other floats `(N, C, L)` are series."""
    values = torch.as_tensor(np.asarray(X))
    if values.dim() > 4:
        raise InputError(f"X has at most 4 dimensions, (N, C, H, W); got {tuple(values.shape)}.")
    if values.dtype == torch.uint8:
        return values[:, None] if values.dim() == 3 else values
    if not values.is_floating_point():
        raise InputError(f"Images are uint8 or floats in [0, 1]; got {values.dtype}.")
    if not torch.isfinite(values).all():
        raise InputError("X holds NaN or infinity. Drop such examples, or impute the values.")
    if values.dim() == 3:
        return values.double()
    if values.min() < 0 or values.max() > 1:
        raise InputError(
            f"Images of floats are in [0, 1]; got values from {values.min():g} to {values.max():g}."
        )
    return (values * 255).round().to(torch.uint8)


def check_name(name: str) -> None:
    """Raises UnknownNameError for a misspelled family that is no model, file or repo either."""
    known = families.list_families()
    near = did_you_mean(name, known)
    is_other = "/" in name or os.path.exists(name) or published.known(name) is not None
    if near and not is_other and not name.endswith(".toml"):
        raise UnknownNameError(
            f"No family or model named {name!r}.{near} Families: {', '.join(known)}.",
            name=name,
            known=known,
        )
