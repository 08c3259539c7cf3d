"""Trials on this machine: some at a time, each in a process of its own."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from zoo.runtime.processes import processors
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
    """Runs trials to their ends, `processes` at a time.

    None is as many as the processors have threads for, and on GPUs one for each. Several that share
    a GPU are dealt out evenly.

    On Ctrl-C each running trial writes a checkpoint, from which it is gone on with.
    """
    resources = folder.plan.sweep.resources
    gpus = _visible_gpus() if resources.device == "cuda" else []
    at_once = processes or len(gpus) or max(1, processors() // resources.threads)
    waiting = deque(trials)
    running: dict[Trial, tuple[subprocess.Popen[bytes], str | None]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                trial = waiting.popleft()
                folder.begin(trial)
                gpu = min(gpus, key=[gpu for _, gpu in running.values()].count, default=None)
                running[trial] = _started(folder, trial, gpu), gpu
            for trial in [
                one for one, (process, _) in running.items() if process.poll() is not None
            ]:
                process, _ = running.pop(trial)
                on_end(trial, ending(process.returncode, folder.of(trial)))
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        _interrupt([process for process, _ in running.values()])
        raise
    finally:
        for process, _ in running.values():
            process.kill()
            process.wait()


def _visible_gpus() -> list[str]:
    """The GPUs of this machine, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    every = [name.strip() for name in named.split(",")] if named else map(str, itertools.count())
    return list(itertools.islice(every, torch.cuda.device_count()))


def _started(folder: SweepFolder, trial: Trial, gpu: str | None) -> subprocess.Popen[bytes]:
    job = Job.of(trial, folder.plan.sweep.resources)
    with folder.log(trial) as log:
        return start(job, folder.of(trial), log, keep_open=(folder.lock,), gpu=gpu)


def _interrupt(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    until = time.monotonic() + CHECKPOINT_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
