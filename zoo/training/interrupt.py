"""Ctrl-C and SIGTERM during a training: an orderly end instead of a traceback."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""From a person, and from a scheduler that takes the machine back."""


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Either signal sets the event, so that a step is never cut in two; a second one stops at once."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = {one: signal.getsignal(one) or signal.SIG_DFL for one in SIGNALS}

    def put_back() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    def on_interrupt(number, frame):
        interrupted.set()
        put_back()

    for one in SIGNALS:
        signal.signal(one, on_interrupt)
    try:
        yield interrupted
    finally:
        put_back()
