"""What the benchmarks share: measurements taken in turn, and a table of them beside their targets."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """A measured number beside its target."""

    what: str
    measured: float
    unit: str
    target: float
    at_least: bool = False
    """Whether the target is the least that is right; else it is the most."""

    @property
    def met(self) -> bool:
        """Whether the measured number is on the right side of the target."""
        return self.measured >= self.target if self.at_least else self.measured <= self.target


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median of the ratios of two arms measured in turn, each pair within the same moment.

    Noise that lasts longer than one turn (another program, a warm processor) is in both and
    cancels.
    """
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def print_comparisons(comparisons: Sequence[Comparison]) -> None:
    """Each number, its target, and whether it is met."""
    rows = [
        (
            one.what,
            f"{one.measured:.3g}{one.unit}",
            f"{'>=' if one.at_least else '<='} {one.target:g}{one.unit}",
            "pass" if one.met else "MISS",
        )
        for one in comparisons
    ]
    print_table(("", "measured", "target", ""), rows)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Plain text: the first column aligned left, the others right, an empty line after."""
    table = [columns, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    for row in table:
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())
    print(flush=True)


def print_setting() -> None:
    """What the numbers were taken on, and how busy it was."""
    from importlib.metadata import version

    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"torch {version('torch')}, Python {platform.python_version()}, {platform.machine()}, "
        f"{os.cpu_count()} processors{load}\n",
        flush=True,
    )


def threads_environment(threads: int) -> dict[str, str]:
    """The environment of a process that computes in so many threads: some libraries fix it early."""
    return os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
