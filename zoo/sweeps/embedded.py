"""Trials on this machine: some at a time, each in a process of its own with one thread."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from zoo.processes import processors
from zoo.sweeps.folder import SweepFolder
from zoo.sweeps.job import Job
from zoo.sweeps.outcome import Outcome
from zoo.sweeps.plan import Trial
from zoo.sweeps.process import ending, start

POLL_SECONDS = 0.05
CHECKPOINT_SECONDS = 60.0
"""How long a trial that is interrupted may take to write its checkpoint."""

OnEnd = Callable[[Trial, Outcome], None]


def run_here(
    folder: SweepFolder, trials: Iterable[Trial], processes: int | None, on_end: OnEnd
) -> None:
    """Runs trials to their ends, `processes` at a time; None is one for each processor.

    On Ctrl-C each running trial writes a checkpoint, from which it is gone on with.
    """
    waiting = deque(trials)
    running: dict[Trial, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (processes or processors()):
                trial = waiting.popleft()
                folder.begin(trial)
                running[trial] = _started(folder, trial)
            for trial in [one for one, process in running.items() if process.poll() is not None]:
                code = running.pop(trial).returncode
                on_end(trial, ending(code, folder.of(trial)))
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        _interrupt(list(running.values()))
        raise
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _started(folder: SweepFolder, trial: Trial) -> subprocess.Popen[bytes]:
    with folder.log(trial) as log:
        return start(Job.of(trial), folder.of(trial), log, keep_open=(folder.lock,))


def _interrupt(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    until = time.monotonic() + CHECKPOINT_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
