"""The measurements of `peers.py`: it starts the arms, lets them go on in turn, and notes what they say."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comparison import answer, start

from arms import ATTEMPTED, BARE, LOADED, PYTHAE, TRAINED, ZOO, is_zoos
from arms.arm import Job
from arms.damage import DAMAGES, LAYOUTS
from arms.environment import alone

PROGRAM = str(Path(__file__).parents[1] / "peers.py")
FRESH = (*((name, "load-once") for name in LOADED), (PYTHAE, "start"), (ZOO, "start"))
"""Processes that are timed from their start to their end: an arm's that loads, and one without."""


@dataclass
class Training:
    """What one arm did: images per second of each turn, and the looks at its model."""

    rates: list[float] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)
    """`epoch`, `nats`, `se`, `own` (nats), `memory` (bytes, of the training alone)."""


@dataclass(frozen=True)
class Measured:
    """All that is measured, by arm."""

    training: dict[str, Training]
    loading: dict[str, dict[str, list[float]]]
    """Seconds: `warm`, `load-once` in a fresh process, and the `start` of one without the library."""
    attempts: dict[str, dict[str, dict[str, Any]]]
    """By damage, then by arm: `error`, or `weights` that differ and `setting`; `warned`, `ran`."""
    bounds: dict[str, dict[str, Any]]
    """`seconds` and `nats` of each image, `memory` in bytes."""
    imports: dict[str, float | None]
    """Peak memory, in bytes, of a process that only imports what the arm needs."""


@dataclass
class Bench:
    """The measurements, each in processes of their own."""

    work: Path
    python: Path
    """Of the peers' environment."""
    options: argparse.Namespace
    data: str

    def train(self) -> dict[str, Training]:
        """Trains all arms in turns, and saves the bare loop's weights as each library does."""
        processes = {name: self._start(name, "train") for name in TRAINED}
        trainings, left = {name: Training() for name in TRAINED}, list(TRAINED)
        while left:
            for name in list(left):
                said = answer(processes[name])
                if "epoch" in said:
                    trainings[name].looks.append(said)
                    nats = f"{said['nats']:.2f} nats"
                    print(f"{name}, epoch {said['epoch']}: {nats}", flush=True)
                    if said["last"]:
                        left.remove(name)
                else:
                    trainings[name].rates.append(said["done"] / said["seconds"])
            left.reverse()
        for process in processes.values():
            process.wait()
        for name in ATTEMPTED:
            self._run(name, "save", self._folder(name))
        return trainings

    def load(self) -> dict[str, dict[str, list[float]]]:
        """Seconds of loads: in a process that has loaded before, and of whole fresh processes."""
        processes = {
            name: self._start(name, "load", folder=str(self._folder(name))) for name in LOADED
        }
        seconds: dict[str, dict[str, list[float]]] = {name: {"warm": []} for name in LOADED}
        for _ in range(1 + self.options.loads):
            for name in LOADED:
                said = answer(processes[name])
                seconds[name]["warm"].append(said["seconds"] / said["done"])
        for process in processes.values():
            process.communicate()  # its next turn does not come
        for _ in range(1 + self.options.processes):
            for name, kind in FRESH:
                begun = time.perf_counter()
                self._run(name, kind, self._folder(name))
                seconds[name].setdefault(kind, []).append(time.perf_counter() - begun)
        seconds[BARE]["start"] = seconds[PYTHAE]["start"]  # of the same environment
        return {name: {k: v[1:] for k, v in kinds.items()} for name, kinds in seconds.items()}

    def attempt(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What comes of each damage to each arm's folder: what loading said, and whether code ran."""
        attempts: dict[str, dict[str, dict[str, Any]]] = {}
        for damage in DAMAGES:
            attempts[damage.what] = {}
            for name in ATTEMPTED:
                if not damage.applies(LAYOUTS[name]):
                    continue
                folder, marker = self.work / "damaged", self.work / "marker"
                shutil.copytree(self._folder(name), folder)
                damage.spoil(LAYOUTS[name], folder, marker)
                done = self._run(name, "attempt", folder)
                last = done.stdout.splitlines()[-1].replace(str(self.work), "WORK")
                warned = done.stderr.strip().replace(str(self.work), "WORK")
                said = {**json.loads(last), "warned": warned, "ran": marker.exists()}
                attempts[damage.what][name] = said
                shutil.rmtree(folder)
                marker.unlink(missing_ok=True)
        return attempts

    def bound(self) -> dict[str, dict[str, Any]]:
        """`seconds` of each image, its `nats`, and the process's `memory` in bytes."""
        times = self.options.bounds
        processes = {
            name: self._start(name, "bound", folder=str(self._folder(name)), times=times)
            for name in LOADED
        }
        bounds: dict[str, dict[str, Any]] = {name: {"seconds": []} for name in LOADED}
        for _ in range(times):
            for name in LOADED:
                bounds[name]["seconds"].append(answer(processes[name])["seconds"])
        for name in LOADED:
            bounds[name] |= answer(processes[name])
            processes[name].wait()
        return bounds

    def imports(self) -> dict[str, float | None]:
        """Peak memory, in bytes, of a process that only imports what the arm needs."""
        return {name: json.loads(self._run(name, "import").stdout)["memory"] for name in LOADED}

    def _folder(self, name: str) -> Path:
        return self.work / name

    def _job(self, name: str, do: str, **more: Any) -> list[str]:
        shared = {"work": str(self.work), "data": self.data, "epochs": self.options.epochs}
        job = Job(name, do, **shared, images=self.options.images, **more)
        return ["--job", json.dumps(dataclasses.asdict(job))]

    def _setting(self, name: str) -> tuple[Path, dict[str, str]]:
        """The Python of an arm, and the variables of its process."""
        return (Path(sys.executable), {}) if is_zoos(name) else (self.python, alone())

    def _start(self, name: str, do: str, **more: Any) -> subprocess.Popen[str]:
        python, told = self._setting(name)
        return start(PROGRAM, self._job(name, do, **more), 1, told, python)

    def _run(self, name: str, do: str, folder: Path | None = None) -> subprocess.CompletedProcess:
        """A process from its start to its end."""
        python, told = self._setting(name)
        arguments = self._job(name, do, folder=str(folder or ""))
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        command = [str(python), PROGRAM, *arguments]
        environment = os.environ | threads | told
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(f"The arm {name!r} failed at {do!r}:\n{done.stderr}")
        return done
