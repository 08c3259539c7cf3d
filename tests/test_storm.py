"""A storm of kills: what is killed at any moment and begun again ends as if nothing had happened.

Each work is done once in peace. Then it is done in a storm: at a random moment a random one of its
processes (launchers, workers that read images and trials of sweeps too) gets SIGKILL; within a
minute nothing of it may be left; it is begun again, until it has had its kills; the last time it is
left alone. Its files must then be those of the peaceful one, byte for byte. More kills by hand:
`ZOO_KILLS=20 pytest tests/test_storm.py`.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("ZOO_KILLS", "2"))
ZOO = [sys.executable, "-m", "zoo"]
GONE_WITHIN = 60.0
"""Seconds within which every process of a work must end when one of them was killed."""
TRIES = 20
"""Most times that a work is begun to meet one kill: it may end before its moment."""

RECIPE = """
[model]
family = "conv-vae"
input_shape = [1, 16, 16]
latent_dim = 4
body = {kind = "conv", channels = [8, 16]}
likelihood = {kind = "gaussian"}
[data]
dataset = "images.npy"
protocol = "dequantized"
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


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_what_is_killed_at_any_moment_ends_as_if_nothing_had_happened(work, tmp_path):
    weather(work, tmp_path, KILLS, random.Random(0))


def weather(work: Work, place: Path, kills: int, chance: random.Random) -> None:
    """Does a work in peace and in a storm; the results must be the same."""
    peaceful, stormy = place / "peace", place / "storm"
    for folder in (peaceful, stormy):
        prepare(folder)
    begun = time.monotonic()
    code = finish(begin(work, peaceful, 0))
    seconds, turn, struck = time.monotonic() - begun, 0, 0
    while struck < kills:
        assert turn < kills + TRIES, f"{work.name} ends before it can be killed"
        name = strike(begin(work, stormy, turn), chance.uniform(0, seconds), chance)
        turn, struck = turn + 1, struck + bool(name)
        if not name:  # it has ended: what is left of the kills is for another beginning
            compare(work, peaceful, stormy)
            stormy = place / f"storm-{turn}"
            prepare(stormy)
    code = finish(begin(work, stormy, turn)) or code
    was_finished = "is finished" in (stormy / "stderr").read_text()[-500:]  # killed as it ended
    assert code == 0 or was_finished, (stormy / "stderr").read_text()[-2000:]
    compare(work, peaceful, stormy)


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


def compare(work: Work, peaceful: Path, stormy: Path) -> None:
    """Fails unless the results are the same, byte for byte."""
    expected = dict(hashes(work, peaceful))
    assert expected
    assert dict(hashes(work, stormy)) == expected


def hashes(work: Work, folder: Path) -> Iterator[tuple[str, str]]:
    """Name and sha256 of each result."""
    for pattern in work.results:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                name = str(path.relative_to(folder))
                yield name, hashlib.sha256(path.read_bytes()).hexdigest()[:12]
