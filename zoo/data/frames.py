"""A user's table, from memory or a file -> named columns as arrays. pandas is imported for files only."""

from __future__ import annotations

import csv
import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import DataError, InputError
from zoo.io.files import open_regular, with_home

EXTRA = "pip install 'autoencoder-zoo[tables]'"
TABLES = (".csv", ".parquet")
"""Extensions of tables' files."""
TAKEN = "a pandas DataFrame, a .csv or .parquet file, a structured array, or a 2-D array"


@dataclass(frozen=True)
class Frame:
    """Columns of equal length, by name.

    A column is of booleans or numbers, NaN where missing; of dates, `datetime64`, NaT where missing; or
    an object array of texts and numbers, None where missing.
    """

    what: str
    """What to call the table in errors."""
    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    has_names: bool = True
    """Whether the names are the user's; those of an array are its columns' numbers."""
    declared: frozenset[str] = frozenset()
    """Columns of pandas' dtype `category`."""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def frame_of(data: object) -> Frame:
    """The columns of a table: of pandas or polars, of a file, or of an array.

    Raises:
        InputError: for an object that is no table.
        DataError: for a file that cannot be read, two columns of one name, and values of other types.
    """
    if isinstance(data, str | Path):
        return _of_file(with_home(data, DataError))
    what = f"The {type(data).__name__}"
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return _of_pandas(data, what)
    if hasattr(data, "to_pandas"):  # polars, pyarrow
        return _of_pandas(data.to_pandas(), what)  # pyright: ignore[reportAttributeAccessIssue]  # checked above
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()  # pyright: ignore[reportAttributeAccessIssue]  # a tensor
    if isinstance(data, np.ndarray) and data.dtype.names and data.ndim == 1:
        columns = [data[name] for name in data.dtype.names]
        return _framed(what, data.dtype.names, columns)
    if isinstance(data, np.ndarray) and data.ndim == 2:
        names = [str(number) for number in range(data.shape[1])]
        return _framed(what, names, list(data.T), has_names=False)
    shape = f" of shape {data.shape}" if isinstance(data, np.ndarray) else ""
    raise InputError(f"A table is {TAKEN}; got {type(data).__name__}{shape}.")


def _framed(
    what: str, names: Sequence[object], columns: Sequence[np.ndarray], has_names: bool = True
) -> Frame:
    texts = tuple(map(str, names))
    if twice := [name for name, count in Counter(texts).items() if count > 1]:
        raise DataError(f"{what} has two columns named {twice[0]!r}. Rename or drop one.")
    arrays = tuple(_array(values, name, what) for name, values in zip(texts, columns, strict=True))
    return Frame(what, texts, arrays, has_names)


def _of_file(path: Path) -> Frame:
    """A CSV or parquet file."""
    what, kind = repr(str(path)), path.suffix.lower()
    if kind not in TABLES:
        raise InputError(f"A table is {TAKEN}; got the path {what}.")
    with open_regular(path, DataError):
        pass
    try:
        import pandas
    except ImportError:
        raise DataError(f"Reading {what} needs pandas: {EXTRA}", path=path) from None
    if kind == ".csv":
        _check_header(path, what)
    try:
        frame = pandas.read_csv(path) if kind == ".csv" else pandas.read_parquet(path)
    except ImportError:
        raise DataError(f"Reading {what} needs pyarrow: {EXTRA}", path=path) from None
    except Exception as failure:  # pandas and pyarrow raise errors of any kind for other bytes
        why = (str(failure).splitlines() or [type(failure).__name__])[0].rstrip(".")
        raise DataError(f"{what} cannot be read as {kind[1:]} ({why}).", path=path) from None
    return _of_pandas(frame, what)


def _check_header(path: Path, what: str) -> None:
    """Raises DataError for what pandas would pass over: equal names, and another separator."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error) as failure:
        raise DataError(f"{what} is not a CSV file in UTF-8 ({failure}).", path=path) from None
    if not names:
        raise DataError(f"{what} is empty.", path=path)
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(
            f"{what} has two columns named {twice[0]!r}. Rename or drop one.", path=path
        )
    for separator in (";", "\t") if len(names) == 1 else ():
        if separator in names[0]:
            raise DataError(
                f"{what} has one column, {names[0][:60]!r}: its separator is {separator!r}, not a comma. "
                f"Read it with pandas.read_csv(path, sep={separator!r}) and give the DataFrame.",
                path=path,
            )


def _of_pandas(frame: Any, what: str) -> Frame:
    columns = [_of_series(frame.iloc[:, number]) for number in range(frame.shape[1])]
    names = zip(frame.columns, frame.dtypes, strict=True)
    declared = frozenset(str(name) for name, dtype in names if str(dtype) == "category")
    return replace(_framed(what, list(frame.columns), columns), declared=declared)


def _of_series(series: Any) -> np.ndarray:
    """A column of pandas as NumPy's, its missing values as `Frame` has them."""
    missing = np.asarray(series.isna())
    kind = getattr(series.dtype, "kind", "O")
    if kind == "M":
        return np.asarray(series, dtype="datetime64[ns]")  # with a time zone, in UTC
    if kind in "biuf" and missing.any():
        return series.to_numpy(dtype="float64", na_value=np.nan)
    if kind in "biufm":
        return np.asarray(series)
    values = np.array(series.astype(object), dtype=object)
    values[missing] = None
    return values


def _array(values: np.ndarray, name: str, what: str) -> np.ndarray:
    """A column as `Frame` has it. Raises DataError for values of another type."""
    if values.dtype.kind in "biuf":
        return values
    if values.dtype.kind == "M":
        return values.astype("datetime64[ns]")
    if values.dtype.kind == "m":
        missing = np.isnat(values)
        return np.where(missing, np.nan, values / np.timedelta64(1, "s"))
    if values.dtype.kind not in "OUS":
        raise DataError(f"{what}: column {name!r} is of {values.dtype}. {_advice(name)}")
    objects = [None if _is_missing(value) else _plain(value) for value in values.tolist()]
    return _of_objects(objects, name, what)


def _of_objects(objects: list[Any], name: str, what: str) -> np.ndarray:
    """A column of Python objects: numbers where all are, dates where all are, else texts and numbers."""
    there = [value for value in objects if value is not None]
    if there and all(isinstance(value, bool) for value in there) and len(there) == len(objects):
        return np.array(objects, dtype=bool)
    if there and all(isinstance(value, Real) for value in there):
        return np.array([np.nan if value is None else value for value in objects], np.float64)
    if there and all(isinstance(value, datetime.date) for value in there):
        return np.array([_utc(value) for value in objects], dtype="datetime64[ns]")
    for row, value in enumerate(objects):
        if not (value is None or isinstance(value, str | Real)):
            raise DataError(
                f"{what}: row {row} of column {name!r} is of type {type(value).__name__}. {_advice(name)}"
            )
    found = np.empty(len(objects), dtype=object)
    found[:] = objects
    return found


def _is_missing(value: object) -> bool:
    is_nan = isinstance(value, float) and value != value
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def _plain(value: Any) -> Any:
    """A value of Python's own: NumPy's are unwrapped, bytes are text."""
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _utc(value: Any) -> np.datetime64:
    """A date or a time, in UTC if it has a time zone."""
    if value is None:
        return np.datetime64("NaT")
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(value)


def _advice(name: str) -> str:
    return f"Columns are numbers, booleans, texts or dates: convert it, or drop {name!r}."
