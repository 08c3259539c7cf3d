"""Tables with labeled anomalies: the detector beside PyOD's methods."""

from __future__ import annotations

import hashlib
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from comparison import print_table

from anomalies import pyod_methods
from anomalies.methods import DETECTOR, UNTRAINED, Recipe
from anomalies.pyod_methods import AUTO_ENCODER
from anomalies.records import LEGEND, Measurement, Records, mean_of, print_hashes, ranked, shown
from zoo.data import Examples
from zoo.errors import DataError
from zoo.sklearn import Detector

MOST_ROWS = 50_000
DEVELOPMENT = 15
"""Tables of lower numbers are for development."""
ALL, HALF = "all", "half"
SETTINGS = (ALL, HALF)
Method = Callable[[np.ndarray, np.ndarray | None, int], np.ndarray]
"""Scores `(M,)` from rows to fit, rows to score (None for the same), and a seed."""


@dataclass(frozen=True)
class Labeled:
    """A table with labels."""

    name: str
    rows: np.ndarray
    """`(N, D)` float64."""
    labels: np.ndarray
    """`(N,)`; 1 for anomalies, else 0."""

    @cached_property
    def sha256(self) -> str:
        """Hex sha256 of the rows and labels, little-endian and in row-major order."""
        digest = hashlib.sha256(self.rows.astype("<f8").tobytes())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    def split(self, setting: str, seed: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Rows to fit, rows to score (None for the same), and the labels of those."""
        if setting == ALL:
            return self.rows, None, self.labels
        normal = np.random.default_rng(seed).permutation(np.flatnonzero(self.labels == 0))
        fitted, others = np.split(normal, [len(normal) // 2])
        tested = np.sort(np.concatenate([others, np.flatnonzero(self.labels == 1)]))
        return self.rows[np.sort(fitted)], self.rows[tested], self.labels[tested]


def find_tables(folder: Path, development: bool, names: Sequence[str] | None) -> list[Path]:
    """The tables for development, or all others; only some, if named.

    Raises DataError for a name that is not among them, and if there are none.
    """
    found = sorted(folder.glob("*.npz"), key=lambda path: (_number(path), path.name))
    chosen = {path.stem: path for path in found if (_number(path) < DEVELOPMENT) == development}
    if not chosen:
        kind = (
            f"of numbers below {DEVELOPMENT}" if development else f"of numbers from {DEVELOPMENT}"
        )
        raise DataError(f"{str(folder)!r} has no tables (.npz) {kind}.")
    if unknown := [name for name in names or () if name not in chosen]:
        raise DataError(
            f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not among the tables "
            f"{'with' if development else 'without'} --development: {', '.join(chosen)}."
        )
    return [path for name, path in chosen.items() if not names or name in names]


def _number(path: Path) -> int:
    """A table's number, as in `4_breastw.npz`; a table without one counts as DEVELOPMENT."""
    first = path.stem.split("_")[0]
    return int(first) if first.isdecimal() else DEVELOPMENT


def read_table(path: Path, limit: int) -> Labeled:
    """A table's rows and labels; `limit` rows drawn with seed 0 if there are more. Raises DataError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            rows, labels = arrays["X"].astype(np.float64), arrays["y"].ravel().astype(np.int64)
    except (KeyError, ValueError) as problem:
        raise DataError(f"{str(path)!r} is not a table of X and y: {problem}.") from None
    if len(rows) > limit:
        drawn = np.random.default_rng(0).choice(len(rows), limit, replace=False)
        rows, labels = rows[drawn], labels[drawn]
    return Labeled(path.stem, rows, labels)


def run(
    recipe: Recipe, records: Records, seeds: Sequence[int], limit: int, paths: Sequence[Path]
) -> None:
    """Measures all methods on all tables and prints a table for each setting."""
    methods = _methods(recipe)
    if AUTO_ENCODER not in methods:
        print("PyOD is not installed: its methods are left out.\n")
    _warm_up(methods)
    found: dict[str, Found] = {setting: {} for setting in SETTINGS}
    hashes = []
    for path in paths:
        table = read_table(path, limit)
        print(f"{table.name}: {table.rows.shape}", file=sys.stderr, flush=True)
        if table.labels.sum() < 2 or (1 - table.labels).sum() < 4:
            print(
                f"{table.name}: left out, too few anomalies or normal rows are among those drawn."
            )
            continue
        shape = " x ".join(f"{size:,}" for size in table.rows.shape)
        hashes.append((f"{table.name} ({shape}, {table.labels.sum():,} anomalies)", table.sha256))
        for setting in SETTINGS:
            found[setting][table.name] = {
                method: _measure(records, table, setting, method, methods[method], seeds)
                for method in methods
            }
        records.write()
    for setting in SETTINGS:
        _report(setting, found[setting])
    print_hashes(hashes)


Found = dict[str, dict[str, list[Measurement]]]
"""Measurements by seed, by table and by method."""


def _methods(recipe: Recipe) -> dict[str, Method]:
    def ours(make: Callable[[np.ndarray, int], Detector]) -> Method:
        def scores(fitted: np.ndarray, tested: np.ndarray | None, seed: int) -> np.ndarray:
            detector = make(fitted, seed).fit(fitted)
            return detector.scores(fitted if tested is None else tested).values

        return scores

    def theirs(make: Callable[[int], pyod_methods.PyOD]) -> Method:
        def scores(fitted: np.ndarray, tested: np.ndarray | None, seed: int) -> np.ndarray:
            detector = make(seed)
            detector.fit(fitted)
            own = tested is None  # a row is not its own neighbor
            return detector.decision_scores_ if own else detector.decision_function(tested)

        return scores

    def untrained(rows: np.ndarray, seed: int) -> Detector:
        return recipe.untrained(Examples("X", "all", torch.from_numpy(rows)), seed)

    own = {DETECTOR: ours(lambda _, seed: recipe.detector(seed)), UNTRAINED: ours(untrained)}
    return own | {name: theirs(make) for name, make in pyod_methods.find().items()}


def _warm_up(methods: Mapping[str, Method]) -> None:
    """Runs every method once, so that what is imported or compiled on first use is not timed."""
    rows = np.random.default_rng(0).normal(size=(100, 4))
    for method in methods.values():
        method(rows, rows, 0)


def _measure(
    records: Records,
    table: Labeled,
    setting: str,
    name: str,
    method: Method,
    seeds: Sequence[int],
) -> list[Measurement]:
    """A method's measurements by seed; only one if neither it nor the setting depends on it."""

    def work(seed: int) -> dict[str, float]:
        fitted, tested, labels = table.split(setting, seed)
        begun = time.process_time()
        scores = method(fitted, tested, seed)
        seconds = time.process_time() - begun
        is_first = seed == seeds[0]
        return {**ranked(scores[labels == 0], scores[labels == 1], is_first), "seconds": seconds}

    found = []
    for seed in seeds if setting == HALF or pyod_methods.has_seed(name) else seeds[:1]:
        of = {
            "table": table.name,
            "sha256": table.sha256,
            "setting": setting,
            "method": name,
            "seed": seed,
        }
        one = records.measure(of, lambda seed=seed: work(seed), catch=True)
        if "error" in one:
            print(f"{name} failed on {table.name} ({setting}, seed {seed}): {one['error']}")
        found.append(one)
    return found


def _report(setting: str, found: Found) -> None:
    if not found:
        return
    methods = list(next(iter(found.values())))
    works = [name for name, table in found.items() if not any(map(_failed, table.values()))]
    about = (
        "fit on all rows, without labels" if setting == ALL else "fit on half of the normal rows"
    )
    print(f"{setting}: {about}. {LEGEND}")
    rows = [[name, *(shown(table[one]) for one in methods)] for name, table in found.items()]
    means = [
        shown(mean_of([found[name][one] for name in works]) if works else []) for one in methods
    ]
    print_table((setting, *methods), [*rows, ["mean", *means]])
    seconds = {
        name: {one: _seconds(table[one]) for one in methods} for name, table in found.items()
    }
    print(f"{setting}: seconds of the processor for fit and score, one thread, mean over seeds")
    rows = [[name, *(f"{one:.2f}" for one in taken.values())] for name, taken in seconds.items()]
    if works:
        total = {one: sum(seconds[name][one] for name in works) for one in methods}
        rows.append(["mean", *(f"{total[one] / len(works):.2f}" for one in methods)])
        if AUTO_ENCODER in methods:
            rows.append(
                [
                    f"/ {AUTO_ENCODER}",
                    *(f"{total[one] / total[AUTO_ENCODER]:.3f}" for one in methods),
                ]
            )
            rows.append(
                ["median over tables", *(f"{_median(seconds, works, one):.3f}" for one in methods)]
            )
    print_table((setting, *methods), rows)
    if len(works) == len(found):
        print(f"Means are over all {len(works)} tables.\n")
    else:
        print(
            f"Means are over {len(works)} of {len(found)} tables, on which all methods work: {', '.join(works)}.\n"
        )


def _median(seconds: Mapping[str, Mapping[str, float]], works: Sequence[str], method: str) -> float:
    return statistics.median(seconds[name][method] / seconds[name][AUTO_ENCODER] for name in works)


def _failed(measurements: Sequence[Measurement]) -> bool:
    return any("error" in one for one in measurements)


def _seconds(measurements: Sequence[Measurement]) -> float:
    """Mean over the seeds that worked; NaN if none did."""
    taken = [one["seconds"] for one in measurements if "error" not in one]
    return statistics.mean(taken) if taken else float("nan")
