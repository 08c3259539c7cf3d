"""Programs on several processes, started by `torchrun`, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}

TRAINS = """
import json, sys, zoo, zoo.runtime.processes
from pathlib import Path
if __name__ == "__main__":
    for name, recipe in json.loads(Path("recipes.json").read_text()).items():
        zoo.train(recipe, out=f"{sys.argv[1]}/{name}", device="cpu")
    zoo.runtime.processes.leave(0)
"""
MEASURES = """
import shlex, sys
from zoo.runtime import processes
from zoo.cli import main
for line in sys.argv[1:]:
    try:
        main(shlex.split(line))
    except SystemExit as end:
        assert end.code == 0
processes.leave(0)
"""


def start(count: int, *words: str, **options) -> subprocess.Popen[str]:
    """`torchrun` with so many processes of a program: a script's path, or `-m` and a module."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(count), *words]
    return subprocess.Popen(command, env=ENVIRONMENT, text=True, **options)


def run(count: int, *words: str) -> tuple[int, str, str]:
    """Its exit code, and all that it wrote: standard output, standard error."""
    with start(count, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.terminate()  # what hangs would be waited for here
    return process.returncode, out, err


def train_all(count: int, recipes: Mapping[str, dict]) -> None:
    """Trains each recipe on so many processes, into the folder `<count>/<name>` of this one."""
    Path("recipes.json").write_text(json.dumps(recipes))
    Path("trains.py").write_text(TRAINS)
    code, _, err = run(count, "trains.py", str(count))
    assert code == 0, err


def what_they_print(count: int, *lines: str) -> str:
    """What `zoo` prints to each of these command lines, on so many processes."""
    Path("measures.py").write_text(MEASURES)
    code, out, err = run(count, "measures.py", *lines)
    assert code == 0, err
    return out
