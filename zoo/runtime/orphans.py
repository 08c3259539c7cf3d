"""A process that ends when the one that started it has died."""

from __future__ import annotations

import os
import threading
import time

SECONDS = 1.0


def end_with_parent(parent: int | None = None) -> None:
    """Ends this process, at once and without cleaning up, soon after its parent died.

    A parent that is killed cannot end its children; they would compute on for nobody.

    Args:
        parent: process id of who started this one, for a parent that may have died before this is
            called; None is the parent of now.
    """
    expected = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == expected:
            time.sleep(SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
