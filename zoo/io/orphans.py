"""A process that ends when whoever started it is gone: a killed parent cannot tell its children."""

from __future__ import annotations

import os
import threading
import time

SECONDS = 1.0
"""Between two looks at who the parent is."""


def end_with_parent() -> None:
    """From now on this process ends within seconds of its parent, whatever it is doing."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS)
    os._exit(1)
