"""Ground-truth factors of the images of a split, from the dataset itself or from a CSV file."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.splits import SPLITS
from zoo.datasets import NAMED, WITH_FACTORS
from zoo.errors import DataError, InputError
from zoo.io.files import read_regular, with_home
from zoo.specs.metrics import Metrics

MAX_BYTES = 2**28
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
EXPECTED = (
    "A factor file has a header with the factor names, then a row of whole numbers per image."
)


@dataclass(frozen=True)
class Factors:
    """The factors of each image of a split, in order."""

    names: tuple[str, ...]
    values: np.ndarray
    """Class of each factor, `(N, F)` int64."""
    source: str
    """Name used in errors."""

    @property
    def sha256(self) -> str:
        """Hex sha256 of `values` as little-endian int64, in row-major order."""
        return hashlib.sha256(np.ascontiguousarray(self.values, "<i8").tobytes()).hexdigest()


def factors_known(dataset: object, split: str) -> Factors | None:
    """The factors that come with a dataset, or None."""
    named = NAMED.get(dataset) if isinstance(dataset, str) else None
    if named is None or not named.factors or split not in SPLITS:
        return None
    return Factors(named.factors, named.factors_of(split), named.name)


def factors_behind(published: Metrics) -> Factors | None:
    """The factors that published scores were measured against, if the dataset provides them; else None."""
    known = factors_known(published.dataset, published.split) if published.factors else None
    return known if known and known.sha256 == published.factors_sha256 else None


def factors_of(dataset: object, split: str, given: str | Path | bool) -> Factors | None:
    """The factors that `zoo.evaluate` measures codes against.

    Args:
        dataset: as for `load_examples`.
        split: an existing split.
        given: False for none; True for those of the dataset; or the path of a CSV file with a header
            of factor names, then a row of whole numbers per image of the split.

    Raises:
        InputError: if the dataset has no known factors.
        DataError: if the file is missing or invalid.
    """
    if given is False:
        return None
    if given is not True:
        return _read(with_home(given, DataError))
    if known := factors_known(dataset, split):
        return known
    name = repr(str(dataset)) if isinstance(dataset, str | Path) else "This dataset"
    raise InputError(
        f"{name} has no ground-truth factors ({', '.join(WITH_FACTORS)} has them): give a CSV file with a header of factor "
        "names, then a row of whole numbers per image."
    )


def _read(path: Path) -> Factors:
    where = repr(str(path))
    try:
        text = read_regular(path, MAX_BYTES, DataError).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as broken:
        raise DataError(f"{where} is not a CSV file ({broken}). {EXPECTED}") from None
    names = tuple(name.strip() for name in rows[0]) if rows else ()
    if not names or not all(names):
        raise DataError(f"A factor in the header of {where} has no name. {EXPECTED}")
    if len(set(names)) < len(names) or all(map(WHOLE.fullmatch, names)):
        raise DataError(
            f"The header of {where} is {','.join(names)!r:.60}, not one name per factor. {EXPECTED}"
        )
    values = []
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise DataError(
                f"Row {line} of {where} has {len(row)} values, not {len(names)}. {EXPECTED}"
            )
        for name, value in zip(names, row, strict=True):
            if not WHOLE.fullmatch(value.strip()):
                shown = f"{value!r:.40}" if value.strip() else "missing"
                raise DataError(f"{name!r} in row {line} of {where} is {shown}. {EXPECTED}")
        values.append([int(value) for value in row])
    if not values:
        raise DataError(f"{where} has no rows after its header. {EXPECTED}")
    return Factors(names, np.array(values, np.int64), where)
