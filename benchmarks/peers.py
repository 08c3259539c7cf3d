"""The zoo beside its peers: training, loading, what loading runs, the bound, memory.

    python benchmarks/peers.py [--quick] [--epochs N] [--venv PATH] [--out FILE]

One network, 784-512-256-20, on MNIST, one thread, by

    tutorial    torchvision's dataset, ToTensor and a DataLoader; BCE on a sigmoid; plain Adam
    bare        a loop over a uint8 tensor; BCE on logits; fused Adam; nothing else
    pythae      pythae 0.1.2 as its documentation uses it, with the same network by its API
    zoo         the loop that `zoo.train` runs, float32, the same objective, no averaging
    zoo, its own recipe    the same by the published recipe's objective, schedule and averaging

Each arm is a process of its own. The peers live in an environment of their own, which pip fills with the
versions of `arms/requirements.txt` and the zoo's own torch: some GB, once. Without a GPU, make it before
with the CPU's torch, and name it by `--venv`. Training goes by turns of 50 steps, loads and bounds by
turns too, so that other programs slow all alike; ratios are medians over the turns, in the processor's
time, less the first turn, which warms up. All are judged by one function; what each library says of itself
stands beside it. The folders that are damaged are copies of what each library saved.

It writes `benchmarks/peers.md`, in which every number is of that run. 20 epochs of five arms take some
20 minutes on an idle core; with `--quick` two minutes, and the numbers then say nothing about quality.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from arms.arm import Job
from arms.jobs import do

QUICK = {"epochs": 1, "images": 12_800, "bounds": 20, "loads": 10, "processes": 2}


def main() -> None:
    """Measures everything and writes the table; or, with `--job`, is one of the arms."""
    options = _options()
    if options.job:
        do(Job(**json.loads(options.job)))
        return
    from arms.bench import Bench, Measured  # of the zoo's environment from here on
    from arms.environment import default_folder, own_versions, prepare_environment
    from arms.machine import describe_machine
    from arms.report import Setting, report
    from arms.with_zoo import differences, prepare

    import zoo
    from zoo.datasets.idx import data_folder
    from zoo.io.files import write_atomically

    with tempfile.TemporaryDirectory() as work:
        try:
            prepare(Path(work))
        except zoo.ZooError as absent:
            sys.exit(f"This benchmark trains on MNIST. {absent}")
        python, versions = prepare_environment(options.venv or default_folder())
        bench = Bench(Path(work), python, options, str(data_folder()))
        measured = Measured(
            bench.train(), bench.load(), bench.attempt(), bench.bound(), bench.imports()
        )
    setting = Setting(
        _told(sys.argv[1:]),
        options.images,
        describe_machine(),
        versions,
        own_versions(),
        differences(),
    )
    write_atomically(options.out, report(measured, setting))
    print(f"Wrote {options.out}.")


def _told(arguments: list[str]) -> list[str]:
    """The arguments without paths, which say nothing to others."""
    pairs = zip(["", *arguments], arguments, strict=False)
    paths = ("--venv", "--out")
    return [one for before, one in pairs if not one.startswith(paths) and before not in paths]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--epochs", type=int, default=20, help="of each training")
    parser.add_argument("--images", type=int, default=60_000, help="train on the first so many")
    parser.add_argument("--bounds", type=int, default=200, help="images whose bound is measured")
    parser.add_argument("--loads", type=int, default=40, help="turns of five loads each")
    parser.add_argument("--processes", type=int, default=10, help="fresh processes that load")
    parser.add_argument("--venv", type=Path, help="the peers' environment; it is made if need be")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    for name in ("epochs", "bounds", "loads", "processes"):
        least = 2 if name == "bounds" else 1
        if getattr(options, name) < least:
            parser.error(f"--{name} is {least} or more, not {getattr(options, name)}")
    if not 12_800 <= options.images <= 60_000:
        parser.error(f"--images is 12,800 (two turns) to 60,000, not {options.images:,}")
    if options.out.is_dir():
        parser.error(f"--out is a file, and {options.out} is a folder")
    return options


if __name__ == "__main__":
    main()
