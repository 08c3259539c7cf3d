"""An action of the Hub client, bounded in time, and tried again where that may help.

The client waits without end for some answers and retries only some requests. Here each action
runs in a thread of its own, which is stopped when its time is up, and each wait is announced.
"""

from __future__ import annotations

import ctypes
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from huggingface_hub import constants

from zoo.hub.failures import (
    LONGEST_WAIT_S,
    Asked,
    TooSlowError,
    as_error,
    is_lasting,
    is_timeout,
    is_unreachable,
    retry_after,
    root_of,
)

T = TypeVar("T")


class StoppedError(BaseException):
    """What an action that was given up meets; no `except Exception` holds it."""


log = logging.getLogger("zoo")

WAITS_S = (1.0, 3.0)
"""Before the second and third try, unless the Hub asks for another time."""
WAITS_FOR_A_DEAD_HUB_S = (1.0,)
SOON_S = 3.0
PATIENCE, PATIENCE_PER_MB = 6.0, 1.0
"""Times the client's own timeout, HF_HUB_DOWNLOAD_TIMEOUT, that an action may take."""


def patiently(asked: Asked, action: Callable[[], T], *, size: int = 0, again: bool = True) -> T:
    """What the action returns.

    Args:
        asked: what it asks of the Hub, for the messages.
        action: calls the client; it may be called several times.
        size: bytes that it moves, which lengthen its time.
        again: whether a failure that leaves open what happened may be tried again.

    Raises:
        ZooError: whatever went wrong.
    """
    seconds = constants.HF_HUB_DOWNLOAD_TIMEOUT * (PATIENCE + PATIENCE_PER_MB * size / 1e6)
    tries = 0
    while True:
        tries += 1
        start = time.monotonic()
        try:
            return in_time(action, seconds)
        except Exception as failure:
            root = root_of(failure)
            wait = _wait(root, tries, again, time.monotonic() - start)
            if wait is None:
                error = as_error(root, asked, tries)
                break
        log.warning("%s. Trying again in %g s.", _reason(asked, root), wait)
        time.sleep(wait)
    raise error from None  # a traceback must not quote what the client was given


def _wait(failure: BaseException, tries: int, again: bool, took: float) -> float | None:
    """Seconds until the next try, or None if there is none."""
    asked_for = retry_after(failure)
    if is_lasting(failure) or not (again or asked_for is not None):
        return None
    if is_unreachable(failure) and (is_timeout(failure) or took > SOON_S):
        return None  # the client has waited, or tried again, by itself
    waits = WAITS_FOR_A_DEAD_HUB_S if is_unreachable(failure) else WAITS_S
    if tries > len(waits):
        return None
    if asked_for is None:
        return waits[tries - 1]
    return asked_for if asked_for <= LONGEST_WAIT_S else None


def _reason(asked: Asked, failure: BaseException) -> str:
    return str(as_error(failure, asked, 1)).partition(" Try again")[0].rstrip(".")


def in_time(action: Callable[[], T], seconds: float) -> T:
    """What the action returns, if it does within so many seconds. Raises TooSlowError, or its error.

    An action that is too slow, or interrupted, does nothing more: it is stopped at its next step,
    or when whatever it waits for returns, and cannot keep the program from ending.
    """
    answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((action(), None))
        except BaseException as failure:
            answers.put((None, failure))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        value, failure = answers.get(timeout=seconds)
    except BaseException as ended:
        _stop(thread)
        if isinstance(ended, queue.Empty):
            raise TooSlowError(f"{seconds:.0f} s") from None
        raise
    if failure is not None:
        raise failure
    return value  # pyright: ignore[reportReturnType]  # no failure: it is the action's own


def _stop(thread: threading.Thread) -> None:
    """Makes a thread raise at its next step: what was given up must not be done later."""
    if thread.ident is not None and thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(StoppedError)
        )
