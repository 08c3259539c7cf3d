"""Tables whose missing values were drawn, as files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from zoo.data.tables import Table
from zoo.errors import DataError


def as_csv(table: Table, rows: np.ndarray) -> str:
    """Rows of `Table.encode`, `(N, D)`, as a CSV file: categories by name, dates by ISO 8601."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.names)
    for row in rows:
        writer.writerow([_written(value) for value in table.decode_row(row).values()])
    return text.getvalue()


def _written(value: object) -> object:
    """Floats as the shortest text that gives them back, whole numbers without a point."""
    if not isinstance(value, float):
        return value
    return int(value) if value.is_integer() and abs(value) < 2**53 else repr(value)


def read_rows(path: Path) -> np.ndarray:
    """The array in a .npy file, NaN where values are missing. Raises DataError for another file."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as broken:
        raise DataError(f"{str(path)!r} cannot be read as a .npy file: {broken}.") from None
