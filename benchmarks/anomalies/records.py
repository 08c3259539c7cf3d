"""`Records`: measurements by what they are of, in a JSON file from which a stopped run resumes."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.detection.ranking import auroc, separation
from zoo.io.files import write_atomically

Measurement = dict[str, Any]
"""A measurement: `of`, what it is of, and its numbers, such as `auroc`; or `error`."""
LEGEND = "AUROC (standard error over examples, bootstrap of the first seed; standard deviation over seeds)"


class Records:
    """Measurements of one run, or of several with the same `about`.

    Args:
        path: the JSON file, or None to write none.
        about: the program's settings and versions. A file of others is refused, with SystemExit.
    """

    def __init__(self, path: Path | None, about: Mapping[str, Any]) -> None:
        self.path, self.about = path, dict(about)
        self._found: dict[str, Measurement] = {}
        if path is not None and path.exists():
            self._read(path)

    def measure(
        self, of: Mapping[str, Any], work: Callable[[], Mapping[str, Any]], catch: bool = False
    ) -> Measurement:
        """The measurement of this, from the file or else by `work`.

        With `catch` an exception is recorded as `error`: a method may fail on some data.
        """
        key = json.dumps(of, sort_keys=True)
        if key not in self._found:
            try:
                numbers = dict(work())
            except Exception as failure:
                if not catch:
                    raise
                reason = (str(failure).splitlines() or [""])[0][:200]
                numbers = {"error": f"{type(failure).__name__}: {reason}"}
            self._found[key] = {"of": dict(of), **numbers}
        return self._found[key]

    def write(self) -> None:
        """Writes all measurements so far, if there is a file."""
        if self.path is not None:
            fields = {"about": self.about, "measurements": list(self._found.values())}
            write_atomically(self.path, json.dumps(fields, indent=1) + "\n")

    def _read(self, path: Path) -> None:
        try:
            fields = json.loads(path.read_text())
            about, measurements = fields["about"], fields["measurements"]
        except (ValueError, KeyError, TypeError):
            sys.exit(f"{path} is not a file of this benchmark.")
        if about != self.about:
            changed = sorted(
                name for name in {*about, *self.about} if about.get(name) != self.about.get(name)
            )
            sys.exit(
                f"{path} holds measurements of another setting ({', '.join(changed)}). Choose another --out."
            )
        self._found = {json.dumps(one["of"], sort_keys=True): one for one in measurements}


def ranked(normal: np.ndarray, anomalous: np.ndarray, is_first: bool) -> dict[str, float]:
    """The AUROC of scores `(N,)` and `(M,)`; of the first seed all of `separation`, with standard errors."""
    if is_first:
        return separation(normal, anomalous)
    labels = np.repeat([0, 1], [len(normal), len(anomalous)])
    return {"auroc": auroc(labels, np.concatenate([normal, anomalous]))}


def mean_of(groups: Sequence[Sequence[Measurement]]) -> list[Measurement]:
    """The mean of several groups of measurements, by seed.

    Its standard error over examples is the mean of theirs, which is an upper bound: groups may share
    examples. Seeds are those that the groups have most of; a group of a single one is the same for all.
    """
    count = max(len(group) for group in groups)
    even = [list(group) * count if len(group) == 1 else list(group) for group in groups]
    means: list[Measurement] = [
        {"auroc": statistics.mean(one["auroc"] for one in some)} for some in zip(*even, strict=True)
    ]
    means[0]["auroc_se"] = statistics.mean(group[0]["auroc_se"] for group in groups)
    return means


def shown(measurements: Sequence[Measurement]) -> str:
    """Measurements of several seeds as in LEGEND."""
    if not measurements:
        return "-"
    if any("error" in one for one in measurements):
        return "failed"
    values = [one["auroc"] for one in measurements]
    spread = f"; {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f} ({measurements[0]['auroc_se']:.3f}{spread})"


def print_hashes(hashes: Iterable[tuple[str, str]]) -> None:
    """Names of datasets with the first digits of their sha256, without duplicates."""
    for name, sha256 in dict.fromkeys(hashes):
        print(f"  {sha256[:12]}  {name}")
    print(flush=True)
