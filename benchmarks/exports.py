"""How far a model as ONNX is from torch, and how fast onnxruntime runs it beside torch.

    python benchmarks/exports.py [--turns N]

Each model is written by `zoo.export_onnx` into a temporary folder. On 1,000 test images of MNIST,
100 at once, torch and onnxruntime encode and decode in turn, in one thread each, by the processor's
time of one process: so other programs slow both alike. The ratio is the median over the turns. A
difference is the largest one of any number of a code, or of any pixel of the image of torch's code.

Expect some minutes, and differences of 1e-6.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnxruntime
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
from torch import Tensor

import zoo
from zoo.data import as_gray, load_examples

MODELS = ("vae-mnist-20", "conv-vae-mnist-32", "hierarchical-vae-mnist")
IMAGES = 1_000
AT_ONCE = 100

Run = Callable[[Tensor], Tensor]


def main() -> None:
    """Measures each model in a process of its own, and prints the tables."""
    options = _options()
    if options.model:
        print(json.dumps(measure(options.model, options.turns)))
        return
    print_setting()
    rows, comparisons = [], []
    for model in MODELS:
        with start(__file__, ["--model", model, "--turns", str(options.turns)], 1) as process:
            for part, found in answer(process).items():
                speeds = [
                    IMAGES / sorted(found[arm])[options.turns // 2] for arm in ("onnx", "torch")
                ]
                ratio = median_ratio(found["torch"], found["onnx"])
                rows.append(
                    (f"{model}, {part}", *(f"{speed:,.0f}" for speed in speeds), f"{ratio:.2f}")
                )
                what = f"{model}, {part}: difference"
                comparisons.append(Comparison(what, found["difference"], "", 1e-5))
    print_table(("one thread", "onnxruntime, images/s", "torch, images/s", "ratio"), rows)
    print_comparisons(comparisons)


def measure(name: str, turns: int) -> dict[str, dict[str, list[float] | float]]:
    """Of each part the largest difference, and the seconds of each turn of both arms."""
    model = zoo.load(name)
    x = as_gray(load_examples("mnist", "test").first(IMAGES))
    with tempfile.TemporaryDirectory() as place:
        zoo.export_onnx(model, place)
        encode, decode = (_graph(Path(place, f"{part}.onnx")) for part in ("encoder", "decoder"))
    with torch.inference_mode():
        return {
            "encoder": compare(model._encode, encode, x, turns),
            "decoder": compare(model._decode, decode, model._encode(x), turns),
        }


def compare(
    by_torch: Run, by_onnx: Run, given: Tensor, turns: int
) -> dict[str, list[float] | float]:
    """The largest difference between two functions, and the seconds of each of their turns."""
    now, seconds = clock(1), {"torch": [], "onnx": []}
    difference = 0.0
    for _ in range(turns + 1):
        begun = now()
        expected = torch.cat([by_torch(part) for part in given.split(AT_ONCE)])
        between = now()
        found = torch.cat([by_onnx(part) for part in given.split(AT_ONCE)])
        seconds["onnx"].append(now() - between)
        seconds["torch"].append(between - begun)
        difference = float((found - expected).abs().max())
    return {"difference": difference, **{arm: taken[1:] for arm, taken in seconds.items()}}


def _graph(path: Path) -> Run:
    """A file as a function, in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    [taken] = session.get_inputs()

    def run(given: Tensor) -> Tensor:
        [found] = session.run(None, {taken.name: given.numpy()})
        return torch.from_numpy(found)

    return run


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=10, help=f"of {IMAGES:,} images")
    parser.add_argument("--model", choices=MODELS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
