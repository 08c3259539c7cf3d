"""Processes whose parent has died."""

from __future__ import annotations

import subprocess
import sys
import time

CHILD = "from zoo.runtime.orphans import end_with_parent; import time; {call}; print('up', flush=True); time.sleep(600)"
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_a_child_ends_soon_after_its_parent_is_killed():
    child = CHILD.format(call="end_with_parent()")
    parent = subprocess.Popen([sys.executable, "-c", PARENT, child], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    parent.kill()
    parent.wait()
    begun = time.monotonic()
    assert parent.stdout.read() == b""  # the pipe closes when the child has ended
    assert time.monotonic() - begun < 300  # the child would sleep for 600


def test_a_child_whose_parent_had_died_before_ends_too():
    child = CHILD.format(call="end_with_parent(1 << 22)")  # no process has that id
    assert subprocess.run([sys.executable, "-c", child], timeout=300).returncode == 1
