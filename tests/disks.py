"""A disk that fills up, for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str = "64k") -> Iterator[Callable[[str], object]]:
    """A file system of its own, where this user may make one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("no file system can be mounted here")
    try:
        yield lambda mode: subprocess.run(["mount", "-o", f"remount,{mode}", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
