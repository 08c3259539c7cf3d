"""Reading and writing files so that nothing is half-written and nothing strange is opened."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from zoo.errors import WeightsError, ZooError


def read_regular(path: Path, limit: int, error: type[ZooError] = WeightsError) -> bytes:
    """All bytes of a regular file of at most `limit` bytes, read once.

    What is opened is what is checked: a fifo, a device or a folder in a file's place is refused
    without reading it. Raises `error`.
    """
    return read_sized(path, 0, limit, error)


def read_sized(path: Path, least: int, most: int, error: type[ZooError] = WeightsError) -> bytes:
    """As `read_regular`, for a file whose size must also be at least `least` bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_BINARY", 0))
    except OSError as failure:
        raise error(f"Cannot open {str(path)!r}: {failure.strerror}.") from None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise error(f"{str(path)!r} is not a regular file; it was not read.")
        if not least <= status.st_size <= most:
            allowed = f"at most {most:,}" if least == 0 else f"{least:,} to {most:,}"
            raise error(
                f"{str(path)!r} has {status.st_size:,} bytes; {allowed} are right. It was not read."
            )
        try:
            return _read_all(file, status.st_size)
        except OSError as failure:
            raise error(f"Cannot read {str(path)!r}: {failure.strerror}.") from None


def _read_all(file, size: int) -> bytes:
    data = file.read(size)
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            break
        data += more
    return data


def write_atomically(path: Path, data: bytes | str) -> None:
    """Writes to a temporary file in the same folder, flushes, then renames.

    A full or read-only disk leaves what was there. Raises ZooError.
    """
    content = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as failure:
        hint = " Free some space and try again." if failure.errno == errno.ENOSPC else ""
        raise ZooError(f"Cannot write {str(path)!r}: {failure.strerror}.{hint}") from None
