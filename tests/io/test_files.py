"""Files: only regular ones are read, nothing is half-written, nothing is lost."""

from __future__ import annotations

import errno
import os
import resource
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest
from disks import small_disk

from zoo.errors import DataError, WeightsError, ZooError
from zoo.io import files

STRANGE = ["fifo", "zero", "full", "folder", "socket"]


pytestmark = pytest.mark.usefixtures("no_hang")


def put(kind: str, path: Path) -> None:
    """Something in a file's place that is no file."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path.symlink_to(f"/dev/{kind}")


def as_it_is(path: Path) -> dict[str, int]:
    """All that the disk knows of a file, but for when it was last looked at."""
    status = os.lstat(path)
    known = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
    return {name: value for name, value in known.items() if "atime" not in name}


@contextmanager
def file_size_limit(limit: int):
    """Writes beyond so many bytes fail, as on a full disk. Python ignores SIGXFSZ by itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Reading


def test_a_regular_file_is_read_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert files.read_regular(path, 3) == b"abc"


def test_a_link_to_a_regular_file_is_followed(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert files.read_regular(tmp_path / "link", 3) == b"abc"


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_regular_file_is_refused_without_reading(tmp_path, kind):
    put(kind, tmp_path / "strange")
    with pytest.raises(WeightsError, match=r"not a regular file; it was not read|Cannot open"):
        files.read_regular(tmp_path / "strange", 10)


def test_refusing_leaves_no_file_open(tmp_path):
    put("folder", tmp_path / "folder")
    put("fifo", tmp_path / "fifo")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        for name in ("folder", "fifo"):
            with pytest.raises(WeightsError):
                files.read_regular(tmp_path / name, 10)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 10**12)  # sparse: it takes no room, and would take all memory
    with pytest.raises(WeightsError) as caught:
        files.read_regular(path, 64_000)
    assert "is 1,000,000,000,000 bytes; the limit is 64,000. It was not read." in str(caught.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere", "No such file or directory"),
        ("a" * 300, "File name too long"),
        ("a\0b", "null byte"),
        ("file/below", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_opened_says_why(tmp_path, name, why):
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match="Cannot open") as caught:
        files.read_regular(tmp_path / name, 10, DataError)
    assert why in str(caught.value)


def test_a_home_that_is_not_here_is_a_sentence():
    assert files.with_home("~/x") == Path.home() / "x"
    with pytest.raises(DataError, match="Cannot expand '~' in '~nobody-of-that-name/x'"):
        files.with_home("~nobody-of-that-name/x", DataError)


# Writing


def test_text_and_bytes_are_written_into_new_folders(tmp_path):
    files.write_atomically(tmp_path / "a" / "b" / "file", "é")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"\xc3\xa9"
    assert names(tmp_path / "a" / "b") == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with file_size_limit(1000), pytest.raises(ZooError, match="File too large"):
        files.write_atomically(path, bytes(5000))
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_a_sentence_that_says_what_to_do(tmp_path):
    with small_disk(tmp_path / "disk"):
        path = tmp_path / "disk" / "file"
        files.write_atomically(path, b"old")
        with pytest.raises(ZooError) as caught:
            files.write_atomically(path, bytes(200_000))
        assert str(caught.value) == (
            f"Cannot write {str(path)!r}: No space left on device. Free some space and try again."
        )
        assert path.read_bytes() == b"old"
        assert names(path.parent) == ["file"]


def test_a_read_only_disk_is_a_sentence(tmp_path):
    with small_disk(tmp_path / "disk") as remount:
        path = tmp_path / "disk" / "file"
        files.write_atomically(path, b"old")
        remount("ro")
        with pytest.raises(ZooError, match=r"Cannot write '.*': Read-only file system\."):
            files.write_atomically(path, b"new")
        with pytest.raises(ZooError, match="Read-only file system"), files.staged(path.parent):
            pass
        assert path.read_bytes() == b"old"


@pytest.mark.parametrize("kind", STRANGE)
def test_a_device_a_fifo_or_a_folder_is_never_replaced(tmp_path, kind):
    path = tmp_path / "place"
    put(kind, path)
    before = as_it_is(path)
    with pytest.raises(ZooError, match="not a regular file; it was not replaced"):
        files.write_atomically(path, b"new")
    assert as_it_is(path) == before
    assert names(tmp_path) == ["place"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file/below", "'.*/file' is a file, but a folder is needed"),
        ("file/deep/below", "Cannot write '.*': Not a directory"),
        ("a" * 300, "Cannot write '.*': File name too long"),
        ("a\0b", "Cannot write '.*': .*null byte"),
        ("/proc/nowhere/file", "Cannot write '.*': No such file or directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path, name, why):
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(ZooError, match=f"^{why}"):
        files.write_atomically(tmp_path / name, b"new")
    assert (tmp_path / "file").read_bytes() == b"kept"


# A whole folder


def write_new(folder: Path, *paths: str) -> None:
    with files.staged(folder) as stage:
        before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        for path in paths:
            files.write_atomically(stage / path, "new")
        assert all(path.read_bytes() == data for path, data in before.items())


def test_staged_files_take_their_places_together(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "other").write_text("kept")
    write_new(tmp_path, "a", "sub/b")
    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "sub" / "b").read_text() == "new"
    assert names(tmp_path) == ["a", "other", "sub"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, ZooError])
def test_a_failure_on_the_way_changes_nothing(tmp_path, failure):
    (tmp_path / "a").write_text("old")

    def write() -> None:
        with files.staged(tmp_path) as stage:
            files.write_atomically(stage / "a", "new")
            raise failure("on the way")

    with pytest.raises(failure):
        write()
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_failure_leaves_no_new_folder(tmp_path):
    with pytest.raises(ZooError), files.staged(tmp_path / "new"):
        raise ZooError("on the way")
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", STRANGE)
def test_no_file_takes_its_place_where_one_cannot(tmp_path, kind):
    (tmp_path / "a").write_text("old")
    put(kind, tmp_path / "b")
    with pytest.raises(ZooError, match="not replaced"):
        write_new(tmp_path, "a", "b")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a", "b"]


def test_a_file_where_a_folder_is_needed_changes_nothing(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "sub").write_text("a file")
    with pytest.raises(ZooError, match=r"sub' is a file, but a folder is needed"):
        write_new(tmp_path, "a", "sub/b")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a", "sub"]


def test_removing_what_is_not_there_is_fine_and_a_failure_is_a_sentence(tmp_path, monkeypatch):
    files.remove(tmp_path / "nowhere")

    def fail(path, *, missing_ok=False):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(ZooError, match="Read-only file system"):
        files.remove(tmp_path / "file")
