"""Atomic writes, and reads of regular files only."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from zoo.errors import InputError, WeightsError, ZooError


def read_regular(path: Path, limit: int, error: type[ZooError] = WeightsError) -> bytes:
    """All bytes of a regular file of at most `limit` bytes, read once.

    The check is on the open file: a fifo, device or folder is refused unread. Raises `error`.
    """
    with open_regular(path, error) as file:
        size = check_size(file, path, limit, error)
        try:
            return file.read(size)
        except OSError as failure:
            raise error(f"Cannot read {str(path)!r}: {failure.strerror}.", path=path) from None


def check_size(file: BinaryIO, path: Path, limit: int, error: type[ZooError] = WeightsError) -> int:
    """The size of an open file, in bytes. Raises `error` if it exceeds `limit`."""
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise error(
            f"{str(path)!r} is {size:,} bytes; the limit is {limit:,}. It was not read.",
            path=path,
        )
    return size


@contextmanager
def open_regular(path: Path, error: type[ZooError] = WeightsError) -> Iterator[BinaryIO]:
    """A regular file, open for reading. Raises `error` for anything else."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(
            path, flags | getattr(os, "O_NONBLOCK", 0)
        )  # opening a fifo would block
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path
        raise error(f"Cannot open {str(path)!r}: {_cause(failure)}.", path=path) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise error(f"{str(path)!r} is not a regular file; it was not read.", path=path)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def with_home(path: str | Path, error: type[ZooError] = ZooError) -> Path:
    """The path with a leading `~` replaced by the home folder. Raises `error` if it is unknown."""
    if not isinstance(path, (str, Path)):
        raise error(f"A path must be a string or Path; got {path!r:.60}.")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise error(
            f"Cannot expand '~' in {str(path)!r}: the home folder is unknown.", path=path
        ) from None


def write_atomically(path: Path, data: bytes | str) -> None:
    """Writes to a temporary file in the same folder, flushes, then renames.

    If the disk fails, an existing file stays as it was. Raises ZooError, also where `path` is a
    device, fifo or folder, which is not replaced.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with writing(path):
        make_folder(path.parent)
        _check_replaceable(path)
        try:
            with open(temporary, "xb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def copy_regular(source: Path, target: Path) -> None:
    """Copies a regular file, following links. Raises ZooError."""
    with open_regular(source) as file, writing(target):
        make_folder(target.parent)
        with open(target, "xb") as copy:
            shutil.copyfileobj(file, copy, 2**20)
            copy.flush()
            os.fsync(copy.fileno())


def check_holds_only(folder: Path, names: Sequence[str], what: str) -> None:
    """Raises InputError if `folder` is a file or contains anything but `names`; `what` is for the message."""
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise InputError(f"{str(folder)!r} is a file; a {what} needs a folder.")
    other = sorted(set(os.listdir(folder)) - set(names)) if os.path.isdir(folder) else []
    if other:
        raise InputError(
            f"{str(folder)!r} contains {other[0]!r}, which is not part of a {what}. Choose a new or "
            "empty folder."
        )


def check_not_another(path: Path, data: bytes) -> None:
    """Raises InputError if `path` exists with other content, so that it is not overwritten."""
    if os.path.lexists(path) and not (path.is_file() and path.read_bytes() == data):
        raise InputError(
            f"{str(path)!r} already exists with other content. Nothing was written: choose another "
            "folder, or delete it."
        )


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A temporary folder inside `target` whose files are moved into `target` at the end, one by one.

    After an earlier failure `target` is unchanged; a process killed between two of the final renames
    leaves a mix of old and new files. Raises ZooError.
    """
    stage = target / f".saving.{secrets.token_hex(6)}"
    is_new = not os.path.exists(target)
    with writing(target):
        stage.mkdir(parents=True)
    try:
        yield stage
        _move_all(stage, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # not empty: nothing failed
                target.rmdir()


def _move_all(stage: Path, target: Path) -> None:
    """Checks every destination before moving anything."""
    files = [path for path in stage.rglob("*") if path.is_file()]
    files.sort(key=lambda path: (-len(path.parts), path))  # top-level files last
    places = {path: target / path.relative_to(stage) for path in files}
    for place in places.values():
        _check_replaceable(place)
        if place.parent != target and place.parent.is_symlink():
            raise ZooError(f"{str(place.parent)!r} is a link; nothing was written through it.")
    with writing(target):
        for place in places.values():
            make_folder(place.parent)
        for path, place in places.items():
            os.replace(path, place)


class GrowingFile:
    """A file written in pieces as `<name>.partial` and renamed when complete.

    Data survive a killed process; `open` truncates to the part known to be good. Methods raise
    ZooError if the disk fails, and the constructor if either path is a device, fifo or folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_name(f"{path.name}.partial")
        self.file: FileIO | None = None
        with writing(path):
            make_folder(path.parent)
            for place in (self.path, self.partial):
                _check_replaceable(place)

    def has(self, size: int) -> bool:
        """Whether at least `size` bytes are already written."""
        return self.partial.is_file() and self.partial.stat().st_size >= size

    def open(self, keep: int) -> None:
        """Opens it to append after the first `keep` bytes; 0 starts over."""
        with writing(self.partial):
            # unbuffered: a forked process must not flush the same bytes again
            self.file = FileIO(self.partial, "r+b" if keep else "wb")
            self.file.truncate(keep)
            self.file.seek(keep)

    def append(self, data: bytes | memoryview) -> None:
        """Appends all of `data`."""
        assert self.file is not None
        rest = memoryview(data)
        with writing(self.partial):
            while rest:
                rest = rest[self.file.write(rest) :]

    def sync(self) -> None:
        """Flushes to disk."""
        if self.file is not None:
            with writing(self.partial):
                os.fsync(self.file.fileno())

    def take_its_place(self) -> None:
        """Renames it to its final name, unless that is done."""
        with writing(self.path):
            if self.partial.is_file():
                os.replace(self.partial, self.path)

    def close(self) -> None:
        """Closes the file; it stays `<name>.partial`."""
        if self.file is not None:
            self.file.close()

    def discard(self) -> None:
        """Deletes the partial file."""
        self.close()
        remove(self.partial)


def remove(path: Path) -> None:
    """Deletes a file if it exists. Raises ZooError."""
    with writing(path):
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Creates a folder and its parents if missing. Raises ZooError if a file is in its place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ZooError(f"{str(folder)!r} is a file, but a folder is needed.", path=folder) from None


def _check_replaceable(path: Path) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise ZooError(f"{str(path)!r} is not a regular file; it was not replaced.", path=path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns operating system errors into ZooError."""
    try:
        yield
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path
        full = isinstance(failure, OSError) and failure.errno == errno.ENOSPC
        hint = " Free some space and try again." if full else ""
        raise ZooError(f"Cannot write {str(path)!r}: {_cause(failure)}.{hint}", path=path) from None


def _cause(failure: OSError | ValueError) -> str:
    return str(getattr(failure, "strerror", None) or failure)
