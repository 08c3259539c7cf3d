"""Fingerprints, which detect changed data on resuming without reading the data again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from zoo.data.examples import PIECE, Examples
from zoo.data.stream import StreamedExamples
from zoo.errors import DataError

Fingerprint = dict[str, int | str]
"""JSON with `examples`, the count; for examples in memory `values`, their sha256; for streamed ones `files`, a
sha256 of the example numbers and the files' sizes and modification times."""


def fingerprint(examples: Examples | StreamedExamples) -> Fingerprint:
    """The fingerprint of a split. A streamed Python object has only a count."""
    if isinstance(examples, Examples):
        return {"examples": len(examples), "values": examples.sha256}
    found: Fingerprint = {"examples": len(examples)}
    digest, any_marks, source = hashlib.sha256(examples.numbers.tobytes()), False, examples.source
    for first in range(0, len(source), PIECE):
        try:
            marks = source.marks(first, min(PIECE, len(source) - first))
        except DataError as gone:  # reported when it is read, unless it may be skipped
            marks = str(gone).encode()
        digest.update(marks)
        any_marks = any_marks or bool(marks)
    return found | ({"files": digest.hexdigest()} if any_marks else {})


def difference(before: Mapping[str, object], now: Fingerprint) -> str:
    """The difference of two fingerprints as a clause; empty if there is none."""
    clauses = {
        "examples": f"{before.get('examples')} examples then and {now.get('examples')} now",
        "values": "different values now than then",
        "files": "files that were replaced or changed since (by size and modification time, which cp -p "
        "and rsync -a preserve)",
    }
    shared = [name for name in clauses if name in before and name in now]
    return next((clauses[name] for name in shared if before[name] != now[name]), "")
