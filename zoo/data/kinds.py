"""The kind of each column of a table, found from its values."""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from zoo.data.frames import Frame
from zoo.errors import DataError
from zoo.specs.columns import MOST_CATEGORIES

log = logging.getLogger("zoo")

MOST_TEXTS = 50
"""Different texts of a column that is found to be categorical."""
MOST_SHARE = 0.2
"""And their number per row."""
FEW = 10
"""Rows below which integers in a row mean nothing."""
LISTED = 5
ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?Z|[+-]\d{2}:?\d{2})?)?")
"""A date or a time of ISO 8601."""
SECOND = np.timedelta64(1, "s")


Category = str | int | float


@dataclass(frozen=True)
class Found:
    """What a column was found to be."""

    name: str
    kind: Literal["real", "binary", "categorical"]
    categories: tuple[Category, ...] = ()
    is_date: bool = False
    is_constant: bool = False
    counts_rows: bool = False


def find_kind(values: np.ndarray, name: str, frame: Frame, given: str | None) -> Found:
    """The kind of a column, as `given` or by the rules of `zoo.data.tables.Table.of`. Raises DataError."""
    if _all_missing(values):
        raise DataError(f"{frame.what}: column {name!r} has no values. Drop it.")
    if given in ("binary", "categorical"):
        return _of_categories(values, name, frame, given)
    is_text = values.dtype.kind == "O"
    if values.dtype.kind == "M" or (is_text and _are_iso(values)):
        seconds = dates_of(values, name, frame.what)
        return Found(name, "real", is_date=True, is_constant=_is_constant(seconds))
    if given == "real":
        numbers = numbers_of(values, name, frame.what)
        return Found(name, "real", is_constant=_is_constant(numbers))
    if is_text or name in frame.declared:
        return _of_texts(values, name, frame)
    numbers = values.astype(np.float64)
    there = numbers[~np.isnan(numbers)]
    constant = _is_constant(numbers)
    if values.dtype.kind == "b" or np.isin(there, (0.0, 1.0)).all():
        return Found(name, "binary", is_constant=constant)
    return Found(name, "real", is_constant=constant, counts_rows=_counts_rows(numbers))


def warn_of(frame: Frame, found: Sequence[Found]) -> None:
    """A line for columns of one value, and one for integers that count rows."""
    if constant := [one.name for one in found if one.is_constant]:
        log.warning(
            "%s: columns with one value: %s. They are kept, real ones with scale 1; drop them if they "
            "never vary.",
            frame.what,
            _listed(constant),
        )
    if counting := [one.name for one in found if one.counts_rows]:
        log.warning(
            "%s: columns of consecutive integers, each once, as row numbers are: %s. They are kept as "
            "real; drop them unless they mean something.",
            frame.what,
            _listed(counting),
        )


def spelled(values: np.ndarray) -> tuple[list[Category | None], np.ndarray]:
    """The different values of a column as categories, and for each row the place of its own, `(N,)`.

    Whole numbers and booleans are integers, dates are texts, and a missing value is None.
    """
    if values.dtype.kind in "biuf":
        numbers, places = np.unique(values.astype(np.float64), return_inverse=True)
        return [_spelled(number) for number in numbers.tolist()], places
    if values.dtype.kind == "M":
        missing = np.isnat(values)
        values = np.datetime_as_string(values, unit="s").astype(object)
        values[missing] = None
    found: dict[Category | None, int] = {}
    places = [found.setdefault(_spelled(value), len(found)) for value in values.tolist()]
    return list(found), np.array(places, np.intp)


def _spelled(value: Any) -> Category | None:
    if isinstance(value, float) and value != value:
        return None
    is_whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())
    return int(value) if is_whole else value


def numbers_of(values: np.ndarray, name: str, what: str) -> np.ndarray:
    """A real column as float64 `(N,)`, NaN where missing. Raises DataError for texts that are no numbers."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    if values.dtype.kind == "M":
        raise DataError(f"{what}: column {name!r} holds dates; in the table it is of numbers.")
    found = np.full(len(values), np.nan)
    for row, value in enumerate(values.tolist()):
        try:
            found[row] = np.nan if value is None else float(value)
        except ValueError:
            raise DataError(
                f"{what}: row {row} of column {name!r} is {str(value)[:60]!r}, not a number. Drop such rows, "
                "or replace the value."
            ) from None
    return found


def dates_of(values: np.ndarray, name: str, what: str) -> np.ndarray:
    """A column of dates as seconds since 1970-01-01 UTC, float64 `(N,)`, NaN where missing.

    Of dates, of ISO 8601 texts, or of such seconds. Raises DataError for other texts.
    """
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    if values.dtype.kind != "M":
        found = np.full(len(values), np.nan)
        for row, value in enumerate(values.tolist()):
            if value is None:
                continue
            if not (isinstance(value, str) and ISO.fullmatch(value.strip())):
                raise DataError(
                    f"{what}: row {row} of column {name!r} is {str(value)[:60]!r}, not a date such as "
                    "2024-12-31 or 2024-12-31T23:59:00."
                )
            found[row] = _seconds(value.strip(), row, name, what)
        return found
    missing = np.isnat(values)
    return np.where(missing, np.nan, (values - np.datetime64(0, "ns")) / SECOND)


def _seconds(text: str, row: int, name: str, what: str) -> float:
    try:
        time = datetime.datetime.fromisoformat(text.replace(" Z", "Z"))
    except ValueError as failure:
        raise DataError(f"{what}: row {row} of column {name!r} is {text!r}: {failure}.") from None
    zone = datetime.UTC if time.tzinfo is None else time.tzinfo
    return time.replace(tzinfo=zone).timestamp()


def _of_categories(values: np.ndarray, name: str, frame: Frame, kind: str) -> Found:
    """A column that is said to be binary or categorical."""
    distinct = _distinct(values)
    if kind == "binary":
        if len(distinct) > 2:
            raise DataError(
                f"{frame.what}: column {name!r} has {len(distinct):,} different values, and kinds says "
                "that it is binary. Make it categorical."
            )
        own = () if set(distinct) <= {0, 1} else tuple(distinct)
        return Found(name, "binary", own, is_constant=len(distinct) == 1)
    if not 2 <= len(distinct) <= MOST_CATEGORIES:
        does = "Drop it" if len(distinct) < 2 else "Group rare ones"
        count = "one value" if len(distinct) < 2 else f"{len(distinct):,} different values"
        raise DataError(
            f"{frame.what}: column {name!r} has {count}; a categorical column has 2 to "
            f"{MOST_CATEGORIES}. {does}."
        )
    return Found(name, "categorical", tuple(distinct))


def _of_texts(values: np.ndarray, name: str, frame: Frame) -> Found:
    """A column of texts, or of pandas' categories. Raises DataError for too many texts."""
    distinct = _distinct(values)
    if len(distinct) <= 2:
        return _of_categories(values, name, frame, "binary")
    if name in frame.declared:
        return _of_categories(values, name, frame, "categorical")
    if len(distinct) > min(MOST_TEXTS, MOST_SHARE * len(values)):
        instead = f"give kinds={{{name!r}: 'categorical'}}"
        if len(distinct) > MOST_CATEGORIES:
            instead = "make a few categories of it"
        raise DataError(
            f"{frame.what}: column {name!r} has {len(distinct):,} different texts in {len(values):,} rows, "
            f"such as {str(distinct[0])[:40]!r}: too many to be categories (at most {MOST_TEXTS}, and a "
            f"fifth of the rows). Drop it, or {instead}."
        )
    return Found(name, "categorical", tuple(distinct))


def _distinct(values: np.ndarray) -> list[Category]:
    """Different values, numbers first, in increasing order."""
    found = [value for value in spelled(values)[0] if value is not None]
    return sorted(found, key=lambda one: (isinstance(one, str), one))


def _are_iso(values: np.ndarray) -> bool:
    texts = (value for value in values.tolist() if value is not None)
    return all(isinstance(text, str) and ISO.fullmatch(text.strip()) for text in texts)


def _all_missing(values: np.ndarray) -> bool:
    if values.dtype.kind == "O":
        return all(value is None for value in values.tolist())
    return bool((np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)).all())


def _is_constant(numbers: np.ndarray) -> bool:
    there = numbers[~np.isnan(numbers)]
    return len(there) > 0 and bool((there == there[0]).all())


def _counts_rows(numbers: np.ndarray) -> bool:
    """Whether all are different integers without a gap."""
    if len(numbers) < FEW or not np.isfinite(numbers).all():
        return False
    return bool((np.diff(np.sort(numbers)) == 1).all()) and bool(
        (numbers == np.floor(numbers)).all()
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more
