"""How fast images that are not in memory are read, and how much memory that takes.

    python benchmarks/streaming.py [--images N] [--workers N] [--gigabytes N] [--folder FOLDER]

The zoo's streams of a folder of 64 x 64 JPEGs and of tar shards of the same stand beside
torchvision's ImageFolder and beside webdataset, each in a DataLoader of as many worker processes
and in batches of as many images, shuffled; nothing is trained. Arms take turns, and a ratio is the
median over the pairs, so that other programs slow both arms alike. All images have been read
before, so that they come from the system's cache rather than from a disk.

Training from the folder stands beside training on the same images from memory, where the model and
not the decoder is the limit.

Memory is the largest sum of PSS (what pages are shared is divided among those that share them) of
a process and its workers while it reads a whole epoch of 1 GB and of ten: a `.npy`, and tar shards
of bitmaps, which hard links repeat.

It takes some ten minutes and 12 GB in FOLDER. Expect 0.8 of the others' speed at least, and 300 MB
between 1 and 10 GB at most.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from comparison import Comparison, median_ratio, print_comparisons, print_setting, print_table
from PIL import Image
from torch.utils.data import DataLoader

import zoo
from zoo.data import StreamedExamples, load_examples
from zoo.training.loop import fit

SHAPE = (3, 64, 64)
BATCH = 128
SHARDS = 8
GIGABYTE = 10**9
POLL_SECONDS = 0.05


def main() -> None:
    """Measures speed and memory and prints the tables."""
    options = _options()
    if options.read:
        print(json.dumps(peak_of(options.read)))
        return
    os.environ |= {"ZOO_WORKERS": str(options.workers), "ZOO_IN_MEMORY": "0"}
    print_setting()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        comparisons = speeds(Path(folder), options)
        comparisons += [training(Path(folder), options)]
        comparisons += memory(Path(folder), options)
    print_comparisons(comparisons)


def speeds(folder: Path, options: argparse.Namespace) -> list[Comparison]:
    """Images a second of both libraries and of the zoo, over the same files."""
    from zoo.data import open as load

    load.IN_MEMORY = 0
    write_jpegs(folder, options.images)
    pattern = str(folder / f"{{0..{SHARDS - 1}}}.tar")
    arms = {
        "zoo, folder": zoo_arm(str(folder / "jpegs")),
        "torchvision ImageFolder": imagefolder_arm(folder / "jpegs", options.workers),
        "zoo, tar shards": zoo_arm(pattern),
        "webdataset": webdataset_arm(pattern, options.workers),
    }
    speed: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(options.pairs + 1):
        for name, arm in arms.items():
            begun = time.perf_counter()
            count = sum(len(batch) for batch in arm(turn))
            speed[name].append(count / (time.perf_counter() - begun))
    speed = {name: some[1:] for name, some in speed.items()}  # the first fills the cache
    rows = [(name, f"{float(np.median(some)):,.0f}") for name, some in speed.items()]
    print_table((f"{options.workers} workers", "images / s"), rows)
    pairs = (("zoo, folder", "torchvision ImageFolder"), ("zoo, tar shards", "webdataset"))
    return [
        Comparison(f"{ours} / {theirs}", median_ratio(speed[ours], speed[theirs]), "x", 0.8, True)
        for ours, theirs in pairs
    ]


def zoo_arm(dataset: str) -> Callable[[int], Iterable[torch.Tensor]]:
    images = load_examples(dataset, "train", shape=SHAPE)
    return lambda epoch: images.read(images.order(0, epoch).split(BATCH), epoch)


def imagefolder_arm(folder: Path, workers: int) -> Callable[[int], Iterable[torch.Tensor]]:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms.v2 import PILToTensor

    dataset = ImageFolder(str(folder), PILToTensor())
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=workers)
    return lambda _: (images for images, _ in loader)


def webdataset_arm(pattern: str, workers: int) -> Callable[[int], Iterable[torch.Tensor]]:
    from torchvision.transforms.v2 import PILToTensor
    from webdataset.compat import WebDataset

    dataset = WebDataset(pattern, shardshuffle=SHARDS).shuffle(1000)
    dataset = dataset.decode("pil").to_tuple("jpg").map_tuple(PILToTensor())
    loader = DataLoader(dataset, batch_size=BATCH, num_workers=workers)  # pyright: ignore[reportArgumentType]  # it is one
    return lambda _: (images for (images,) in loader)


def training(folder: Path, options: argparse.Namespace) -> Comparison:
    """An epoch of a convolutional VAE on one thread, from the folder and from memory, in turns."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = {
        "family": "conv-vae",
        "input_shape": SHAPE,
        "latent_dim": 32,
        "body": {"kind": "conv", "channels": [16, 32, 64]},
        "likelihood": {"kind": "gaussian"},
    }
    sections = {"model": model, "data": {"dataset": "jpegs", "protocol": "dequantized"}}
    recipe = zoo.Recipe.parse({**sections, "training": {"epochs": 1, "batch_size": BATCH}})
    streamed = load_examples(str(folder / "jpegs"), "train", shape=SHAPE)
    assert isinstance(streamed, StreamedExamples)
    streamed = replace(streamed, numbers=streamed.numbers[: options.trained])
    arms = {"from the folder": streamed, "from memory": streamed.held()}
    speed: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(3):
        for name, images in arms.items():
            begun = time.perf_counter()
            fit(
                zoo.build(recipe.spec, seed=0),
                images,
                recipe,
                device=torch.device("cpu"),
                checkpoint=folder / "checkpoint",
                resume=False,
                validate=None,
                on_progress=lambda _: None,
            )
            speed[name].append(len(images) / (time.perf_counter() - begun))
    torch.set_num_threads(threads)
    rows = [(name, f"{float(np.median(some)):,.0f}") for name, some in speed.items()]
    print_table(("training on one thread", "images / s"), rows)
    ratio = median_ratio(*speed.values())
    return Comparison("training, from the folder / from memory", ratio, "x", 0.85, True)


def memory(folder: Path, options: argparse.Namespace) -> list[Comparison]:
    """Peaks of reading little and much, each in a process of its own."""
    peaks: dict[str, list[float]] = {}
    sizes = (1, options.gigabytes)
    for size in sizes:
        path = folder / f"{size}.npy"
        write_npy(path, size * GIGABYTE)
        peaks.setdefault(".npy", []).append(_peak_in_a_process(path))
        path.unlink()
        shards = folder / f"shards-{size}"
        write_bitmaps(shards, size * GIGABYTE)
        peaks.setdefault("tar shards", []).append(_peak_in_a_process(shards))
    rows = [(kind, *(f"{peak:,.0f}" for peak in some)) for kind, some in peaks.items()]
    print_table(("peak, MB (PSS)", *(f"{size} GB" for size in sizes)), rows)
    return [
        Comparison(f"{kind}: {sizes[1]} GB less {sizes[0]} GB", some[1] - some[0], " MB", 300)
        for kind, some in peaks.items()
    ]


def peak_of(dataset: str) -> float:
    """Megabytes of this process and its workers while they read a whole epoch."""
    peak, done = [0.0], threading.Event()
    watching = threading.Thread(target=_watch, args=(peak, done))
    watching.start()
    images = load_examples(dataset, "train", shape=SHAPE)
    for _ in images.read(images.order(0, 0).split(BATCH), 0):
        pass
    done.set()
    watching.join()
    return peak[0]


def _watch(peak: list[float], done: threading.Event) -> None:
    while not done.wait(POLL_SECONDS):
        tasks = Path("/proc/self/task").glob("*/children")
        workers = [pid for path in tasks for pid in path.read_text().split()]
        peak[0] = max(peak[0], sum(map(_pss, ["self", *workers])))


def _pss(process: str) -> float:
    try:
        lines = Path("/proc", process, "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it has just ended
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:")), 0)


def _peak_in_a_process(dataset: Path) -> float:
    command = [sys.executable, __file__, "--read", str(dataset)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def textured(number: int) -> np.ndarray:
    """A picture `(64, 64, 3)` of broad shapes and fine grain: its JPEG is as large as a photo's."""
    random = np.random.Generator(np.random.Philox(number))
    broad = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64))
    return np.clip(np.array(broad) + random.normal(0, 8, (64, 64, 3)), 0, 255).astype(np.uint8)


def write_jpegs(folder: Path, count: int) -> None:
    """The same JPEGs in a folder of ten classes and in shards."""
    with ExitStack() as stack:
        shards = [
            stack.enter_context(tarfile.open(folder / f"{i}.tar", "w")) for i in range(SHARDS)
        ]
        for number in range(count):
            path = folder / "jpegs" / str(number % 10) / f"{number:07}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(textured(number)).save(path, quality=90)
            shards[number * SHARDS // count].add(path, path.name)


def write_npy(path: Path, size: int) -> None:
    """A `.npy` of so many bytes of images, the same thousand again and again."""
    thousand = np.stack([textured(number) for number in range(1000)]).transpose(0, 3, 1, 2)
    count = size // thousand.nbytes
    header = np.lib.format.header_data_from_array_1_0(np.ascontiguousarray(thousand))
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (1000 * count, *SHAPE)})
        for _ in range(count):
            file.write(np.ascontiguousarray(thousand).data)


def write_bitmaps(folder: Path, size: int) -> None:
    """Shards of so many bytes of bitmaps: one of 100 MB, and hard links to it."""
    folder.mkdir()
    first = folder / "0000.tar"
    with tarfile.open(first, "w") as archive:
        for number in range(100 * 10**6 // (3 * 64 * 64)):
            data = io.BytesIO()
            Image.fromarray(textured(number % 1000)).save(data, "BMP")
            member = tarfile.TarInfo(f"{number:07}.bmp")
            member.size = len(data.getvalue())
            archive.addfile(member, io.BytesIO(data.getvalue()))
    for number in range(1, size // (100 * 10**6)):
        os.link(first, folder / f"{number:04}.tar")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000, help="JPEGs")
    parser.add_argument("--pairs", type=int, default=5, help="epochs of each kind")
    parser.add_argument("--trained", type=int, default=2000, help="images that are trained on")
    parser.add_argument("--workers", type=int, default=2, help="processes that read")
    parser.add_argument("--gigabytes", type=int, default=10, help="of the larger sets")
    parser.add_argument("--folder", default=None, help="where the images are generated")
    parser.add_argument("--read", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
