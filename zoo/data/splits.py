"""Division of a dataset into train, validation and test, by names in it or by a hash of each example's key."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence

import numpy as np

from zoo.data.sources.base import Source
from zoo.errors import DataError

PARTS = ("train", "validation", "test")
SPLITS = (*PARTS, "train+validation")
PART_NAMES = {
    "train": "training|train",
    "validation": "validation|valid|val|dev",
    "test": "testing|test",
}
"""Prefixes, in any case, of the names of folders, files, arrays and mapping keys that hold one part."""
HELD_OUT = {"test": (0.0, 0.1), "validation": (0.1, 0.2)}
"""Interval of `place` of the examples that are held out for a part that is not named."""
FEW = 50
"""Below this many examples an interval may be empty; the part then takes the nearest example."""


def by_name(paths: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Paths by the part that their last component starts with, and the remaining paths.

    A dataset has named parts if at least two of the three occur; otherwise the mapping is empty.
    `train`, `Train-000.tar`, `train2017`, `trainA` and `trainset` belong to train, `trains` does not.
    """
    found: dict[str, list[str]] = {part: [] for part in PARTS}
    others = []
    for path in paths:
        name = os.path.basename(path)
        parts = (p for p in PARTS if re.match(f"(?i:({PART_NAMES[p]})(set)?)(?![a-z])", name))
        found.get(next(parts, ""), others).append(path)
    named = {part: some for part, some in found.items() if some}
    return (named, others) if len(named) > 1 else ({}, [])


def one_of_each(names: Sequence[str], what: str) -> dict[str, str]:
    """The name of each part among names of arrays or keys; empty if no parts are named.

    Raises DataError if two names mean the same part.
    """
    found, _ = by_name(names)
    if double := next((some for some in found.values() if len(some) > 1), None):
        raise DataError(f"{what}: {double[0]!r} and {double[1]!r} name the same part.")
    return {part: some[0] for part, some in found.items()}


def place(key: str) -> float:
    """Hash of a key in [0, 1): the first 8 bytes of its sha256, divided by 2^64."""
    return (
        int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8], "big")
        / 2**64
    )


def numbers_of(found: dict[str, Source], what: str) -> dict[str, np.ndarray]:
    """The example numbers of each split, in order.

    Args:
        found: the sources of the named parts, whose examples are numbered consecutively; or one
            source for all, as "all". A missing part is drawn from "train" or "all".
        what: name of the dataset in errors.

    Raises DataError if there are too few examples to draw from.
    """
    ends = np.cumsum([len(source) for source in found.values()])
    numbers = {"train": np.arange(0)} | {
        part: np.arange(end - len(source), end)
        for (part, source), end in zip(found.items(), ends, strict=True)
    }
    drawn_from = "all" if "all" in found else "train"
    missing = [part for part in HELD_OUT if part not in found]
    if missing:
        pool, source = numbers[drawn_from], found[drawn_from]
        if len(pool) <= len(missing):
            raise DataError(
                f"{what} has {len(pool)} {source.nouns}{' in train' if drawn_from == 'train' else ''}; "
                f"at least {len(missing) + 1} are needed to hold out {' and '.join(missing)}."
            )
        places = np.array([place(key) for key in source.split_keys()])
        numbers |= {part: pool[chosen] for part, chosen in draw(places, missing).items()}
    return numbers | {"train+validation": np.concatenate([numbers["train"], numbers["validation"]])}


def draw(places: np.ndarray, parts: Sequence[str]) -> dict[str, np.ndarray]:
    """Indices of the examples of each of `parts`, given all examples' places `(N,)`; the rest is train.

    A part with an empty interval takes the smallest remaining place; no part takes the last example.
    """
    left = np.argsort(places, kind="stable")
    found = {}
    for count, part in enumerate(parts, 1):
        low, high = HELD_OUT[part]
        inside = (places[left] >= low) & (places[left] < high)
        chosen = left[inside] if inside.any() else left[:1]
        chosen = chosen[: len(left) - (len(parts) - count) - 1]
        found[part] = np.sort(chosen)
        left = left[~np.isin(left, chosen)]
    return found | {"train": np.sort(left)}


def describe(found: dict[str, Source], numbers: dict[str, np.ndarray], what: str) -> str:
    """A line with the size of each part and how it was chosen."""
    sizes = ", ".join(f"{len(numbers[part]):,} {part}" for part in PARTS)
    missing = [part for part in HELD_OUT if part not in found]
    pool = "all" if "all" in found else "train"
    how = "by the names in it"
    if missing:
        held = " and ".join(missing)
        how = (
            f"no parts are named, so a tenth each is held out for {held}"
            if pool == "all"
            else f"by the names in it, with a tenth of train held out for {held}"
        ) + ", by a hash of each key"
    few = missing and len(found[pool]) < FEW
    moves = (
        f"; with fewer than {FEW} {found[pool].nouns}, adding some may move others to another part"
        if few
        else ""
    )
    return f"{what}: {sizes} ({how}{moves})."
