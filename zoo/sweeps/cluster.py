"""Trials as tasks of a Ray cluster. What a node gives back are a trial's files: no disk is shared.

Ray is imported here: whoever imports this module has checked that it is installed.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayError

from zoo.errors import ZooError
from zoo.plugins.guards import cause
from zoo.runtime.processes import processors
from zoo.sweeps.embedded import OnEnd
from zoo.sweeps.folder import SweepFolder, files_in
from zoo.sweeps.job import Job
from zoo.sweeps.outcome import OUTCOME, failed, read_outcome, write_outcome
from zoo.sweeps.plan import Trial
from zoo.sweeps.process import ending, start
from zoo.sweeps.settings import Resources

CHECK_SECONDS, SILENT_SECONDS = 2.0, 20.0
"""How often the head is tried, and for how long it may be silent. After 60 seconds Ray ends the program."""
LIVES = 10
"""Nodes that may die under a trial; it is then begun again on another."""
LOG = "log"
NETWORK = (
    "This process is part of a Ray cluster now, and listens to the network until the sweep ends. Whoever "
    "reaches the ports of a cluster that expects no token (RAY_AUTH_MODE) can run programs on it."
)


class Done(NamedTuple):
    """What comes back of a trial."""

    files: dict[str, bytes]
    """Its folder's, by their relative names."""
    log: bytes


@contextmanager
def connected(
    address: str | None, resources: Resources, say: Callable[[str], None]
) -> Iterator[None]:
    """This program as a part of a Ray cluster, for as long as it lasts.

    Args:
        address: as `find_cluster` gives it; None starts a Ray on this machine that listens on
            loopback alone, and ends with it (`keep_to_loopback` comes first).
        resources: what each trial takes.
        say: called with a line on what listens to the network, and what trials have to wait for.

    Raises:
        ZooError: where Ray refuses.
    """
    own = {"include_dashboard": False, "num_cpus": processors()} if address is None else {}
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except Exception as refusal:
        where = f"The Ray cluster at {address!r}" if address else "Ray"
        raise ZooError(f"{where} refused: {cause(refusal)}.") from None
    over = threading.Event()
    watched = ray.get_runtime_context().gcs_address, over, say
    threading.Thread(target=_watch_head, args=watched, daemon=True).start()
    try:
        if not is_loopback(ray.util.get_node_ip_address()):
            if address is None:
                raise ZooError("Ray was in use in this process: run zoo sweep in one of its own.")
            say(NETWORK)
        if line := _waits_in_vain(resources):
            say(line)
        yield
    finally:
        over.set()
        ray.shutdown()


def is_loopback(address: str) -> bool:
    """Whether an IP address is of this machine alone."""
    return ipaddress.ip_address(address).is_loopback


def _watch_head(address: str, over: threading.Event, say: Callable[[str], None]) -> None:
    """Ends the program with a sentence once the cluster's head, `host:port`, is silent.

    Ray would end it too, later and without a word, and its calls cannot be interrupted meanwhile.
    """
    host, _, port = address.rpartition(":")
    seen = time.monotonic()
    while not over.wait(CHECK_SECONDS):
        try:
            socket.create_connection((host.strip("[]"), int(port)), CHECK_SECONDS).close()
            seen = time.monotonic()
        except OSError:
            if time.monotonic() - seen > SILENT_SECONDS:
                say(
                    f"Error: The head of the Ray cluster, {address}, no longer answers. Trials that "
                    "ended are kept: start the cluster, and rerun the same command to resume."
                )
                os._exit(1)


def run_on_cluster(folder: SweepFolder, trials: Sequence[Trial], on_end: OnEnd) -> None:
    """Runs trials to their ends, as many at a time as the cluster has processors or GPUs for.

    A trial whose node dies is begun again on another.
    """
    resources = folder.plan.sweep.resources
    task = ray.remote(max_retries=LIVES, **needs(resources))(run_job)
    waiting = {}
    for trial in trials:
        folder.begin(trial)
        waiting[task.remote(Job.of(trial, resources), folder.take_files(trial))] = trial
    while waiting:
        (first, *_), _ = ray.wait(list(waiting), num_returns=1)
        trial = waiting.pop(first)
        try:
            done = ray.get(first)
        except RayError as lost:
            on_end(trial, failed(f"Its task was lost on the cluster: {cause(lost)}."))
        else:
            keep(folder, trial, done, on_end)


def needs(resources: Resources) -> dict[str, Any]:
    """What a trial takes of the cluster, in Ray's words; Ray shows each trial its own GPU."""
    return {"num_cpus": resources.threads, "num_gpus": int(resources.device == "cuda")}


def _waits_in_vain(resources: Resources) -> str | None:
    """A line where no node has what a trial takes: Ray waits for one that has, such as an autoscaler's."""
    wanted = {"CPU": resources.threads, "GPU": int(resources.device == "cuda")}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(kind, 0) >= count for kind, count in wanted.items()) for node in nodes):
        return None
    needed = ", ".join(f"{count} {kind}" for kind, count in wanted.items() if count)
    return f"No node of the cluster has what a trial takes ({needed}): waiting for one."


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
