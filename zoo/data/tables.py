"""What a user's table is: its columns by name, their kinds and categories. pandas is not needed here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np

from zoo.data.frames import Frame, frame_of
from zoo.data.kinds import dates_of, find_kind, numbers_of, spelled, warn_of
from zoo.errors import DataError, InputError, did_you_mean
from zoo.specs.columns import BINARY, REAL, written
from zoo.specs.validation import Strict

log = logging.getLogger("zoo")

Kind = Literal["real", "binary", "categorical"]
KINDS = ("real", "binary", "categorical")
LISTED = 5
"""Names and categories listed in a message."""


class Column(Strict):
    """One column of a table."""

    name: str
    kind: Kind
    categories: tuple[str | int | float, ...] = ()
    """In the order of their codes. A binary column without any holds 0 and 1."""
    is_date: bool = False
    """Whether a real column is of dates, as seconds since 1970-01-01 UTC."""

    @property
    def run(self) -> int:
        """Its kind as `zoo.specs.columns` has it."""
        return {"real": REAL, "binary": BINARY}.get(self.kind, len(self.categories))

    def __str__(self) -> str:
        if self.is_date:
            return f"{self.name}: dates, as seconds since 1970"
        return f"{self.name}: {len(self.categories)} values"


class Table(Strict):
    """The columns of a table, by which tables like it become rows of numbers.

    Made by `Table.of`, and kept as JSON: `model_dump_json` and `model_validate_json`.
    """

    columns: tuple[Column, ...]
    missing: Literal["refused", "marginal"] = "refused"
    """Whether missing values are refused, or are NaN in rows: `missing` of the likelihood `columns`."""

    @classmethod
    def of(
        cls,
        data: object,
        kinds: Mapping[str, str] | None = None,
        *,
        missing: Literal["refused", "marginal"] = "refused",
    ) -> Self:
        """The columns of a table, with the kinds that are given, and the others found from its values.

        - Booleans, and numbers that are 0 and 1 alone, are binary.
        - Other numbers are real: integers too, even if they are few.
        - Dates and times are real, as seconds since 1970-01-01 UTC in float64; so are ISO 8601 texts.
        - Other texts are categorical, if there are at most 50 different ones and at most a fifth as many
          as rows; two different ones are binary. So is pandas' dtype `category`.

        A line says what was found; warnings name columns of one value, and integers that count rows.

        Args:
            data: a pandas DataFrame, a .csv or .parquet file, a structured array, or a 2-D array, whose
                columns are named "0", "1", ...
            kinds: "real", "binary" or "categorical" by name, for columns whose kind is not to be found.
            missing: "marginal" accepts missing values.

        Raises:
            InputError: for no table, an unknown name or kind in `kinds`.
            DataError: for columns that are no numbers, categories or dates, for infinite and (unless
                accepted) missing values, and for fewer than two rows.
        """
        if missing not in ("refused", "marginal"):
            raise InputError(f"missing is 'refused' or 'marginal'; got {missing!r}.")
        frame = frame_of(data)
        given = _checked(kinds or {}, frame)
        if not frame.columns:
            raise DataError(f"{frame.what} has no columns.")
        if len(frame) < 2:
            count = "one row" if len(frame) else "no rows"
            raise DataError(
                f"{frame.what} has {count}; kinds and scales are found from two or more."
            )
        columns, found = [], []
        for name, values in zip(frame.names, frame.columns, strict=True):
            one = find_kind(values, name, frame, given.get(name))
            columns.append(
                Column(name=name, kind=one.kind, categories=one.categories, is_date=one.is_date)
            )
            found.append(one)
        table = cls(columns=tuple(columns), missing=missing)
        table._encoded(frame)  # raises for missing and infinite values
        warn_of(frame, found)
        log.warning("%s: %s.", frame.what, table.described())
        return table

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, in the order of a row."""
        return tuple(column.name for column in self.columns)

    @property
    def columns_setting(self) -> str:
        """`columns` of the likelihood `columns`, such as `3r 1500b c5`."""
        return written(column.run for column in self.columns)

    def described(self) -> str:
        """Such as `30 columns: 22 real, 5 binary, 3 categorical (city: 12 values, ...)`."""
        parts = []
        for kind in KINDS:
            own = [column for column in self.columns if column.kind == kind]
            told = [str(one) for one in own if one.is_date or (kind == "categorical")]
            more = ", ..." if len(told) > LISTED else ""
            inside = f" ({', '.join(told[:LISTED])}{more})" if told else ""
            parts += [f"{len(own):,} {kind}{inside}"] if own else []
        plural = "s" * (len(self.columns) != 1)
        return f"{len(self.columns):,} column{plural}: {', '.join(parts)}"

    def encode(self, data: object) -> np.ndarray:
        """Rows of numbers, `(N, D)` float64, of a table with these columns.

        Columns of a DataFrame, of a file or of a structured array are found by name, in any order; those
        of a 2-D array by position. Categories become codes, dates seconds, and missing values NaN.

        Raises:
            InputError: for an object that is no table.
            DataError: for missing and for unknown columns, for categories that the table does not
                have, for infinite values, and for missing values unless `missing` is "marginal".
        """
        return self._encoded(self._arranged(frame_of(data)))

    def decode_row(self, row: np.ndarray | list[float]) -> dict[str, Any]:
        """The values of a row `(D,)` by name: of categories the nearest code's, of dates a datetime64.

        None for NaN. Raises InputError for a row of another length.
        """
        values = np.asarray(row, np.float64)
        if values.shape != (len(self.columns),):
            raise InputError(f"row is ({len(self.columns)},), one of `encode`; got {values.shape}.")
        return {
            column.name: _decoded(column, float(value))
            for column, value in zip(self.columns, values, strict=True)
        }

    def _arranged(self, frame: Frame) -> Frame:
        """The frame with its columns in this table's order. Raises DataError for other ones."""
        if not frame.has_names:
            if len(frame.names) != len(self.columns):
                raise DataError(
                    f"{frame.what} has {len(frame.names)} columns; the table has {len(self.columns)}."
                )
            return Frame(frame.what, self.names, frame.columns, frame.has_names)
        lacking = [name for name in self.names if name not in frame.names]
        others = [name for name in frame.names if name not in self.names]
        if lacking:
            near = did_you_mean(lacking[0], others)
            raise DataError(f"{frame.what} lacks {_listed(lacking)}.{near}")
        if others:
            raise DataError(
                f"{frame.what} has {_listed(others)}, which the table does not. Leave them out: "
                "df[list(table.names)]."
            )
        by_name = dict(zip(frame.names, frame.columns, strict=True))
        return Frame(frame.what, self.names, tuple(by_name[name] for name in self.names))

    def _encoded(self, frame: Frame) -> np.ndarray:
        """Rows `(N, D)` of a frame with this table's columns in order."""
        found = np.empty((len(frame), len(self.columns)))
        for number, (column, values) in enumerate(zip(self.columns, frame.columns, strict=True)):
            found[:, number] = _numbers(column, values, frame.what)
        if (wrong := np.argwhere(np.isinf(found))).size:
            row, number = map(int, wrong[0])
            raise DataError(
                f"{frame.what}: row {row} of column {self.names[number]!r} is {found[row, number]:g}. "
                "Drop such rows, or replace the value."
            )
        if self.missing == "refused" and (wrong := np.argwhere(np.isnan(found))).size:
            row, number = map(int, wrong[0])
            raise DataError(
                f"{frame.what}: row {row} of column {self.names[number]!r} is missing. Set "
                "missing='marginal', or impute it."
            )
        return found


def _checked(kinds: Mapping[str, str], frame: Frame) -> Mapping[str, str]:
    """Kinds by name. Raises InputError for unknown ones."""
    for name, kind in kinds.items():
        if name not in frame.names:
            raise InputError(
                f"{frame.what} has no column {name!r}, which kinds names."
                f"{did_you_mean(str(name), frame.names)}"
            )
        if kind not in KINDS:
            raise InputError(
                f"kinds[{name!r}] is {', '.join(map(repr, KINDS[:2]))} or {KINDS[2]!r}; got {kind!r}."
                f"{did_you_mean(str(kind), KINDS)}"
            )
    return kinds


def _numbers(column: Column, values: np.ndarray, what: str) -> np.ndarray:
    """A column as float64 `(N,)`, NaN where missing. Raises DataError for values that it cannot hold."""
    if column.is_date:
        return dates_of(values, column.name, what)
    if column.kind == "real":
        return numbers_of(values, column.name, what)
    known: dict[Any, float] = {one: code for code, one in enumerate(column.categories or (0, 1))}
    distinct, places = spelled(values)
    codes = [np.nan if one is None else known.get(one, -1) for one in distinct]
    found = np.array(codes, np.float64)[places]
    if (unknown := np.flatnonzero(found == -1)).size:
        row = int(unknown[0])
        raise DataError(
            f"{what}: row {row} of column {column.name!r} is {distinct[places[row]]!r}, which the table does "
            f"not know. Known: {_listed([*known])}. Drop such rows, or make the table of data that has it."
        )
    return found


def _decoded(column: Column, value: float) -> Any:
    if np.isnan(value):
        return None
    if column.is_date:
        return np.datetime64(round(value * 1e9), "ns")
    if column.kind == "real":
        return value
    categories = column.categories or (0, 1)
    return categories[int(np.clip(round(value), 0, len(categories) - 1))]


def _listed(names: list[Any]) -> str:
    """The first of them."""
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more
