"""Reading and writing files so that nothing is half-written and only regular files are opened."""

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

    What is opened is what is checked: a fifo, a device or a folder in a file's place is refused
    without reading it. Raises `error`.
    """
    with open_regular(path, error) as file:
        size = check_size(file, path, limit, error)
        try:
            return file.read(size)
        except OSError as failure:
            raise error(f"Cannot read {str(path)!r}: {failure.strerror}.", path=path) from None


def check_size(file: BinaryIO, path: Path, limit: int, error: type[ZooError] = WeightsError) -> int:
    """The size of an open file, in bytes. Raises `error` if that is more than `limit`."""
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise error(
            f"{str(path)!r} has {size:,} bytes; at most {limit:,} are right. It was not read.",
            path=path,
        )
    return size


@contextmanager
def open_regular(path: Path, error: type[ZooError] = WeightsError) -> Iterator[BinaryIO]:
    """A regular file, open for reading; anything else in its place raises `error`."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(
            path, flags | getattr(os, "O_NONBLOCK", 0)
        )  # a fifo would make it wait
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path
        raise error(f"Cannot open {str(path)!r}: {_cause(failure)}.", path=path) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise error(f"{str(path)!r} is not a regular file; it was not read.", path=path)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def with_home(path: str | Path, error: type[ZooError] = ZooError) -> Path:
    """The path with a leading `~` replaced by the home folder. Raises `error` if there is none."""
    if not isinstance(path, (str, Path)):
        raise error(f"A path is a string or a Path; got {path!r:.60}.")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise error(
            f"{str(path)!r} begins with a home folder that does not exist.", path=path
        ) from None


def write_atomically(path: Path, data: bytes | str) -> None:
    """Writes to a temporary file in the same folder, flushes, then renames.

    A full or read-only disk leaves what was there. Raises ZooError; so does a device, a fifo or a
    folder in the file's place, which stays.
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
    """A copy of a regular file, or of the one that a link leads to. Raises ZooError."""
    with open_regular(source) as file, writing(target):
        make_folder(target.parent)
        with open(target, "xb") as copy:
            shutil.copyfileobj(file, copy, 2**20)
            copy.flush()
            os.fsync(copy.fileno())


def check_holds_only(folder: Path, names: Sequence[str], what: str) -> None:
    """Raises InputError for a file, and for a folder with something else than the names of a `what`."""
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise InputError(f"{str(folder)!r} is a file; a {what} needs a folder.")
    other = sorted(set(os.listdir(folder)) - set(names)) if os.path.isdir(folder) else []
    if other:
        raise InputError(
            f"{str(folder)!r} holds {other[0]!r}, which is no part of a {what}. Name a new or empty "
            "folder."
        )


def check_not_another(path: Path, data: bytes) -> None:
    """Raises InputError where a file has another content: what somebody made is not replaced."""
    if os.path.lexists(path) and not (path.is_file() and path.read_bytes() == data):
        raise InputError(
            f"{str(path)!r} is there already and is something else. Nothing was written: name "
            "another folder, or delete it."
        )


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A new folder inside `target` whose files take their places in it at the end, one after another.

    Where anything fails before that, `target` keeps all that it had; a process that is killed between
    two of the last renames leaves files of both. Raises ZooError.
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
            with suppress(OSError):  # it has files: nothing failed
                target.rmdir()


def _move_all(stage: Path, target: Path) -> None:
    """Looks at every place first, so that none is taken where another cannot be."""
    files = [path for path in stage.rglob("*") if path.is_file()]
    files.sort(key=lambda path: (-len(path.parts), path))  # the folder's own files come together
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
    """A file that grows in pieces as `<name>.partial`, and takes its own name when it is whole.

    What was written stays when its process is killed; `open` cuts off what came after the piece that
    is known to be good. All of it raises ZooError where the disk fails; so does a device, a fifo or
    a folder in either place.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_name(f"{path.name}.partial")
        self.file: FileIO | None = None
        with writing(path):
            make_folder(path.parent)
            for place in (self.path, self.partial):
                _check_replaceable(place)

    def has(self, size: int) -> bool:
        """Whether its first `size` bytes were written already."""
        return self.partial.is_file() and self.partial.stat().st_size >= size

    def open(self, keep: int) -> None:
        """Opens it to go on after its first `keep` bytes; 0 begins anew."""
        with writing(self.partial):
            # unbuffered: a process that is forked off holds no bytes that it could write again
            self.file = FileIO(self.partial, "r+b" if keep else "wb")
            self.file.truncate(keep)
            self.file.seek(keep)

    def append(self, data: bytes | memoryview) -> None:
        """Writes all of it at the end."""
        assert self.file is not None
        rest = memoryview(data)
        with writing(self.partial):
            while rest:
                rest = rest[self.file.write(rest) :]

    def sync(self) -> None:
        """Returns when the disk has it."""
        if self.file is not None:
            with writing(self.partial):
                os.fsync(self.file.fileno())

    def take_its_place(self) -> None:
        """Gives it its own name, unless it has it already."""
        with writing(self.path):
            if self.partial.is_file():
                os.replace(self.partial, self.path)

    def close(self) -> None:
        """Writes nothing any more."""
        if self.file is not None:
            self.file.close()

    def discard(self) -> None:
        """Deletes what was written."""
        self.close()
        remove(self.partial)


def remove(path: Path) -> None:
    """Deletes a file if it is there. Raises ZooError."""
    with writing(path):
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Creates a folder, and those above it, if it is not there. Raises ZooError for a file in its place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ZooError(
            f"{str(folder)!r} is a file where a folder is needed.", path=folder
        ) from None


def _check_replaceable(path: Path) -> None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise ZooError(f"{str(path)!r} is not a regular file; it was not replaced.", path=path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises ZooError, in a sentence, where the disk fails."""
    try:
        yield
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path
        full = isinstance(failure, OSError) and failure.errno == errno.ENOSPC
        hint = " Free some space and try again." if full else ""
        raise ZooError(f"Cannot write {str(path)!r}: {_cause(failure)}.{hint}", path=path) from None


def _cause(failure: OSError | ValueError) -> str:
    return str(getattr(failure, "strerror", None) or failure)
