"""What tells a split's examples from others, for whoever resumes: nothing is read a second time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from zoo.data.examples import PIECE, Examples
from zoo.data.stream import StreamedExamples
from zoo.errors import DataError

Fingerprint = dict[str, int | str]
"""Plain JSON: `examples`, how many; `values`, their sha256, where they are in memory; `files` where they
are streamed: a sha256 of which examples they are of which files, by the files' sizes and times of change."""


def fingerprint(examples: Examples | StreamedExamples) -> Fingerprint:
    """The fingerprint of a split. A Python object that is streamed has a count alone."""
    if isinstance(examples, Examples):
        return {"examples": len(examples), "values": examples.sha256}
    told: Fingerprint = {"examples": len(examples)}
    digest, any_marks, source = hashlib.sha256(examples.numbers.tobytes()), False, examples.source
    for first in range(0, len(source), PIECE):
        try:
            marks = source.marks(first, min(PIECE, len(source) - first))
        except DataError as gone:  # whoever reads it says so, unless it may be left out
            marks = str(gone).encode()
        digest.update(marks)
        any_marks = any_marks or bool(marks)
    return told | ({"files": digest.hexdigest()} if any_marks else {})


def difference(before: Mapping[str, object], now: Fingerprint) -> str:
    """What tells two fingerprints apart, as a clause; empty where nothing does."""
    told = {
        "examples": f"{before.get('examples')} examples then and {now.get('examples')} now",
        "values": "other values now than then",
        "files": "files that were replaced or changed since (by their sizes and times of change, which "
        "cp -p and rsync -a keep)",
    }
    shared = [name for name in told if name in before and name in now]
    return next((told[name] for name in shared if before[name] != now[name]), "")
