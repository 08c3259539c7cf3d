"""What a package's code raises, as one error that names the package."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from zoo.errors import PluginError, ZooError


@contextlib.contextmanager
def blamed(who: str, doing: str) -> Iterator[None]:
    """Makes a PluginError of whatever a package's code raises, sys.exit too.

    An error of the zoo's that names the package already stays what it is.
    """
    try:
        yield
    except (Exception, SystemExit) as failure:
        named = isinstance(failure, ZooError) and who in str(failure)
        if named or is_out_of_memory(failure):
            raise
        raise PluginError(f"{who} {doing}: {cause(failure)}.") from failure


def cause(failure: BaseException) -> str:
    """An exception in words: its type, and the first line of what it says."""
    lines = str(failure).strip().splitlines()
    said = lines[0][:300].rstrip(".") if lines else ""
    return f"{type(failure).__name__}: {said}" if said else type(failure).__name__


def is_out_of_memory(failure: BaseException) -> bool:
    """Whether Python, a device of torch's, or torch's allocator on processors had no memory left."""
    kinds = {kind.__name__ for kind in type(failure).__mro__}
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or (
        isinstance(failure, RuntimeError) and "can't allocate memory" in str(failure)
    )
