"""Settings from environment variables; invalid values raise an error and are never ignored."""

from __future__ import annotations

import os
import re

from zoo.errors import DataError

UNITS = {"": 2**20, "MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}


def count(name: str) -> int | None:
    """A non-negative integer, or None if the variable is not set. Raises DataError for other values."""
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise DataError(
            f"The environment variable {name}={text!r} is not a whole number, such as {name}=2."
        )
    return int(text)


def size(name: str, default: int) -> int:
    """A size in bytes, given in MiB or with a unit, such as 1GB. Raises DataError for other values."""
    text = os.environ.get(name, "").strip()
    found = re.fullmatch(r"([0-9]{1,9})\s*([A-Za-z]*)", text)
    if not text:
        return default
    if found is None or found[2].upper() not in UNITS:
        raise DataError(
            f"The environment variable {name}={text!r} is not a size: use MiB, such as {name}=512, or a "
            "unit, such as 1GB, 1GiB or 500MB."
        )
    return int(found[1]) * UNITS[found[2].upper()]
