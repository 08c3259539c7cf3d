"""Turns exceptions of a package's code into one error that names the package."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from zoo.errors import PluginError, ZooError


@contextlib.contextmanager
def plugin_errors(who: str, doing: str) -> Iterator[None]:
    """Turns any exception of a package's code, including SystemExit, into a PluginError.

    A ZooError that already names the package, and running out of memory, pass through unchanged.
    """
    try:
        yield
    except (Exception, SystemExit) as failure:
        named = isinstance(failure, ZooError) and who in str(failure)
        if named or is_out_of_memory(failure):
            raise
        raise PluginError(f"{who} {doing}: {cause(failure)}.") from failure


def cause(failure: BaseException) -> str:
    """An exception as text: its type, and the first line of its message."""
    lines = str(failure).strip().splitlines()
    message = lines[0][:300].rstrip(".") if lines else ""
    return f"{type(failure).__name__}: {message}" if message else type(failure).__name__


def is_out_of_memory(failure: BaseException) -> bool:
    """Whether Python, a torch device or torch's CPU allocator ran out of memory."""
    kinds = {kind.__name__ for kind in type(failure).__mro__}
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or (
        isinstance(failure, RuntimeError) and "can't allocate memory" in str(failure)
    )
