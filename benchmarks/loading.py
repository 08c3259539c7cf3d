"""How long it takes to load a published model, to import the zoo and to list what it has.

    python benchmarks/loading.py [--pairs N] [--processes N]

`zoo.load("vae-mnist-20")` after `import torch` stands beside its floor, which no verified load
can leave out: build the model on the meta device, read the file, take its sha256 once, make
tensors of the bytes and assign them. `import zoo` and `zoo list` run in fresh processes, beside
Python's own start, `python -c pass`, and `zoo list` once more with 50 plugins installed. The first
of each kind is not counted: files are in memory. Arms take turns, and a ratio or difference is the median over the pairs, so that other programs
slow both arms alike.

It takes half a minute. Expect a load of some 10 ms, at most twice its floor; an import of less
than 50 ms; a list in less than half a second.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from comparison import Comparison, median_ratio, print_comparisons, print_setting, print_table

import zoo
from zoo.folder.layout import WEIGHTS
from zoo.plugins.entry_points import GROUPS
from zoo.registry import families

NAME = "vae-mnist-20"
START = (sys.executable, "-c", "pass")
IMPORT = (sys.executable, "-c", "import zoo")
LIST = (sys.executable, "-m", "zoo", "list")
PLUGINS = 50


def main() -> None:
    """Measures all three and prints the tables."""
    options = _options()
    try:
        info = zoo.info(NAME)
    except zoo.ZooError as absent:
        sys.exit(f"This benchmark loads the published model {NAME}. {absent}")
    print_setting()
    load, floor = in_turn(options.pairs, lambda: zoo.load(NAME), lambda: load_unchecked(info))
    with tempfile.TemporaryDirectory() as crowd:
        install_plugins(Path(crowd))
        start, imported, listed, crowded = in_turn(
            options.processes,
            *(_process(command) for command in (START, IMPORT, LIST)),
            _process(LIST, {**os.environ, "PYTHONPATH": crowd}),
        )
    arms = {
        f'zoo.load("{NAME}")': load,
        "its floor": floor,
        "python -c pass": start,
        'python -c "import zoo"': imported,
        "zoo list": listed,
        f"zoo list, {PLUGINS} plugins": crowded,
    }
    rows = [(name, f"{_median_ms(arm):.1f}", str(len(arm))) for name, arm in arms.items()]
    print_table(("", "median, ms", "times"), rows)
    importing = [both - alone for both, alone in zip(imported, start, strict=True)]
    print_comparisons(
        [
            Comparison("zoo.load / its floor", median_ratio(load, floor), "x", 2),
            Comparison("import zoo, less Python's start", _median_ms(importing), " ms", 50),
            Comparison("zoo list", _median_ms(listed), " ms", 500),
            Comparison(f"zoo list, {PLUGINS} plugins", _median_ms(crowded), " ms", 500),
        ]
    )


def load_unchecked(info: zoo.ModelInfo) -> torch.nn.Module:
    """The least that gives a model whose weights have the right sha256."""
    assert info.folder is not None
    with torch.device("meta"):
        model = families.get(info.family).cls(info.spec)
    data = (info.folder / WEIGHTS).read_bytes()
    assert hashlib.sha256(data).hexdigest() == info.sha256
    model.load_state_dict(safetensors.torch.load(data), assign=True)
    return model.eval()


def in_turn(times: int, *arms: Callable[[], object]) -> list[list[float]]:
    """Seconds of each arm, so many times in turn, after one that is not counted."""
    seconds: list[list[float]] = [[] for _ in arms]
    for _ in range(times + 1):
        for taken, arm in zip(seconds, arms, strict=True):
            begun = time.perf_counter()
            arm()
            taken.append(time.perf_counter() - begun)
    return [taken[1:] for taken in seconds]


def install_plugins(folder: Path) -> None:
    """Packages as an installer leaves them: a module, and metadata that name a family."""
    for number in range(PLUGINS):
        name = f"plugin_{number}"
        (folder / f"{name}.py").write_text("raise SystemExit('imported')\n")
        metadata = folder / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        points = f"[{GROUPS['family']}]\nfamily-{number} = {name}:Model\n"
        (metadata / "entry_points.txt").write_text(points)


def _process(
    command: tuple[str, ...], environment: dict[str, str] | None = None
) -> Callable[[], object]:
    run = functools.partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
    return functools.partial(run, env=environment)


def _median_ms(seconds: list[float]) -> float:
    return 1000 * statistics.median(seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=200, help="loads of each kind")
    parser.add_argument("--processes", type=int, default=20, help="fresh processes of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
