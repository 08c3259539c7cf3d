"""What a detector is given: arrays, files and datasets as examples, and names of models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.data import load_examples
from zoo.data.frames import TABLES
from zoo.errors import InputError, UnknownNameError, did_you_mean
from zoo.registry import families, published


def opened(X: Any, default: str, shape: tuple[int, ...] | None = None) -> Any:  # noqa: N803
    """X, or the images or rows of the files or dataset that it names; not of tables, which have names of columns."""
    is_path = isinstance(X, str | Path)
    if isinstance(X, list | tuple) and not X:
        raise InputError("X is an empty list.")
    if is_path and Path(X).suffix.lower() not in TABLES:
        return load_examples(X, None, shape=shape, default=default)
    if isinstance(X, list | tuple) and X and isinstance(X[0], str | Path):
        return load_examples(X, None, shape=shape)
    return X


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
