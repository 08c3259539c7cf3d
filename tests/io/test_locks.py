"""Locks: one process at a time, and none is left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from zoo.errors import InputError, ZooError
from zoo.io import locks

HOLD = """
import sys, time
from pathlib import Path
from zoo.io.locks import locked
with locked(Path("place/.lock"), "in use"):
    print("held", flush=True)
    {then}
"""
COUNT = """
from pathlib import Path
from zoo.io.locks import locked
for _ in range(200):
    with locked(Path("place/.lock"), "in use"):
        count = Path("count")
        count.write_text(str(int(count.read_text()) + 1))
"""


def holding(then: str) -> subprocess.Popen[bytes]:
    """Another process that has the lock."""
    code = HOLD.format(then=then)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def take(file: str) -> None:
    """Takes a lock that is free, and gives it back."""
    with locks.locked(Path(file), "in use", InputError):
        assert Path(file).exists()
    assert not Path(file).exists()


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(locks, "SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_what_another_process_holds_is_refused_and_given_when_it_ends():
    process = holding("sys.stdin.read()")
    with pytest.raises(InputError, match="in use"):
        take("place/.lock")
    process.communicate()
    take("place/.lock")


@pytest.mark.usefixtures("at_once")
def test_two_callers_of_one_process_keep_each_other_out_of_one_file_alone():
    with locks.locked(Path(".a.npy.lock"), "in use"):
        take(".b.npy.lock")
        with pytest.raises(InputError, match="in use"):
            take(".a.npy.lock")
    take(".a.npy.lock")


@pytest.mark.usefixtures("at_once")
def test_a_killed_process_leaves_no_lock():
    process = holding("sys.stdin.read()")
    process.kill()
    process.communicate()
    assert os.listdir("place") == [".lock"]
    take("place/.lock")


def test_children_of_a_killed_process_are_waited_for(monkeypatch):
    monkeypatch.setattr(locks, "SECONDS", 60.0)
    process = holding("import os; os.fork() and os._exit(0); sys.stdin.read()")
    process.wait()
    assert process.stdin is not None
    threading.Timer(0.5, process.stdin.close).start()
    with locks.locked(Path("place/.lock"), "in use"):
        assert process.stdin.closed


def test_no_two_processes_are_ever_in_it_together():
    Path("count").write_text("0")
    some = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(4)]
    assert [process.wait() for process in some] == [0] * 4
    assert Path("count").read_text() == "800"


def test_a_file_system_without_locks_is_warned_of(monkeypatch, caplog):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with locks.locked(Path("place/.lock"), "in use"):
        assert "'place' does not support locks (No locks available)" in caplog.text


@pytest.mark.usefixtures("at_once")
def test_windows_locks_are_taken_where_there_is_no_fcntl(monkeypatch):
    taken: list[int] = []

    def locking(descriptor: int, mode: int, count: int) -> None:
        if taken:
            raise PermissionError(errno.EACCES, "Permission denied")
        taken.append(descriptor)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    windows = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    with locks.locked(Path("place/.lock"), "in use") as held, pytest.raises(InputError):
        take("place/.lock")
    assert taken == [held]


@pytest.mark.usefixtures("at_once")
def test_a_place_that_cannot_be_locked_is_a_sentence():
    Path("file").touch()
    with pytest.raises(ZooError, match=r"'file' is a file, but a folder is needed"):
        take("file/.lock")
