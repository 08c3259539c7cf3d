"""`Ground`: the single definition of comparable metrics, for tables, plots, ranks, cards and sites. No torch here.

Metrics compare if their grounds are equal: same examples, same protocol, same random draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from zoo.specs.domains import Domain, Kind
from zoo.specs.metrics import METRICS, Metrics
from zoo.specs.record import Seeds


@dataclass(frozen=True)
class Ground:
    """The conditions that comparable metrics share."""

    dataset: str = field(compare=False)
    """A name for the examples, which their hash identifies."""
    split: str
    n_examples: int
    sha256: str
    """Hash of the examples; if none is recorded, the dataset's name."""
    protocol: str
    """Protocol of a likelihood; empty for metrics of reconstructions and codes of unchanged examples."""
    seed: int | None = None
    """Seed of the posterior samples; None for deterministic metrics."""
    details: tuple[tuple[str, object], ...] = ()
    """Further conditions by name: a protocol's identity, K of a bound, an extractor."""
    domain: Kind = field(default="image", compare=False)
    """Kind of the examples."""

    @property
    def noun(self) -> str:
        """One example in a word."""
        return Domain(self.domain, ()).noun

    @property
    def nouns(self) -> str:
        """Plural noun of the examples: images, rows or series."""
        return Domain(self.domain, ()).nouns

    def __str__(self) -> str:
        shown = f", {self.protocol} protocol, seed {self.seed}" if self.protocol else " as they are"
        return f"{self.dataset}, {self.split} split, {self.n_examples:,} {self.nouns}{shown}"

    def is_part_of(self, other: Ground) -> bool:
        """Whether these are the first N of the other's examples, all else being equal."""
        as_many = self.n_examples <= other.n_examples and self.dataset == other.dataset
        return as_many and _of_any_number(self) == _of_any_number(other)

    def differs(self, other: Ground) -> str:
        """Why metrics on the two grounds do not compare; empty if they do."""
        if self == other:
            return ""
        ours, theirs = dict(self.details), dict(other.details)
        pairs = [(name, ours.get(name), theirs.get(name)) for name in {**ours, **theirs}]
        pairs += [
            (name, getattr(self, name), getattr(other, name))
            for name in ("protocol", "seed", "split")
        ]
        found = [f"{name} is {one} and {two}" for name, one, two in pairs if one != two]
        if self.n_examples != other.n_examples:
            found.append(f"there are {self.n_examples:,} and {other.n_examples:,} {self.nouns}")
        elif self.sha256 != other.sha256:
            named = f" ({self.dataset} and {other.dataset})" * (self.dataset != other.dataset)
            found.append(f"the {self.nouns} differ{named}, in content, order or form")
        return "; ".join(found)


def _of_any_number(ground: Ground) -> Ground:
    """The ground without the number of examples and their hash."""
    details = tuple(one for one in ground.details if not one[0].endswith("n_examples"))
    return replace(ground, n_examples=0, sha256="", details=details)


def ground_of(measured: Metrics | Seeds, name: str) -> Ground:
    """The ground of the metric called `name`.

    Metrics of reconstructions are deterministic and do not depend on the protocol.
    """
    metric = METRICS.get(name)
    if metric is None or metric.of_reconstructions:
        return table_ground(measured, "")
    if metric.of_factors:
        about = ("factors_sha256", "factors_n_examples", "seed")
        return _ground(measured, "", None, {one: getattr(measured, one, None) for one in about})
    found = table_ground(measured, measured.protocol)
    if name != "nll":
        return found
    bound = {one: getattr(measured, one) for one in ("nll_samples", "nll_n_examples")}
    return _ground(measured, found.protocol, found.seed, dict(found.details) | bound)


def table_ground(measured: Metrics | Seeds, protocol: str) -> Ground:
    """The ground of a table: of metrics under a protocol, or, if it is empty, of reconstructions.

    For importance-weighted bounds and disentanglement scores see `ground_of`.
    """
    if protocol:
        details = {"protocol_id": measured.protocol_id}
        return _ground(measured, protocol, measured.seed, details)
    return _ground(measured, "", None, {"reconstruction_id": measured.reconstruction_id})


def _ground(
    measured: Metrics | Seeds, protocol: str, seed: int | None, details: Mapping[str, object]
) -> Ground:
    return Ground(
        measured.dataset,
        measured.split,
        measured.n_examples,
        measured.dataset_sha256 or measured.dataset,
        protocol,
        seed,
        tuple(details.items()),
        measured.domain,
    )
