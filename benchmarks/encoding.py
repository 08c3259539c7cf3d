"""How fast `zoo encode` is beside its encoder alone, and in how much memory.

    python benchmarks/encoding.py [--images N] [--turns N]

A `.npy` of so many random 28 x 28 images is written into a temporary folder. In each turn a slice
of it is encoded twice: by `zoo.evaluation.encode.encode_images`, from the file into the three files
that it writes, and by a loop over the same images as a tensor in memory that calls the encoder and
keeps nothing. The ratio is the median over the turns, in the processor's time of one thread, so
that other programs slow both alike.

Memory is that of `python -m zoo encode` on the whole file, with all its processes, asked for every
tenth of a second: each page counted once (Pss in /proc: on Linux only).

The weights are random: the work is the same. A million images take 800 MB of disk and half a
minute. Expect 0.9 to 0.95 of the encoder's speed, and half a gigabyte for any number of images.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from comparison import (
    Comparison,
    answer,
    clock,
    median_ratio,
    print_comparisons,
    print_setting,
    print_table,
    start,
)

import zoo
from zoo.data import as_gray, open_all
from zoo.evaluation.encode import encode_images
from zoo.specs.data import Transform

SHAPE = (1, 28, 28)
IMAGES_PER_TURN = 100_000
AT_ONCE = 500


def main() -> None:
    """Measures speed and memory and prints the tables; or, in a process of its own, the speed."""
    options = _options()
    if options.part == "speed":
        print(json.dumps(measure_speed(Path(options.folder), options.turns)))
        return
    print_setting()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        zoo.save(zoo.build("vae", seed=0, input_shape=SHAPE, latent_dim=20), folder / "model")
        write_images(folder / "images.npy", options.images)
        write_images(folder / "turn.npy", IMAGES_PER_TURN)
        arguments = ["--part", "speed", "--folder", place, "--turns", str(options.turns)]
        with start(__file__, arguments, 1) as process:
            seconds = answer(process)
        memory, taken = measure_memory(folder)
    turns = [
        (f"{turn}", *(f"{IMAGES_PER_TURN / one:,.0f}" for one in both))
        for turn, both in enumerate(zip(seconds["zoo"], seconds["encoder"], strict=True), 1)
    ]
    print_table(("turn, one thread", "zoo, images/s", "encoder alone, images/s"), turns)
    print(f"zoo encode, {options.images:,} images: {taken:.1f} s\n")
    ratio = median_ratio(seconds["encoder"], seconds["zoo"])
    comparisons = [Comparison("speed, zoo / encoder alone", ratio, "x", 0.9, at_least=True)]
    if memory:
        comparisons.append(Comparison("memory of all processes", memory / 1e6, " MB", 1000))
    print_comparisons(comparisons)


def write_images(path: Path, count: int) -> None:
    """Random images, `(N, 28, 28)` uint8, a piece at a time."""
    generator = np.random.Generator(np.random.Philox(0))
    file = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *SHAPE[1:]))
    for first in range(0, count, 10_000):
        piece = file[first : first + 10_000]
        piece[:] = generator.integers(0, 256, piece.shape, np.uint8)


def measure_speed(folder: Path, turns: int) -> dict[str, list[float]]:
    """Seconds of each turn: the zoo's encoding of a file, and the encoder alone."""
    torch.set_num_threads(1)
    model = zoo.load(folder / "model")
    images = open_all([str(folder / "turn.npy")], shape=SHAPE, transform=Transform())
    pixels = torch.from_numpy(np.load(folder / "turn.npy"))[:, None]
    seconds: dict[str, list[float]] = {"zoo": [], "encoder": []}
    now = clock(1)
    for _ in range(turns + 1):
        begun = now()
        encode_images(model, images, folder / "turn-codes.npy", device=torch.device("cpu"))
        between = now()
        with torch.inference_mode():
            for batch in pixels.split(AT_ONCE):
                model._encode(as_gray(batch))
        seconds["zoo"].append(between - begun)
        seconds["encoder"].append(now() - between)
    return {name: taken[1:] for name, taken in seconds.items()}  # the first warms up


def measure_memory(folder: Path) -> tuple[int, float]:
    """Most bytes of memory of the command and its processes, and its seconds."""
    words = ("encode", folder / "model", folder / "images.npy", "-o", folder / "codes.npy")
    command = [sys.executable, "-m", "zoo", *map(str, words), "--device", "cpu"]
    begun, most = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None:
            most = max(most, _memory_of_session(process.pid))
            time.sleep(0.1)
    if process.returncode:
        sys.exit("zoo encode failed.")
    return most, time.perf_counter() - begun


def _memory_of_session(session: int) -> int:
    total = 0
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended in between
            if os.getsid(int(place.name)) == session:
                lines = (place / "smaps_rollup").read_text().splitlines()
                total += next(1024 * int(line.split()[1]) for line in lines if line[:4] == "Pss:")
    return total


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1_000_000, help="of the file (memory)")
    parser.add_argument("--turns", type=int, default=10, help=f"of {IMAGES_PER_TURN:,} images")
    parser.add_argument("--part", choices=("speed",), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
