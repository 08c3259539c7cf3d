"""Tables whose missing values were drawn, as files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.tables import Table
from zoo.errors import DataError

if TYPE_CHECKING:
    import pandas


def read_cells(path: Path) -> pandas.DataFrame:
    """The texts of a .csv or .parquet file's cells, NaN where they are missing. It was read before by `frame_of`."""
    import pandas

    text: Path | io.StringIO = path
    if path.suffix.lower() != ".csv":
        text = io.StringIO(pandas.read_parquet(path).to_csv(index=False))
    return pandas.read_csv(text, dtype=str)


def as_csv(table: Table, cells: pandas.DataFrame, rows: np.ndarray) -> str:
    """A CSV file of the cells, the missing ones filled in.

    Args:
        table: of the detector.
        cells: of `read_cells`.
        rows: the same rows as numbers, `(N, D)`, complete.

    Returns:
        Observed cells with their own text; categories and booleans that were drawn as observed cells of
        the same value spell them, dates by ISO 8601.
    """
    drawn = [table.decode_row(row) for row in rows]
    filled = cells.copy()
    for column in table.columns:
        texts = filled[column.name].tolist()
        missing = cells[column.name].isna().tolist()
        spelled = (
            {}
            if column.kind == "real"
            else {drawn[i][column.name]: text for i, text in enumerate(texts) if not missing[i]}
        )
        for i in np.flatnonzero(missing):
            value = drawn[i][column.name]
            texts[i] = spelled.get(value, _written(value))
        filled[column.name] = texts
    return filled.to_csv(index=False, lineterminator="\n")


def _written(value: object) -> str:
    """Floats as the shortest text that gives them back, whole numbers without a point."""
    if isinstance(value, float) and not (value.is_integer() and abs(value) < 2**53):
        return repr(value)
    return str(int(value) if isinstance(value, float) else value)


def read_rows(path: Path) -> np.ndarray:
    """The array in a .npy file, NaN where values are missing. Raises DataError for another file."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as broken:
        raise DataError(f"{str(path)!r} cannot be read as a .npy file: {broken}.") from None
