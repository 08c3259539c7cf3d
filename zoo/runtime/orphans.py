"""Exit of a child process when its parent has died."""

from __future__ import annotations

import os
import threading
import time

SECONDS = 1.0


def end_with_parent(parent: int | None = None) -> None:
    """Exits this process, without cleanup, soon after its parent dies.

    A killed parent cannot stop its children, which would keep computing.

    Args:
        parent: process id of the parent, which may have died before this call; None is the current
            parent.
    """
    expected = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == expected:
            time.sleep(SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
