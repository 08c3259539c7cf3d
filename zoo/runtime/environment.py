"""Settings from the environment: what is not understood is refused, never ignored."""

from __future__ import annotations

import os
import re

from zoo.errors import DataError

UNITS = {"": 2**20, "MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}


def count(name: str) -> int | None:
    """A whole number, 0 or more; None where it is not set. Raises DataError for anything else."""
    said = os.environ.get(name, "").strip()
    if not said:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", said):
        raise DataError(
            f"{name}={said!r} in the environment: a whole number is right, as {name}=2."
        )
    return int(said)


def size(name: str, default: int) -> int:
    """Bytes: MiB, or with a unit, as 1GB. Raises DataError for anything else."""
    said = os.environ.get(name, "").strip()
    found = re.fullmatch(r"([0-9]{1,9})\s*([A-Za-z]*)", said)
    if not said:
        return default
    if found is None or found[2].upper() not in UNITS:
        raise DataError(
            f"{name}={said!r} in the environment: MiB are right, as {name}=512, or 1GB, 1GiB, 500MB."
        )
    return int(found[1]) * UNITS[found[2].upper()]
