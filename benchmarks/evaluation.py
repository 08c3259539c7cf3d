"""How fast the importance-weighted bound is measured, and in how much memory.

    python benchmarks/evaluation.py [--images N] [--threads 1 2]

`zoo.evaluation.measure.measure_nll` with K = 1000 decodes a thousand codes for every image. For
the vae 784-512-256-20 nearly all of that is the decoder's three matrix products, so they are the
floor: the same products alone, for as many codes, in chunks of the size that the zoo takes. Zoo
and floor take turns of a few images, in a process with one thread and then in one with two; the
ratio is the median over the turns, so that other programs slow both alike. One thread is timed in
the processor's time, two by the clock on the wall, and they therefore need two idle cores.

Memory is how far the resident memory of a fresh process rises above where it stood before, at its
highest, for several K, numbers of images and image shapes (read from /proc: on Linux only).

The weights are the published ones if they are here, else random: the work is the same. It takes
two minutes on two idle cores; with `--images 50` half a minute. Expect 1.2 to 1.4 times the floor on
one thread and 1.3 to 1.6 on two: a second thread halves the products, but not the passes over the
logits, which wait for memory, nor what starts some 130 operations an image. Expect 10 to 60 MB, and
up to 300 for many chunks, of which the allocator keeps some.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

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
from torch import Tensor, nn

import zoo
from zoo.data import load_examples, shown_in_testing
from zoo.evaluation.measure import measure_nll
from zoo.models.variational import VALUES_AT_ONCE

NAME, SAMPLES = "vae-mnist-20", 1000
IMAGES_PER_TURN = 5
MNIST_SHAPE, COLOR_SHAPE = (1, 28, 28), (3, 64, 64)
CASES = (  # image shape, K, images
    (MNIST_SHAPE, 1000, 10),
    (MNIST_SHAPE, 5000, 10),
    (MNIST_SHAPE, 100_000, 1),
    (MNIST_SHAPE, 10, 1000),
    (MNIST_SHAPE, 1, 10_000),
    (COLOR_SHAPE, 1000, 2),
    (COLOR_SHAPE, 5000, 2),
)
"""What memory is measured on."""


def main() -> None:
    """Measures speed and memory and prints the tables; or, in a process of its own, one of them."""
    options = _options()
    if options.part == "speed":
        print(json.dumps(measure_speed(options.threads[0], options.images)))
        return
    if options.part == "memory":
        print(json.dumps(measure_memory(*CASES[options.case])))
        return
    print_setting()
    _report_speed(options.threads, options.images)
    _report_memory()


def measure_speed(threads: int, images: int) -> dict[str, list[float]]:
    """Seconds of each turn of a few images: the zoo's bound, and the matrix products alone."""
    torch.set_num_threads(threads)
    model, shown = _published_or_random(), _mnist_or_noise(images)
    codes = torch.randn(SAMPLES, *model.latent_shape)
    seconds: dict[str, list[float]] = {"zoo": [], "floor": []}
    now = clock(threads)
    with torch.inference_mode():
        for x in [shown[:1], *shown.split(IMAGES_PER_TURN)]:
            begun = now()
            measure_nll(model, x, seed=0, samples=SAMPLES)
            between = now()
            _multiply(model, codes, len(x))
            seconds["zoo"].append(between - begun)
            seconds["floor"].append(now() - between)
    return {name: taken[1:] for name, taken in seconds.items()}  # the first warms up


def measure_memory(shape: tuple[int, int, int], samples: int, images: int) -> float:
    """How far this process's memory rises while it measures, in bytes."""
    model = _random_model(shape)
    shown = torch.rand(images, *shape).round()
    with torch.inference_mode():
        before = _from_proc("VmRSS")
        measure_nll(model, shown, seed=0, samples=samples)
    return max(0, _from_proc("VmHWM") - before)


def _multiply(model: zoo.VariationalAutoencoder, codes: Tensor, images: int) -> None:
    """The decoder's products for the codes of each image, in the zoo's chunks."""
    decoder = model.get_submodule("decoder")
    weights = [layer.weight.t() for layer in decoder.modules() if isinstance(layer, nn.Linear)]
    for _ in range(images):
        for h in codes.split(VALUES_AT_ONCE // model.spec.input_size):
            for weight in weights:
                h = h @ weight


def _published_or_random() -> zoo.VariationalAutoencoder:
    try:
        model = zoo.load(NAME)
    except zoo.ZooError:
        return _random_model(MNIST_SHAPE)
    assert isinstance(model, zoo.VariationalAutoencoder)
    return model


def _random_model(shape: tuple[int, int, int]) -> zoo.VariationalAutoencoder:
    model = zoo.build("vae", seed=0, input_shape=shape, latent_dim=20)
    assert isinstance(model, zoo.VariationalAutoencoder)
    return model


def _mnist_or_noise(images: int) -> Tensor:
    """The first MNIST test images, binarized; noise where MNIST is not here: the work is the same."""
    try:
        return shown_in_testing(load_examples("mnist", "test").first(images), "binarized")
    except zoo.ZooError:
        return torch.rand(images, *MNIST_SHAPE).round()


def _from_proc(name: str) -> int:
    """Bytes of memory of this process, as Linux counts them under this name."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def _report_speed(threads: list[int], images: int) -> None:
    rows, comparisons = [], []
    for count in threads:
        arguments = ["--part", "speed", "--threads", str(count), "--images", str(images)]
        with start(__file__, arguments, count) as process:
            seconds = answer(process)
        what = f"{count} thread{'s' if count > 1 else ''}"
        totals = [sum(seconds[arm]) for arm in ("zoo", "floor")]
        rows.append((what, *(f"{total:.1f}" for total in totals)))
        ratio = median_ratio(seconds["zoo"], seconds["floor"])
        comparisons.append(Comparison(f"zoo / floor, {what}", ratio, "x", 1.5))
    print_table((f"K = {SAMPLES}, {images:,} images", "zoo, s", "products alone, s"), rows)
    print_comparisons(comparisons)


def _report_memory() -> None:
    if not Path("/proc/self/status").exists():
        print("Memory: not measured, this system has no /proc.")
        return
    comparisons = []
    for case, (shape, samples, images) in enumerate(CASES):
        with start(__file__, ["--part", "memory", "--case", str(case)], 2) as process:
            risen = answer(process) / 1e6
        what = f"memory, K = {samples:,}, {images:,} images of {shape}"
        comparisons.append(Comparison(what, risen, " MB", 1000))
    print_comparisons(comparisons)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1000, help="measure on so many (speed)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts")
    parser.add_argument("--part", choices=("speed", "memory"), help=argparse.SUPPRESS)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
