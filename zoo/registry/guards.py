"""Guards around code that is somebody else's: what it raises, and what it says while it is imported."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from zoo.errors import PluginError, ZooError
from zoo.io.text import printable

MOST_SAID = 10_000
"""Warnings, log records and prints that a package may issue while it is imported."""
REPLAYED = 10
"""How many of them are passed on."""


@contextlib.contextmanager
def blamed(who: str, doing: str) -> Iterator[None]:
    """Makes a PluginError of whatever a package's code raises, sys.exit too.

    An error of the zoo's that names the package already stays what it is.
    """
    try:
        yield
    except (Exception, SystemExit) as failure:
        if isinstance(failure, ZooError) and who in str(failure):
            raise
        raise PluginError(f"{who} {doing}: {cause(failure)}.") from failure


def cause(failure: BaseException) -> str:
    """An exception in words: its type, and the first line of what it says."""
    try:
        lines = str(failure).strip().splitlines()
    except Exception:  # a message that cannot even be made
        lines = []
    said = lines[0][:300].rstrip(".") if lines else ""
    return f"{type(failure).__name__}: {said}" if said else type(failure).__name__


class _TooMuchError(BaseException):
    """A package that never stops talking; no Exception, which it might catch."""


@contextlib.contextmanager
def overheard() -> Iterator[None]:
    """Counts what code prints, warns of and logs, ends what goes on for ever, and answers no prompt.

    A little of what was said is passed on afterwards, to standard error, if nothing failed.
    """
    said: list[warnings.WarningMessage] = []
    output = _Output()
    factory, stdin = logging.getLogRecordFactory(), sys.stdin

    def heed(*details: Any) -> None:
        output.count()
        if len(said) < REPLAYED:
            said.append(warnings.WarningMessage(*details))

    def record(*arguments: Any, **keywords: Any) -> logging.LogRecord:
        output.count()
        return factory(*arguments, **keywords)

    logging.setLogRecordFactory(record)
    sys.stdin = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            warnings.simplefilter("always")  # or a warning that repeats is not even seen
            warnings.showwarning = heed
            yield
    finally:
        logging.setLogRecordFactory(factory)
        sys.stdin = stdin
    output.replay(sys.stderr)
    for one in said:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


class _Output(io.TextIOBase):
    """Takes what is printed, and counts everything that is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.times = 0

    def count(self) -> None:
        self.times += 1
        if self.times > MOST_SAID:
            raise _TooMuchError(
                f"more than {MOST_SAID:,} warnings and prints while it was imported"
            )

    def write(self, text: str, /) -> int:
        self.count()
        if len(self.lines) < REPLAYED:
            self.lines.append(text[:1_000])
        return len(text)

    def writable(self) -> bool:
        return True

    def replay(self, stream: TextIO) -> None:
        """Passes on the first that was printed."""
        stream.write(printable("".join(self.lines)))
