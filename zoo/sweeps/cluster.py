"""Trials as tasks of a Ray cluster. What a node gives back are a trial's files: no disk is shared.

Ray is imported here: whoever imports this module has checked that it is installed.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import ray
from ray.exceptions import RayError

from zoo.errors import ZooError
from zoo.registry.guards import cause
from zoo.sweeps.embedded import OnEnd
from zoo.sweeps.folder import SweepFolder, files_in
from zoo.sweeps.job import Job
from zoo.sweeps.outcome import OUTCOME, failed, read_outcome, write_outcome
from zoo.sweeps.plan import Trial
from zoo.sweeps.process import ending, start

LISTEN_SECONDS, ANSWER_SECONDS = 5.0, 25.0
"""How long a cluster is given to take a connection, and then to take a program in."""
LIVES = 10
"""Nodes that may die under a trial; it is then begun again on another."""
LOG = "log"


class Done(NamedTuple):
    """What comes back of a trial."""

    files: dict[str, bytes]
    """Its folder's, by their relative names."""
    log: bytes


@contextmanager
def connected(address: str) -> Iterator[None]:
    """This program as a part of the Ray cluster, for as long as it lasts.

    Args:
        address: `host:port` of the cluster's head, or `auto` for the one that runs on this machine.

    Raises:
        ZooError: where no cluster answers, or one of other versions. It leaves no process.
    """
    _check_answers(address)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as refusal:
        raise ZooError(f"The Ray cluster at {address!r} refused: {cause(refusal)}.") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself tries for minutes, and can abort the program: so another one tries first."""
    help_ = "`ray start --head` starts one, and prints its address."
    if address != "auto":
        found = re.fullmatch(r"([^/\s]+):(\d{1,5})", address)
        if found is None:
            raise ZooError(
                f"--ray is HOST:PORT of a Ray cluster's head, or auto; got {address!r}. {help_}"
            )
        try:
            socket.create_connection((found[1], int(found[2])), LISTEN_SECONDS).close()
        except (OSError, OverflowError, UnicodeError) as refusal:
            why = getattr(refusal, "strerror", None) or refusal
            raise ZooError(f"No Ray cluster listens at {address!r}: {why}. {help_}") from None
    program = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False)"
    process = subprocess.Popen(
        [sys.executable, "-c", program, address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, said = process.communicate(timeout=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        raise ZooError(
            f"What listens at {address!r} does not answer as a Ray cluster. {help_}"
        ) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise ZooError(f"No Ray cluster at {address!r}: {last[0][:300]}. {help_}")


def run_on_cluster(folder: SweepFolder, trials: Sequence[Trial], on_end: OnEnd) -> None:
    """Runs trials to their ends, one on each processor of the cluster, each with one thread.

    A trial whose node dies is begun again on another.
    """
    task = ray.remote(num_cpus=1, max_retries=LIVES)(run_job)
    waiting = {}
    for trial in trials:
        folder.begin(trial)
        waiting[task.remote(Job.of(trial), folder.take_files(trial))] = trial
    while waiting:
        (first, *_), _ = ray.wait(list(waiting), num_returns=1)
        trial = waiting.pop(first)
        try:
            done = ray.get(first)
        except RayError as lost:
            on_end(trial, failed(f"Its task was lost on the cluster: {cause(lost)}."))
        else:
            keep(folder, trial, done, on_end)


def keep(folder: SweepFolder, trial: Trial, done: Done, on_end: OnEnd) -> None:
    """Puts into the sweep's folder what came back of a trial."""
    with folder.log(trial) as log:
        log.write(done.log)
    folder.put_files(trial, done.files)
    outcome = read_outcome(folder.of(trial))
    on_end(trial, outcome or failed("Its files came back without a result."))


def run_job(job: Job, files: dict[str, bytes]) -> Done:
    """Runs a trial in a process of its own, on whatever machine this is."""
    with tempfile.TemporaryDirectory() as scratch:
        process = begin_job(job, files, Path(scratch))
        return end_job(job, process, Path(scratch))


def begin_job(
    job: Job, files: dict[str, bytes], scratch: Path, report: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Starts a trial in an empty folder, from the files that an earlier try left."""
    for name, data in files.items():
        path = scratch / job.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with open(scratch / LOG, "wb") as log:
        return start(job, scratch / job.name, log, report=report)


def end_job(job: Job, process: subprocess.Popen[bytes], scratch: Path) -> Done:
    """Waits for a trial, and gives its files."""
    try:
        code = process.wait()
    finally:
        process.kill()
    folder = scratch / job.name
    if not (folder / OUTCOME).exists():
        write_outcome(folder, ending(code, folder))
    return Done(files_in(folder), (scratch / LOG).read_bytes())
