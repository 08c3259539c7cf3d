"""How much faster two processes are than one, at training and at measuring.

    python benchmarks/parallel.py [--rounds N] [--batch N]

Every process has one thread. A `conv-vae` of 3 x 32 x 32 images (channels 32 and 64, 32 latents)
trains on noise, for the work is the same, in whole batches of 256 images whatever the number of
processes:

    zoo      `zoo.training.loop.fit` on one process and on two
    exact    the same with exact_shards = 2 and 4 on two: the bits of one process
    ddp      a loop by hand with torch's DistributedDataParallel, the same model, loss and batches

`zoo eval --nll-samples 1000` is `evaluate_model` of the vae 784-512-256-20 on 200 images, on one
process and on two.

All arms are started first, connected as `torchrun` connects them, and warmed up by a turn of their
own; imports, start and connection are not timed. Then they take turns, of 4 steps or of 200 images:
while one works all others wait, so that other programs slow them all alike. A turn is timed by the
clock on the wall, from the moment when all its processes stand ready until the first of them
has the result; a ratio is the median over the rounds. That needs two idle cores: with fewer, two
processes take turns too. The same ratio by the processor's time of the first process is what idle
cores would give if no process ever waited for another: other programs change it little.

It takes four minutes on two idle cores. Expect 1.8 times the speed at training, as by hand, with exact
shards nearly so, and 1.7 at measuring, where one process measures all that is not the bound, for 200
images are one batch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from comparison import (
    Comparison,
    answer,
    median_ratio,
    print_comparisons,
    print_setting,
    print_table,
    start,
)
from torch import Tensor, distributed, nn

import zoo
from zoo.data import Examples
from zoo.evaluation.evaluate import evaluate_model
from zoo.runtime import processes
from zoo.runtime.devices import find_rank_device
from zoo.training import loop

STEPS, MEASURED, SAMPLES = 4, 200, 1000
"""Steps of a turn; images of a turn of measuring, and K."""
COLOR_SHAPE, GRAY_SHAPE = (3, 32, 32), (1, 28, 28)
FOREVER = 1_000_000

Group = tuple[str, int]
"""An arm and its number of processes."""
Turn = dict[str, float]
"""Seconds of one turn: "wall", and "processor" of the first process."""


def main() -> None:
    """Measures every arm and prints the tables; or, with `--arm`, is a process of one."""
    options = _options()
    if options.arm:
        torch.set_num_threads(1)
        find_rank_device("cpu")
        ARMS[options.arm](options.batch)
        return
    print_setting()
    _report(measure(options.rounds, options.batch), options.batch)


def measure(rounds: int, batch: int) -> dict[Group, list[Turn]]:
    """What each turn of each arm took."""
    started = {group: _start(*group, batch) for group in GROUPS}
    try:
        turns: dict[Group, list[Turn]] = {group: [] for group in GROUPS}
        order = GROUPS
        for _ in range(rounds + 1):
            for group in order:
                turns[group].append(answer(started[group][0]))
            order = order[::-1]
    finally:
        for process in itertools.chain(*started.values()):
            process.kill()
    return {group: taken[1:] for group, taken in turns.items()}  # the first warms up


def _start(arm: str, count: int, batch: int) -> list[subprocess.Popen[str]]:
    """The processes of an arm, told of one another as `torchrun` tells them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    common |= {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    ranks = [common | {"RANK": index, "LOCAL_RANK": index} for index in range(count)]
    arguments = ["--arm", arm, "--batch", str(batch)]
    told = [{name: str(value) for name, value in rank.items()} for rank in ranks]
    return [start(__file__, arguments, 1, rank if count > 1 else {}) for rank in told]


class GroupTurns:
    """Turns of processes that work together: the first is told when, and says how long it took."""

    def begin(self) -> None:
        """Waits for the next turn, and until all processes stand ready."""
        if processes.is_first() and not sys.stdin.readline():
            sys.exit(1)  # nobody asks for a turn any more
        if processes.are_many():
            distributed.barrier()
        self.begun = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """Says how long the turn took, on the wall and of this processor, and waits for the next."""
        wall, processor = time.perf_counter() - self.begun[0], time.process_time() - self.begun[1]
        if processes.is_first():
            print(json.dumps({"wall": wall, "processor": processor}), flush=True)
        self.begin()


def train_zoo(batch: int, exact_shards: int | str = "off") -> None:
    """The zoo's own loop, a turn an epoch."""
    turns, recipe = GroupTurns(), _recipe(batch, exact_shards)
    loop.STEPS_PER_READ = STEPS

    def end_turn(report: loop.Update) -> None:
        if not report.ended:
            turns.end()

    with tempfile.TemporaryDirectory() as folder:
        turns.begin()
        loop.fit(
            zoo.build(recipe.spec, seed=0),
            _noise(batch * STEPS, COLOR_SHAPE),
            recipe,
            device=torch.device("cpu"),
            checkpoint=Path(folder) / "checkpoint.safetensors",
            resume=False,
            validate=None,
            on_progress=end_turn,
        )


class LossOf(nn.Module):
    """What DistributedDataParallel wraps: images `(N, C, H, W)` in [0, 1] -> their mean loss."""

    def __init__(self, model: zoo.Autoencoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.loss(x).total


def train_ddp(batch: int) -> None:
    """A loop by hand: each process steps on its share of every batch."""
    turns, recipe = GroupTurns(), _recipe(batch, "off")
    pixels = _noise(batch * STEPS, COLOR_SHAPE).values
    model = zoo.build(recipe.spec, seed=0).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # as torch types it
    loss_of = LossOf(model)
    module = nn.parallel.DistributedDataParallel(loss_of) if processes.are_many() else loss_of
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    turns.begin()
    for epoch in range(FOREVER):
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(epoch))
        for indices in order.split(batch):
            own = indices[processes.index() :: processes.count()]
            x = (pixels[own].float() + torch.rand(len(own), *COLOR_SHAPE)) / 256
            optimizer.zero_grad()
            module(x).backward()
            optimizer.step()
        turns.end()


def measure_bound(batch: int) -> None:
    """What `zoo eval --nll-samples 1000 --limit 200` computes, a turn each time."""
    turns, images = GroupTurns(), _noise(MEASURED, GRAY_SHAPE)
    model = zoo.build("vae", seed=0, input_shape=GRAY_SHAPE, latent_dim=20).eval()
    turns.begin()
    while True:
        evaluate_model(model, images, protocol="binarized", nll_samples=SAMPLES)
        turns.end()


ARMS: dict[str, Callable[[int], None]] = {
    "zoo": train_zoo,
    "exact_shards = 2": lambda batch: train_zoo(batch, 2),
    "exact_shards = 4": lambda batch: train_zoo(batch, 4),
    "ddp": train_ddp,
    "eval": measure_bound,
}
GROUPS = [
    *(("zoo", 1), ("zoo", 2), ("exact_shards = 2", 2), ("exact_shards = 4", 2)),
    *(("ddp", 1), ("ddp", 2), ("eval", 1), ("eval", 2)),
]
COMPARED = [
    (("zoo", 2), ("zoo", 1), 1.6),
    (("ddp", 2), ("ddp", 1), 1.6),
    (("zoo", 2), ("ddp", 2), 0.9),
    (("exact_shards = 2", 2), ("zoo", 2), 0.9),
    (("exact_shards = 4", 2), ("zoo", 2), 0.8),
    (("eval", 2), ("eval", 1), 1.7),
]
"""Speed of the first over that of the second, and the least that is right."""


def _recipe(batch: int, exact_shards: int | str) -> zoo.Recipe:
    body = {"kind": "conv", "channels": [32, 64], "hidden": [256]}
    return zoo.Recipe.parse(
        {
            "model": {
                "family": "conv-vae",
                "input_shape": list(COLOR_SHAPE),
                "latent_dim": 32,
                "body": body,
                "likelihood": {"kind": "gaussian"},
            },
            "data": {"dataset": "noise.npy", "protocol": "dequantized"},
            "training": {
                "epochs": FOREVER,
                "batch_size": batch,
                "learning_rate": 1e-4,
                "checkpoint_minutes": 10_000,
                "exact_shards": exact_shards,
            },
        }
    )


def _noise(count: int, shape: tuple[int, int, int]) -> Examples:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)
    return Examples("noise", "train", pixels)


def _report(turns: dict[Group, list[Turn]], batch: int) -> None:
    rows, comparisons = [], []
    for (arm, count), taken in turns.items():
        images = MEASURED if arm == "eval" else batch * STEPS
        walls, processors = ([turn[kind] for turn in taken] for kind in ("wall", "processor"))
        median = statistics.median(processors)
        speeds = (f"{images / statistics.median(walls):,.1f}", f"{images / min(walls):,.1f}")
        rows.append((_named(arm, count), *speeds, f"{median:.2f}"))
    for group, other, target in COMPARED:
        for kind in ("wall", "processor"):
            pair = [[turn[kind] for turn in turns[which]] for which in (other, group)]
            what = f"{_named(*group)} / {_named(*other)}, {kind}"
            value = median_ratio(*pair)
            comparisons.append(Comparison(what, value, "x", target, at_least=True))
    print_table(("", "images/s", "best turn", "processor, s"), rows)
    print_comparisons(comparisons)


def _named(arm: str, count: int) -> str:
    return f"{arm} on {count}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="turns of each arm")
    parser.add_argument("--batch", type=int, default=256, help="images of a step")
    parser.add_argument("--arm", choices=list(ARMS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1 or options.batch < 4:
        sys.exit("--rounds is 1 or more, --batch is 4 or more.")
    return options


if __name__ == "__main__":
    main()
