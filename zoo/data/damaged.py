"""Skipping of unreadable examples, up to a limit."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from zoo.errors import DataError
from zoo.runtime import processes

log = logging.getLogger("zoo")

LISTED = 5


def damaged_numbers(
    mine: Iterable[tuple[int, str]], most: int, where: str, nouns: str = "images"
) -> list[int]:
    """The numbers of examples that any process found unreadable; logs a warning that names the first few.

    `mine` holds the number and error message of those found by this process. Raises DataError if there
    are more than `most`.
    """
    damaged = sorted(bad for share in processes.gathered(list(mine)) for bad in share)
    names = "; ".join(message for _, message in damaged[:LISTED])
    names += f"; and {len(damaged) - LISTED:,} more" if len(damaged) > LISTED else ""
    if len(damaged) > most:
        raise DataError(
            f"{len(damaged):,} {nouns} of the {where} are damaged, more than data.max_damaged = "
            f"{most:,}: {names}"
        )
    if damaged:
        one = len(damaged) == 1
        noun = nouns if nouns == "series" else nouns.removesuffix("s")
        some = f"A damaged {noun} is" if one else f"{len(damaged):,} damaged {nouns} are"
        log.warning("%s skipped: %s", some, names)
    return [number for number, _ in damaged]
