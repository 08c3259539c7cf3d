"""Checks of what the functions that restore are given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data.tables import Table
from zoo.errors import DataError, InputError
from zoo.models import VariationalAutoencoder
from zoo.specs.corruptions import as_number


def parsed_sigma(value: float | str) -> float:
    """A standard deviation in [0, 1] from a number or a ratio such as "25/255". Raises InputError."""
    number = as_number(value)
    try:
        sigma = float(number)
    except (TypeError, ValueError):
        raise InputError(f'sigma is a number such as 0.1 or "25/255"; got {value!r}.') from None
    if not math.isfinite(sigma) or sigma < 0:
        raise InputError(f"sigma is at least 0; got {value!r}.")
    if sigma > 1:
        hint = f' Of 255 levels it is "{sigma:g}/255".' if number is value else ""
        raise InputError(f"sigma is in [0, 1], as pixels are; got {value!r}.{hint}")
    return sigma


def check_images(x: Any, finite: bool = True) -> None:
    """Raises InputError for anything but floating-point images `(N, C, H, W)`, finite unless said."""
    wanted = "Images are (N, C, H, W), floating point"
    if not isinstance(x, Tensor):
        raise InputError(f"{wanted}; got {type(x).__name__}.")
    if not x.is_floating_point():
        raise InputError(f"{wanted}; got {x.dtype}. Try x.float() / 255.")
    if x.dim() != 4 or 0 in x.shape[1:]:
        hint = " Try x[None]." if x.dim() == 3 else ""
        raise InputError(f"{wanted}; got {tuple(x.shape)}.{hint}")
    if finite and not torch.isfinite(x).all():
        raise InputError(
            f"{wanted}; got NaN or infinite values. zoo.inpaint fills in missing pixels."
        )


def mask_of(missing: Any, x: Tensor) -> Tensor:
    """The mask on the CPU, `(N, C, H, W)`."""
    size = tuple(x.shape[2:])
    if not isinstance(missing, Tensor) or missing.dtype != torch.bool:
        got = missing.dtype if isinstance(missing, Tensor) else type(missing).__name__
        raise InputError(f"missing is a bool tensor, True where a pixel is missing; got {got}.")
    mask = missing[None, None] if missing.dim() == 2 else missing
    fits = mask.dim() == 4 and mask.shape[1] == 1 and tuple(mask.shape[2:]) == size
    if not fits or len(mask) not in (1, len(x)):
        raise InputError(
            f"missing is ({len(x)}, 1, {size[0]}, {size[1]}), (1, 1, {size[0]}, {size[1]}) or "
            f"({size[0]}, {size[1]}); got {tuple(missing.shape)}."
        )
    return mask.cpu().expand(len(x), x.shape[1], *size)


def rows_of(rows: Any, table: Table | None, model: VariationalAutoencoder) -> Tensor:
    """Rows as float64, NaN where missing."""
    if table is not None:
        rows = table.model_copy(update={"missing": "marginal"}).encode(rows)
    elif isinstance(rows, str | Path):
        raise InputError(
            "A table in a file needs a detector, whose folder knows the columns: give an array."
        )
    try:
        x = torch.as_tensor(np.asarray(rows, np.float64) if not isinstance(rows, Tensor) else rows)
    except (TypeError, ValueError):
        raise InputError(f"Rows are an array or a tensor; got {type(rows).__name__}.") from None
    if tuple(x.shape[1:]) != model.spec.input_shape or not len(x):
        sides = ", ".join(map(str, model.spec.input_shape))
        raise InputError(f"Rows are (N, {sides}); got {tuple(x.shape)}.")
    if torch.isinf(x).any():
        raise DataError("A value is infinite: NaN marks a missing one.")
    return x.detach().double().cpu()


def check_share(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{name} is from 0 to 1; got {value!r}.")


def check_count(name: str, value: Any, least: int) -> None:
    if type(value) is not int or not least <= value < 2**63:
        raise InputError(f"{name} is an integer of at least {least}; got {value!r}.")
