"""The side of a process that `peers.py` starts: it does one job of one arm, and says so in JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import torch
from comparison import Turns
from torch import nn

from arms import find_arm
from arms.arm import TRAINED, Arm, Job
from arms.damage import LAYOUTS
from arms.watch import Watch, peak_memory

LOADS_PER_TURN = 5


def do(job: Job) -> None:
    """Does a job in one thread; `start` is nothing but torch."""
    torch.set_num_threads(1)
    logging.disable(logging.INFO)  # stdout and stderr are read
    if job.do != "start":
        JOBS[job.do](job, find_arm(job.arm))


def _load(job: Job, arm: Arm) -> None:
    """Loads a model again and again, some times a turn."""
    turns = Turns(1)
    turns.begin()
    while True:
        for _ in range(LOADS_PER_TURN):
            arm.load(Path(job.folder))
        turns.end(LOADS_PER_TURN)


def _bound(job: Job, arm: Arm) -> None:
    """Measures an image a turn."""
    turns = Turns(1)
    images = job.pixels("binarized")[: job.times]
    nll = arm.bound(arm.load(Path(job.folder)))
    nats = []
    with torch.no_grad():
        turns.begin()
        for x in images.split(1):
            nats.append(nll(x))
            turns.end(1)
    print(json.dumps({"nats": nats, "memory": peak_memory()}), flush=True)


def _attempt(job: Job, arm: Arm) -> None:
    """What comes of loading a folder to which something was done."""
    try:
        model = arm.load(Path(job.folder))
    except Exception as refusal:  # whatever a library raises is what is to be recorded
        print(json.dumps({"error": f"{type(refusal).__name__}: {refusal}"}))
        return
    said: dict[str, object] = {"weights": _changed(job, arm, model)}
    if LAYOUTS[job.arm].setting:
        said["setting"] = str(arm.setting_of(model))
    print(json.dumps(said))


def _changed(job: Job, arm: Arm, model: nn.Module) -> list[tuple[float, float]]:
    """The weights that are not those that were saved: before and after."""
    both = list(job.plain(TRAINED).parameters()), arm.plain_weights(model)
    before, after = (torch.cat([one.detach().flatten() for one in weights]) for weights in both)
    rows = (before != after).nonzero().flatten()
    return [(before[row].item(), after[row].item()) for row in rows.tolist()]


JOBS: dict[str, Callable[[Job, Arm], None]] = {
    "train": lambda job, arm: arm.train(job, Watch(Turns(1), job.pixels("test"), job.epochs)),
    "save": lambda job, arm: arm.save(job.plain(TRAINED), Path(job.folder)),
    "load": _load,
    "load-once": lambda job, arm: arm.load(Path(job.folder)) and None,
    "bound": _bound,
    "attempt": _attempt,
    "import": lambda job, arm: print(json.dumps({"memory": peak_memory()})),
}
