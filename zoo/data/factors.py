"""What is known of the factors behind the images of a split: from the dataset itself, or from a CSV file."""

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
WANTED = "A file of factors begins with a line of their names, then has a line of whole numbers for each image."


@dataclass(frozen=True)
class Factors:
    """The factors of each image of a split, in its order."""

    names: tuple[str, ...]
    values: np.ndarray
    """`(N, F)` int64: classes."""
    source: str
    """What to call them in errors."""

    @property
    def sha256(self) -> str:
        """Hex, of the values' bytes, row by row, little-endian."""
        return hashlib.sha256(np.ascontiguousarray(self.values, "<i8").tobytes()).hexdigest()


def factors_known(dataset: object, split: str) -> Factors | None:
    """Those that a dataset knows, or None."""
    named = NAMED.get(dataset) if isinstance(dataset, str) else None
    if named is None or not named.factors or split not in SPLITS:
        return None
    return Factors(named.factors, named.factors_of(split), named.name)


def factors_behind(published: Metrics) -> Factors | None:
    """Those that published scores were taken against, where the dataset knows them; else None."""
    known = factors_known(published.dataset, published.split) if published.factors else None
    return known if known and known.sha256 == published.factors_sha256 else None


def factors_of(dataset: object, split: str, given: str | Path | bool) -> Factors | None:
    """What `zoo.evaluate` is asked to measure codes against.

    Args:
        dataset: as `load_examples` takes it.
        split: one that there is.
        given: False is nothing; True is what the dataset knows; a path is a CSV file: a header
            with the factors' names, then a row of whole numbers for each image of the split.

    Raises:
        InputError: for a dataset that knows no factors.
        DataError: for a file that is missing or has mistakes.
    """
    if given is False:
        return None
    if given is not True:
        return _read(with_home(given, DataError))
    if known := factors_known(dataset, split):
        return known
    name = repr(str(dataset)) if isinstance(dataset, str | Path) else "This dataset"
    raise InputError(
        f"{name} has no known factors ({', '.join(WITH_FACTORS)} has them): give a CSV file of them, with a line of names, "
        "then a line of whole numbers for each image."
    )


def _read(path: Path) -> Factors:
    where = repr(str(path))
    try:
        text = read_regular(path, MAX_BYTES, DataError).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as broken:
        raise DataError(f"{where} is not a CSV file ({broken}). {WANTED}") from None
    names = tuple(name.strip() for name in rows[0]) if rows else ()
    if not names or not all(names):
        raise DataError(f"A factor in the first line of {where} has no name. {WANTED}")
    if len(set(names)) < len(names) or all(map(WHOLE.fullmatch, names)):
        raise DataError(
            f"The first line of {where} is {','.join(names)!r:.60}: not a name for each factor. "
            f"{WANTED}"
        )
    values = []
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise DataError(
                f"Row {line} of {where} has {len(row)} values, not {len(names)}. {WANTED}"
            )
        for name, value in zip(names, row, strict=True):
            if not WHOLE.fullmatch(value.strip()):
                said = f"{value!r:.40}" if value.strip() else "missing"
                raise DataError(f"{name!r} in row {line} of {where} is {said}. {WANTED}")
        values.append([int(value) for value in row])
    if not values:
        raise DataError(f"{where} has no line after its first. {WANTED}")
    return Factors(names, np.array(values, np.int64), where)
