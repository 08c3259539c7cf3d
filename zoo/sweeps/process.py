"""Starting a trial in a process of its own: the same way everywhere, so that the bits are the same.

No torch here: it is the trial's process that needs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from zoo.sweeps.job import Job
from zoo.sweeps.outcome import Outcome, failed, read_outcome


def start(
    job: Job,
    folder: Path,
    log: IO[bytes],
    *,
    report: int | IO[bytes] = subprocess.DEVNULL,
    keep_open: Sequence[int] = (),
    gpu: str | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a trial, which ends when this process does.

    Args:
        job: the trial.
        folder: where it writes; one that holds a part of this trial is gone on with.
        log: where its standard error goes.
        report: where a line of JSON after every epoch goes.
        keep_open: file descriptors that it holds for as long as it lives.
        gpu: the only GPU that it sees, by its name in CUDA_VISIBLE_DEVICES; None hides none.
    """
    path = os.pathsep.join(os.path.abspath(place) for place in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "zoo.sweeps.trial", str(folder.absolute()), str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=report,
        stderr=log,
        cwd=job.where if os.path.isdir(job.where) else None,
        env={
            **os.environ,
            "PYTHONPATH": path,
            "OMP_NUM_THREADS": str(job.resources["threads"]),
            "WORLD_SIZE": "1",
            **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}),
        },
        pass_fds=tuple(keep_open),
        start_new_session=True,  # Ctrl-C is for who started it, who then says what to do
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:  # it died: its exit code says so
        pipe.write(json.dumps(asdict(job)).encode())
    return process


def ending(code: int, folder: Path) -> Outcome:
    """How a trial ended whose process did, with this exit code."""
    if outcome := read_outcome(folder):
        return outcome
    if code < 0:
        killed = " (where memory is short, the system does that)" if code == -9 else ""
        return failed(f"The trial's process was ended by signal {-code}{killed}.")
    return failed(f"The trial's process ended with exit code {code} and no result; see its log.")
