"""How a dataset is divided into train, validation and test: by the names in it, else by each example's key."""

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
"""How the name of a folder, a file, an array or a mapping's key begins that holds one part, in any case."""
HELD_OUT = {"test": (0.0, 0.1), "validation": (0.1, 0.2)}
"""A part that no name gives is drawn from the rest: the examples whose `place` is in this interval."""
FEW = 50
"""Below so many examples a part may be empty by its interval, and takes the nearest example instead."""


def by_name(paths: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Paths by the part with which their last component begins, and those that begin with none.

    A dataset has named parts if two of the three are there; if not, the mapping is empty. `train`,
    `Train-000.tar`, `train2017`, `trainA` and `trainset` are of train, `trains` is not.
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
    """The name of each part, among those of arrays and keys; empty if no parts are named.

    Raises DataError for two names of one part.
    """
    found, _ = by_name(names)
    if double := next((some for some in found.values() if len(some) > 1), None):
        raise DataError(f"{what}: {double[0]!r} and {double[1]!r} name the same part.")
    return {part: some[0] for part, some in found.items()}


def place(key: str) -> float:
    """Where a key falls in [0, 1): the first 8 bytes of its sha256, over 2^64."""
    return (
        int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8], "big")
        / 2**64
    )


def numbers_of(found: dict[str, Source], what: str) -> dict[str, np.ndarray]:
    """The numbers of the examples of each split, in order.

    Args:
        found: the sources of the named parts, whose examples are numbered one after the other; or
            of all, as "all". A part without a source is drawn from "train" or "all".
        what: what to call the set in errors.

    Raises DataError where too few examples are left to draw from.
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
                f"{len(missing) + 1} at least are needed to hold out {' and '.join(missing)}."
            )
        places = np.array([place(key) for key in source.split_keys()])
        numbers |= {part: pool[chosen] for part, chosen in draw(places, missing).items()}
    return numbers | {"train+validation": np.concatenate([numbers["train"], numbers["validation"]])}


def draw(places: np.ndarray, parts: Sequence[str]) -> dict[str, np.ndarray]:
    """Which of some examples, by their places `(N,)`, are of each of `parts`; the others are of train.

    A part whose interval is empty takes the smallest place that is left, and none takes the last one.
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
    """How many examples each part has, and why, in a line."""
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
        f"; with fewer than {FEW} images to draw from, adding some may move others" if few else ""
    )
    return f"{what}: {sizes} ({how}{moves})."
