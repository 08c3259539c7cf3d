"""Graceful handling of Ctrl-C and SIGTERM during a training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and preemption by a scheduler."""


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """The first signal sets the event, so that the current step finishes; a second one stops at once."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = {one: signal.getsignal(one) or signal.SIG_DFL for one in SIGNALS}

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    def on_interrupt(number, frame):
        interrupted.set()
        restore()

    for one in SIGNALS:
        signal.signal(one, on_interrupt)
    try:
        yield interrupted
    finally:
        restore()
