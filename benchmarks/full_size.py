"""How long an autoencoder of full size takes to load, and how much memory, beside diffusers' own.

    python benchmarks/full_size.py [--pairs N]

An AutoencoderKL of Stable Diffusion's config, 83,653,863 parameters with random weights, is saved by
diffusers' `save_pretrained`: 335 MB. Each load is in a process of its own, all imports done before,
the arms in turn: `zoo.load`, which reads every byte, takes their sha256 and looks whether they are
finite; and `from_pretrained`, which maps the file and reads nothing before it is used. So what
compares is the load with the first use, one image of 256 x 256 encoded and decoded. Seconds are by
the clock and of the processor, which other programs disturb less. Memory is the most that a process
had, mapped files included, less what it had before, as Linux says; glibc is told there to give freed
memory back at once, else what it keeps of the activations varies by more than a hundred MB.

It needs the extra `diffusers` and takes some minutes. Aim: at most 1.2 times as long as diffusers,
and no more memory, 1% aside.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from comparison import Comparison, median_ratio, print_comparisons, print_setting, print_table

SIDE = 256
CONFIG = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": SIDE,
}
MEASURES = ("load, s", "and first image, s", "processor, s", "load, MB", "and first image, MB")
GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Tells glibc so."""
ARMS = ("zoo.load", "from_pretrained")


def main() -> None:
    """Saves the network, loads it in turn, and prints the table."""
    options = _options()
    if options.arm:
        print(json.dumps(measured(options.arm, options.folder)))
        return
    print_setting()
    with tempfile.TemporaryDirectory() as folder:
        save_network(folder)
        found: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
        memory = {arm: _in_a_process(arm, folder, GIVING_BACK)[3:] for arm in ARMS}
        for _ in range(options.pairs):  # the file is in memory by now
            for arm in ARMS:
                found[arm].append([*_in_a_process(arm, folder)[:3], *memory[arm]])
    columns = {arm: list(zip(*rows, strict=True)) for arm, rows in found.items()}
    rows = [(arm, *(f"{statistics.median(column):.2f}" for column in columns[arm])) for arm in ARMS]
    print_table(("median", *MEASURES), rows)
    ours, theirs = (columns[arm] for arm in ARMS)
    aims = ((1, "seconds", 1.2), (2, "seconds of the processor", 1.2), (4, "memory", 1.01))
    print_comparisons(
        [
            Comparison(
                f"load and first image, {name}, zoo / diffusers",
                median_ratio(ours[column], theirs[column]),
                "x",
                aim,
            )
            for column, name, aim in aims
        ]
    )


def save_network(folder: str) -> None:
    """Random weights, as diffusers draws them from seed 0, in diffusers' own layout."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    torch.manual_seed(0)
    AutoencoderKL(**CONFIG).save_pretrained(folder)


def measured(arm: str, folder: str) -> list[float]:
    """The numbers of `MEASURES` of one load, in this process."""
    ready = {"zoo.load": _zoo, "from_pretrained": _diffusers}[arm](folder)
    before, begun, worked = _megabytes("VmRSS"), time.perf_counter(), time.process_time()
    model = ready()
    loaded, memory = time.perf_counter() - begun, _megabytes("VmHWM") - before
    with torch.inference_mode():
        model(torch.zeros(1, 3, SIDE, SIDE))
    seconds, work = time.perf_counter() - begun, time.process_time() - worked
    return [loaded, seconds, work, memory, _megabytes("VmHWM") - before]


def _zoo(folder: str) -> Callable[[], torch.nn.Module]:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL  # noqa: F401  # imported before the clock starts, as there

    import zoo
    from zoo.folder import store  # noqa: F401

    return lambda: zoo.load(Path(folder))


def _diffusers(folder: str) -> Callable[[], torch.nn.Module]:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return lambda: AutoencoderKL.from_pretrained(folder).eval()


def _in_a_process(arm: str, folder: str, allocator: Mapping[str, str] = {}) -> list[float]:
    words = [sys.executable, __file__, "--arm", arm, "--folder", folder]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, env=os.environ | allocator)
    return json.loads(done.stdout.splitlines()[-1])


def _megabytes(field: str) -> float:
    """What Linux says of this process: `VmRSS` is its memory now, `VmHWM` the most it has had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024e-6 for line in lines if line.startswith(field))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=5, help="loads of each arm")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
