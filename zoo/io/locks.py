"""One process at a time in a folder, or at work on a file."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import ZooError
from zoo.io.files import make_folder, writing

log = logging.getLogger("zoo")

SECONDS = 15.0
"""How long to wait for a lock: the children of a process that was killed end within this time."""
HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""How a system says that another process has the lock; anything else is no lock at all."""


@contextmanager
def locked(file: Path, in_use: str, error: type[ZooError] = ZooError) -> Iterator[int]:
    """Keeps every other process, and every other caller in this one, out until the end.

    The lock is an empty file, created with its folder and deleted at the end. The system releases
    it when its process ends, however that happens: a file that a killed process leaves behind
    locks nothing. It is `flock`'s, and on Windows `msvcrt`'s, where the file stays. Where a file
    system has no locks, a warning says so, and nobody is kept out.

    Args:
        file: for a folder a file inside it, such as `<folder>/.lock`; for a file one beside it.
        in_use: the message, if the lock is still taken after `SECONDS`.
        error: what is raised then.

    Yields:
        The lock's file descriptor: a child process that inherits it holds the lock too.

    Raises `error`, and ZooError where the file cannot be created.
    """
    descriptor = _acquired(file, in_use, error)
    try:
        yield descriptor
    finally:
        with suppress(OSError):  # Windows deletes no open file
            file.unlink()
        os.close(descriptor)


def _acquired(file: Path, in_use: str, error: type[ZooError]) -> int:
    until = time.monotonic() + SECONDS
    while True:
        with writing(file):
            make_folder(file.parent)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        taken = False
        try:
            taken = _take(descriptor, file) and _is_there(descriptor, file)
        finally:
            if not taken:
                os.close(descriptor)
        if taken:
            return descriptor
        if time.monotonic() > until:
            raise error(in_use)
        time.sleep(0.1)


def _take(descriptor: int, file: Path) -> bool:
    """Whether the lock is this process's now."""
    try:
        try:
            import fcntl
        except ImportError:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]  # of Windows
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failure:
        if failure.errno in HELD:
            return False
        log.warning(
            "The file system of %r has no locks (%s): start nothing else that writes there.",
            str(file.parent),
            failure.strerror,
        )
    return True


def _is_there(descriptor: int, file: Path) -> bool:
    """Whether this is the file that others find: the one who had it deletes it at the end."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except FileNotFoundError:
        return False
