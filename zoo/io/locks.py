"""Locks: one process at a time in a folder or on a file."""

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
"""Time to wait for a lock. Children of a killed process exit within it."""
TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""Errors that mean that another process has the lock; any other means that locks are unsupported."""


@contextmanager
def locked(file: Path, in_use: str, error: type[ZooError] = ZooError) -> Iterator[int]:
    """Holds an exclusive lock against other processes and other callers in this process.

    The lock is an empty file, created along with its folder and deleted at the end. The system
    releases it when the process exits for any reason, so a leftover file locks nothing. It uses
    `flock`, or `msvcrt` on Windows, where the file stays. On a file system without locks it logs a
    warning and does not exclude others.

    Args:
        file: path of the lock file: inside the folder to lock, such as `<folder>/.lock`, or next to
            the file to lock.
        in_use: error message if the lock is still taken after `SECONDS`.
        error: class of that error.

    Yields:
        The lock's file descriptor: a child process that inherits it holds the lock too.

    Raises `error`, and ZooError if the file cannot be created.
    """
    descriptor = _acquired(file, in_use, error)
    try:
        yield descriptor
    finally:
        with suppress(OSError):  # Windows cannot delete an open file
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
            taken = _take(descriptor, file) and _is_current(descriptor, file)
        finally:
            if not taken:
                os.close(descriptor)
        if taken:
            return descriptor
        if time.monotonic() > until:
            raise error(in_use)
        time.sleep(0.1)


def _take(descriptor: int, file: Path) -> bool:
    """Tries to take the lock; whether it succeeded."""
    try:
        try:
            import fcntl
        except ImportError:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]  # of Windows
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failure:
        if failure.errno in TAKEN:
            return False
        log.warning(
            "The file system of %r does not support locks (%s): start nothing else that writes there.",
            str(file.parent),
            failure.strerror,
        )
    return True


def _is_current(descriptor: int, file: Path) -> bool:
    """Whether the open file is still the one at the path: the previous owner may have deleted it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(file))
    except FileNotFoundError:
        return False
