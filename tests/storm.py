"""A storm of kills: what is killed at any moment and begun again ends as if nothing had happened.

    python tests/storm.py [--kills 50] [--seed 0] [--only NAME]

Each work is done once in peace. Then it is done in a storm: at a random moment a random one of its
processes (launchers, workers that read images and trials of sweeps too) gets SIGKILL; within a
minute nothing of it may be left; it is begun again, until it has had its share of the kills; the
last time it is left alone. Its files must then be those of the peaceful one, byte for byte. Prints
a line for each work, and exits with 1 if one differs. It takes some minutes on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

ZOO = [sys.executable, "-m", "zoo"]
GONE_WITHIN = 60.0
"""Seconds within which every process of a work must end when one of them was killed."""
TRIES = 20
"""Most times that a work is begun to meet one kill: it may end before its moment."""

RECIPE = """
[model]
family = "conv-vae"
image_shape = [1, 16, 16]
latent_dim = 4
body = {kind = "conv", channels = [8, 16]}
likelihood = {kind = "gaussian"}
[data]
dataset = "images.npy"
protocol = "dequantised"
transform = {crop = "random", flip = true}
[training]
epochs = 3
batch_size = 100
exact_shards = 4
ema_decay = 0.9
checkpoint_minutes = 0.0
"""
SWEEP = """
recipe = "recipe.toml"
metric = "neg_elbo"
seeds = [0, 1]
[overrides]
epochs = 1
[grid]
"model.latent_dim" = [2, 4]
"""


def launched(count: int) -> list[str]:
    """The command line, in so many processes."""
    if count == 1:
        return ZOO
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, "--nproc-per-node", str(count), "-m", "zoo"]


@dataclass(frozen=True)
class Work:
    """Something that can be killed and begun again."""

    name: str
    command: Callable[[Path, int], list[str]]
    """How it is begun in a folder, the first time (0) or again."""
    results: tuple[str, ...]
    """Patterns of the files that must be the same in the end."""


def train(counts: tuple[int, ...]) -> Callable[[Path, int], list[str]]:
    """A training on each of those numbers of processes in turn."""

    def command(folder: Path, turn: int) -> list[str]:
        resume = ["--resume"] if (folder / "run" / "recipe.toml").exists() else []
        count = counts[turn % len(counts)]
        return [*launched(count), "train", "recipe.toml", "--out", "run", *resume]

    return command


MEASURE = ["eval", "vae-digits-8", "--dataset", "digits", "--nll-samples", "2000", "--json"]
WORKS = (
    Work("training, 1 process", train((1,)), ("run/model/*", "run/history.jsonl")),
    Work("training, 4, 1, 2 processes", train((4, 1, 2)), ("run/model/*", "run/history.jsonl")),
    Work("evaluation, 2 processes", lambda *_: [*launched(2), *MEASURE], ("stdout",)),
    Work(
        "encoding",
        lambda *_: [*ZOO, "encode", "vae-digits-8", "small.npy", "-o", "codes.npy"],
        ("codes*",),
    ),
    Work("sweep", lambda *_: [*ZOO, "sweep", "sweep.toml", "--out", "swept"], ("swept/sweep.csv",)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="works whose name holds this")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    works = [work for work in WORKS if options.only in work.name]
    failed = 0
    for index, work in enumerate(works):
        kills = options.kills // len(works) + (index < options.kills % len(works))
        with tempfile.TemporaryDirectory() as place:
            failed += not weather(work, Path(place), kills, chance)
    sys.exit(1 if failed else 0)


def weather(work: Work, place: Path, kills: int, chance: random.Random) -> bool:
    """Does a work in peace and in a storm; whether the results are the same."""
    peaceful, stormy = place / "peace", place / "storm"
    for folder in (peaceful, stormy):
        prepare(folder)
    begun = time.monotonic()
    code = finish(begin(work, peaceful, 0))
    seconds, turn, struck, killed = time.monotonic() - begun, 0, 0, []
    while struck < kills:
        assert turn < kills + TRIES, f"{work.name} ends before it can be killed"
        name = strike(begin(work, stormy, turn), chance.uniform(0, seconds), chance)
        turn, struck = turn + 1, struck + bool(name)
        killed += [name] if name else []
        if not name:  # it has ended: what is left of the kills is for another beginning
            compare(work, peaceful, stormy)
            stormy = place / f"storm-{turn}"
            prepare(stormy)
    code = finish(begin(work, stormy, turn)) or code
    was_finished = "is finished" in (stormy / "stderr").read_text()[-500:]  # killed as it ended
    same = compare(work, peaceful, stormy) and (code == 0 or was_finished)
    kinds = ", ".join(f"{killed.count(kind)} {kind}" for kind in sorted(set(killed)))
    print(f"{'ok    ' if same else 'FAILED'}  {work.name}: {struck} kills ({kinds})", flush=True)
    return same


def prepare(folder: Path) -> None:
    """What the works read: images, a recipe, a sweep."""
    folder.mkdir()
    draws = np.random.Generator(np.random.Philox(0))
    np.save(folder / "images.npy", draws.integers(0, 256, (2000, 20, 20), np.uint8))
    np.save(folder / "small.npy", draws.integers(0, 256, (200_000, 8, 8), np.uint8))
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "sweep.toml").write_text(SWEEP)


def begin(work: Work, folder: Path, turn: int) -> psutil.Popen:
    """Starts a work in a folder; its output is in `stdout` and `stderr` there."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ZOO_WORKERS": "1"}
    with open(folder / "stdout", "wb") as out, open(folder / "stderr", "ab") as err:
        return psutil.Popen(
            work.command(folder, turn),
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def strike(process: psutil.Popen, after: float, chance: random.Random) -> str:
    """Kills one of a work's processes after so many seconds; what it was, or nothing if all ended.

    Raises AssertionError if any is left a minute later.
    """
    try:
        process.wait(after)
        return ""
    except psutil.TimeoutExpired:
        pass
    everyone = [process, *process.children(recursive=True)]
    victim = chance.choice(everyone)
    kind = "the first" if victim is process else "below it"
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        kind = "gone already"
    process.wait(GONE_WITHIN)
    _, left = psutil.wait_procs(everyone, GONE_WITHIN)
    left = [one for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"left behind: {left}"
    return kind


def finish(process: psutil.Popen) -> int:
    """Waits for a work; its exit code."""
    return process.wait()


def compare(work: Work, peaceful: Path, stormy: Path) -> bool:
    """Whether the results are the same, byte for byte."""
    expected, found = dict(hashes(work, peaceful)), dict(hashes(work, stormy))
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            print(f"        {name}: {found.get(name)}, in peace {expected.get(name)}")
    return bool(expected) and expected == found


def hashes(work: Work, folder: Path) -> Iterator[tuple[str, str]]:
    """Name and sha256 of each result."""
    for pattern in work.results:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                name = str(path.relative_to(folder))
                yield name, hashlib.sha256(path.read_bytes()).hexdigest()[:12]


if __name__ == "__main__":
    main()
