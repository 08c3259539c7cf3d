"""Conversion of user data to examples: uint8 image levels, or real-valued rows and series.

uint8 `(N, C, H, W)` or `(N, H, W)` are images; float32 or float64 `(N, D)` are rows, and `(N, C, L)`
series. Anything else raises an error that names the conversion. A float `(N, H, W)` is a series unless
the model takes images.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data.misfits import is_channels_last, misfit
from zoo.errors import DataError
from zoo.specs.domains import KINDS, Kind, domain_of

log = logging.getLogger("zoo")

DTYPES = {np.dtype(np.uint8): torch.uint8} | {
    np.dtype(real): dtype for real, dtype in (("f4", torch.float32), ("f8", torch.float64))
}
"""Supported dtypes, in native byte order."""
Shape = tuple[int, ...]


def as_values(given: object, what: str, wanted: Shape | None = None) -> Tensor:
    """`(N, *shape)` from a tensor or array, without a copy if it is contiguous.

    Args:
        given: images, rows or series.
        what: name of the data in errors.
        wanted: `input_shape` of the model, whose rank resolves ambiguous shapes.

    Raises DataError.
    """
    values = as_tensor(given)
    kind = None if values is None else kind_of(values.dtype, tuple(values.shape), wanted)
    if values is None or kind is None:
        raise DataError(misfit(given, what, wanted=wanted))
    if kind == "image" and values.dim() == 3:
        if len(values) == 3 < min(values.shape[1:]):
            log.warning(
                "%s is %s: read as three gray images. For one color image, use x[None].",
                what,
                tuple(values.shape),
            )
        values = values[:, None]
    note_series(tuple(values.shape[1:]), what, wanted)
    return values.detach().cpu().contiguous()


def as_example(given: object, title: str, wanted: Shape | None = None) -> Tensor:
    """One image `(C, H, W)`, row `(D,)` or series `(C, L)` from a tensor or array. Raises DataError."""
    value = as_tensor(given)
    kind = None if value is None else kind_of(value.dtype, (1, *value.shape), wanted)
    if value is None or kind is None:
        raise DataError(misfit(given, title, is_one=True, wanted=wanted))
    return (value[None] if kind == "image" and value.dim() == 2 else value).detach().cpu()


def as_tensor(given: object) -> Tensor | None:
    """A tensor from a tensor or array of a supported dtype, without copying; None for anything else."""
    if isinstance(given, np.ndarray) and given.dtype in DTYPES:
        with warnings.catch_warnings():  # about read-only arrays: nothing writes to them
            warnings.simplefilter("ignore")
            return torch.from_numpy(np.ascontiguousarray(given) if given.ndim else given)
    return given if isinstance(given, Tensor) and given.dtype in DTYPES.values() else None


def from_table(given: Any, what: str) -> Any:
    """The array of a data frame (pandas or polars); anything else unchanged.

    Raises DataError if columns are not numeric.
    """
    if not (hasattr(given, "to_numpy") and hasattr(given, "columns")):
        return given
    array = given.to_numpy()
    if array.dtype.kind in "fiub":
        return array
    others = [
        name for name in given.columns if np.asarray(given[name]).dtype.kind not in "fiub"
    ] or list(given.columns)
    raise DataError(
        f"{what} has columns that are not numbers: {', '.join(map(repr, others[:5]))}. Encode "
        "categories as numbers (pandas.get_dummies), drop other columns, then df.astype('float64')."
    )


def kind_of(dtype: torch.dtype | None, shape: Shape, wanted: Shape | None = None) -> Kind | None:
    """The kind of an array of that shape `(N, ...)`; None if it is not images, rows or series."""
    rank = len(shape) - 1
    if not 1 <= rank <= 3 or 0 in shape[1:]:
        return None
    if dtype == torch.uint8:
        return "image" if rank > 1 and not is_channels_last(shape) else None
    if dtype is None or rank == 3 or (rank == 2 and wanted is not None and len(wanted) == 3):
        return None
    return KINDS[rank - 1]


def note_series(shape: Shape, what: str, wanted: Shape | None) -> None:
    """Warns about series `(C, L)` that may be meant as images."""
    if len(shape) == 2 and wanted is None:
        log.warning(
            "%s is read as %s because its values are floating point. Images are uint8, 0 to 255.",
            what,
            domain_of(shape),
        )


def first_not_finite(values: Tensor, has_missing: bool = False) -> int | None:
    """The number of the first example `(N, ...)` with infinity or, unless `has_missing`, NaN; or None."""
    if not values.is_floating_point():
        return None
    sound = (~torch.isinf(values) if has_missing else torch.isfinite(values)).flatten(1).all(1)
    return None if bool(sound.all()) else int((~sound).nonzero()[0])


def not_finite(value: Tensor, title: str, has_missing: bool = False) -> str:
    """Error message for a row or series with infinity or, unless `has_missing`, NaN."""
    wrong = torch.isinf(value) if has_missing else ~torch.isfinite(value)
    place = wrong.nonzero()[0].tolist()
    noun, nouns = domain_of(tuple(value.shape)).noun, domain_of(tuple(value.shape)).nouns
    where = f"column {place[0]}" if noun == "row" else f"channel {place[0]}, step {place[1]}"
    keep = "x[np.isfinite(x).all(1)]" if noun == "row" else "x[np.isfinite(x).all((1, 2))]"
    return (
        f"{title} holds {float(value[tuple(place)])} in {where}. Drop such {nouns} ({keep}), or impute "
        "the missing values."
    )
