"""Which numbers compare, by how much two of them differ, and so which model ranks before which."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from zoo.bench.entries import Entry
from zoo.errors import InputError
from zoo.specs.ground import Ground, ground_of, table_ground
from zoo.specs.metrics import METRICS, Metrics
from zoo.specs.protocols import Protocol

SURE = 2.0
"""Standard errors by which two numbers must differ to rank one before the other."""
RULE = (
    "Rank: 1, and 1 more for every model that is better by two standard errors of the difference, "
    "which is taken example by example. What differs by less shares a rank."
)


class Placed(NamedTuple):
    """An entry with its rank; None for one that has not the number that the table is ordered by."""

    rank: int | None
    entry: Entry
    measured: Metrics


@dataclass(frozen=True)
class Standing:
    """The models that share a ground, the best first."""

    ground: Ground
    main: str | None
    """The number that orders them; None where no model has one."""
    rows: tuple[Placed, ...]

    @property
    def names(self) -> list[str]:
        """The zoo's metrics that any of its models has, the main one first."""
        gray = not self.ground.protocol
        there = [
            name
            for name, metric in METRICS.items()
            if (metric.of_reconstructions or metric.of_factors) == gray
            and any(row.measured.value_of(name) is not None for row in self.rows)
        ]
        return sorted(there, key=lambda name: name != self.main)

    @property
    def is_ranked(self) -> bool:
        """Whether any model has another to stand before or behind."""
        return sum(row.rank is not None for row in self.rows) > 1

    @property
    def nll_examples(self) -> list[int]:
        """On how many examples the bounds were taken: several where models have different ones."""
        return sorted({n for row in self.rows if (n := row.measured.nll_n_examples)})

    @property
    def nll_note(self) -> str:
        """K of the bounds, and the examples behind them; empty without bounds."""
        if "nll" not in self.names:
            return ""
        samples = sorted({k for row in self.rows if (k := row.measured.nll_samples)})
        text = f"nll: K = {', '.join(f'{k:,}' for k in samples)}"
        if len(self.nll_examples) == 1:
            return f"{text}, first {self.nll_examples[0]:,} {self.ground.nouns}"
        return f"{text}; in brackets of how many {self.ground.nouns}: only equal ones compare"


def standings(entries: Iterable[Entry]) -> list[Standing]:
    """The measured entries by dataset: a standing for each protocol, then one of reconstructions."""
    measured = [(one, one.measured) for one in entries if one.measured]
    grounds: dict[Ground, dict[str, tuple[Entry, Metrics]]] = {}
    for entry, metrics in measured:
        for protocol in (metrics.protocol, ""):
            same = grounds.setdefault(table_ground(metrics, protocol), {})
            same.setdefault(entry.model, (entry, metrics))
    datasets = list(dict.fromkeys(ground.dataset for ground in grounds))
    protocols = (*get_args(Protocol), "")
    grounds = dict(
        sorted(
            grounds.items(),
            key=lambda item: (datasets.index(item[0].dataset), protocols.index(item[0].protocol)),
        )
    )
    found = [_standing(ground, list(rows.values())) for ground, rows in grounds.items()]
    return [one for one in found if one.names]


def check_comparable(name: str, one: Entry, other: Entry) -> None:
    """Raises InputError for a number that two models do not both have, or have on different grounds."""
    ours, theirs = one.measured, other.measured
    if ours is None or theirs is None or None in (ours.value_of(name), theirs.value_of(name)):
        raise InputError(f"{one.model} and {other.model} do not both have {name}.")
    if why := ground_of(ours, name).differs(ground_of(theirs, name)):
        raise InputError(
            f"{name} of {one.model} and {other.model} does not compare: {why}. Measure both alike."
        )


def difference(name: str, one: Entry, other: Entry) -> tuple[float, float]:
    """By how much a number of `one` is greater than the other's, and the standard error of that.

    Both saw the same examples, so the error is that of the differences example by example; where those
    are not known, that of independent means, which is greater.

    Raises InputError for numbers that do not compare, or are not there.
    """
    check_comparable(name, one, other)
    sides = [side for side in (one.measured, other.measured) if side]
    value, against = (side.value_of(name) or 0.0 for side in sides)
    left, right = one.per_image.get(name), other.per_image.get(name)
    if left is not None and right is not None:
        apart = left.double() - right.double()  # (N,)
        error = apart.std().item() / math.sqrt(len(apart)) if len(apart) > 1 else math.inf
        return apart.mean().item(), error
    errors = [side.error_of(name) for side in sides]
    known = [error for error in errors if error]
    error = math.hypot(*known) if len(known) == 2 else math.inf
    return value - against, error


def _standing(ground: Ground, rows: Sequence[tuple[Entry, Metrics]]) -> Standing:
    main = _main_number(ground, [metrics for _, metrics in rows])
    if main is None:
        return Standing(ground, None, tuple(Placed(None, *row) for row in rows))
    have = [row for row in rows if row[1].value_of(main) is not None]
    lack = [row for row in rows if row[1].value_of(main) is None]
    have.sort(key=lambda row: row[1].value_of(main) or 0.0)
    placed = [Placed(_rank(main, entry, have), entry, metrics) for entry, metrics in have]
    return Standing(ground, main, (*placed, *(Placed(None, *row) for row in lack)))


def _rank(main: str, entry: Entry, all_: Sequence[tuple[Entry, Metrics]]) -> int | None:
    """One more than the models that are surely better; None of a single example, where nothing is sure."""
    if entry.measured and entry.measured.n_examples == 1:
        return None
    better = 0
    for other, _ in all_:
        if other is not entry:
            worse_by, error = difference(main, entry, other)
            better += worse_by > 0 and worse_by >= SURE * error
    return 1 + better


def _main_number(ground: Ground, measured: Sequence[Metrics]) -> str | None:
    """What orders the models: nll where all with an ELBO have it on one ground, else neg_elbo; mse of
    reconstructions, and bce_plus_kl under the gray protocol."""
    name = {"": "mse", "gray": "bce_plus_kl"}.get(ground.protocol, "neg_elbo")
    there = [one for one in measured if one.value_of(name) is not None]
    if not there:
        return None
    bounds = {ground_of(one, "nll") for one in there if one.nll is not None}
    all_bounded = all(one.nll is not None for one in there)
    return "nll" if name == "neg_elbo" and all_bounded and len(bounds) == 1 else name
