"""What the benchmarks share: measurements taken in turn, and a table of them beside their targets."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


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


def start(
    program: str,
    arguments: Sequence[str],
    threads: int,
    told: dict[str, str] | None = None,
    python: str | Path = sys.executable,
) -> subprocess.Popen[str]:
    """Runs a program in a process that computes in so many threads: some libraries fix that early.

    `told` are variables of its environment; `python` may be another environment's.
    """
    chosen = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return subprocess.Popen(
        [str(python), program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | chosen | (told or {}),
    )


def answer(process: subprocess.Popen[str]) -> Any:
    """Lets a process go on until it says something, as a line of JSON."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(file=process.stdin, flush=True)
    line = process.stdout.readline()
    if not line:
        sys.exit(f"A measurement ended too early: {' '.join(map(str, process.args))}")  # pyright: ignore[reportArgumentType]  # a list
    return json.loads(line)


def clock(threads: int) -> Callable[[], float]:
    """What tells the seconds of work in so many threads.

    For one thread it is the processor's time in this process, which leaves out what other
    programs take; that of several would count the time in which one waits for another.
    """
    return time.process_time if threads == 1 else time.perf_counter


class Turns:
    """The side of a process that is started above: it works when told to, and is timed."""

    def __init__(self, threads: int) -> None:
        self.clock = clock(threads)
        self.number = 0

    def begin(self) -> None:
        """Waits for the next turn, whose random draws are the same in every such process.

        Ends the process if nobody asks for a turn any more.
        """
        if not sys.stdin.readline():
            sys.exit(1)
        torch.manual_seed(self.number)
        self.number += 1
        self.begun = self.clock()

    def end(self, done: int) -> None:
        """Says how much was done in this turn and in how many seconds, and waits for the next."""
        seconds = self.clock() - self.begun
        print(json.dumps({"done": done, "seconds": seconds}), flush=True)
        self.begin()
