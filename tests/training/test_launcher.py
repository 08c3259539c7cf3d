"""`zoo train` under a launcher: what is printed, and what is left when any process ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from launched import ENVIRONMENT, run, start

import zoo
from recipes import GOOD
from zoo.training.recipe import load_recipe

pytestmark = pytest.mark.slow
CHECKPOINT = "checkpoint.safetensors"
MINUTE = 60.0


def tiny(**training) -> dict:
    """A recipe that trains in a second and writes a checkpoint every step."""
    training = {"epochs": 2, "batch_size": 64, "checkpoint_minutes": 0, **training}
    return GOOD | {"training": training}


def write(recipe: dict) -> None:
    Path("r.toml").write_text(load_recipe(recipe).to_toml())


def bits(folder: str) -> bytes:
    return Path(folder, "model/model.safetensors").read_bytes()


def descendants(parent: int) -> set[int]:
    """The processes that a process started, and those that these started, as /proc tells them."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = status.read_text().rpartition(") ")
        except OSError:
            continue  # it has just ended
        state, above = rest.split()[:2]
        if state != "Z":
            parents[int(status.parent.name)] = int(above)
    found, fresh = set(), {parent}
    while fresh := {pid for pid, above in parents.items() if above in fresh}:
        found |= fresh
    return found


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def until(what, seconds: float = 3 * MINUTE) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come to pass"
        time.sleep(0.05)


@pytest.fixture
def stopped(tmp_path) -> Iterator:
    """`stopped(4, victim)` trains on 4 processes, kills one of its own and sees all of them end."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system does not say in /proc which processes there are")
    launchers: list[subprocess.Popen] = []

    def kill_one(count: int, victim: str) -> None:
        with open("said.txt", "w") as said:
            words = ("-m", "zoo", "train", "r.toml", "--out", "a", "--device", "cpu")
            launcher = start(count, *words, stdout=said, stderr=said)
        launchers.append(launcher)
        until(Path("a", CHECKPOINT).exists)
        of_ranks = {rank_of(pid): pid for pid in descendants(launcher.pid)}
        everyone = {launcher.pid, *descendants(launcher.pid)}
        victims = {
            "launcher": launcher.pid,
            "first": of_ranks["0"],
            "last": of_ranks[f"{count - 1}"],
        }
        os.kill(victims[victim], signal.SIGKILL)
        launcher.wait(MINUTE)
        until(lambda: not any(map(runs, everyone)), MINUTE)

    yield kill_one
    for launcher in launchers:
        launcher.kill()


def rank_of(pid: int) -> str:
    """Which of the launcher's processes it is; `""` for another."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    ranks = [text[5:].decode() for text in variables if text.startswith(b"RANK=")]
    return ranks[0] if ranks else ""


def test_killed_on_four_it_goes_on_on_one_with_the_same_bits(stopped):
    recipe = tiny(epochs=20, exact_shards=4, ema_decay=0.9, early_stopping=19)
    write(recipe)
    stopped(4, "last")
    zoo.train(recipe, out="a", device="cpu", resume=True)
    zoo.train(recipe, out="whole", device="cpu")
    assert bits("a") == bits("whole")
    assert Path("a/history.jsonl").read_text() == Path("whole/history.jsonl").read_text()


@pytest.mark.parametrize("victim", ["launcher", "first"])
def test_killed_on_two_it_goes_on_on_two_with_the_same_bits(victim, stopped):
    write(tiny(epochs=20, ema_decay=0.9))
    stopped(2, victim)
    words = ("-m", "zoo", "train", "r.toml", "--device", "cpu")
    code, _, err = run(2, *words, "--out", "a", "--resume")
    assert code == 0, err
    assert run(2, *words, "--out", "whole")[0] == 0
    assert bits("a") == bits("whole")


def test_on_another_number_of_processes_it_says_that_bits_differ(stopped, caplog):
    recipe = tiny(epochs=20)
    write(recipe)
    stopped(2, "launcher")
    zoo.train(recipe, out="a", device="cpu", resume=True)
    said = "Resuming a 2-process run on 1: results will not be bitwise identical."
    assert any(said in record.message for record in caplog.records)


def test_only_the_first_process_prints():
    write(tiny())
    words = ("train", "r.toml", "--out", "a", "--device", "cpu")
    code, out, err = run(2, "-m", "zoo", *words)
    assert code == 0, err
    assert out.count("Trained:") == out.count("Load it with") == 1
    assert err.count("epoch 1/2") == err.count("epoch 2/2") == 1
    shutil.rmtree("a")
    alone = subprocess.run(
        [sys.executable, "-m", "zoo", *words], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert len(out.splitlines()) == len(alone.stdout.splitlines())


def test_a_finished_run_that_is_resumed_says_so_once_and_fails_nowhere():
    write(tiny(epochs=1))
    words = ("-m", "zoo", "train", "r.toml", "--out", "a", "--device", "cpu")
    assert run(2, *words)[0] == 0
    code, out, err = run(2, *words, "--resume")
    assert code == 0, err
    assert "Traceback" not in err
    assert err.count("The run in 'a' is already finished.") == 1
    assert out.count("Trained: a/model") == 1


@pytest.mark.parametrize(
    ("training", "why"),
    [
        ({"exact_shards": 2}, "exact_shards = 2 supports 1 or 2 processes; the launcher"),
        ({"batch_size": 3}, "A batch of 3 images cannot be cut into 4 parts, for 4 processes"),
    ],
)
def test_a_mistake_is_said_once(training, why):
    write(tiny(**training))
    code, out, err = run(4, "-m", "zoo", "train", "r.toml", "--out", "a", "--device", "cpu")
    assert code == 1
    assert out == ""
    said = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1
    assert why in said[0]


def test_accelerate_launch_starts_it_too():
    """On processors Accelerate's own launcher starts one process, whatever the number."""
    write(tiny())
    launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--cpu"]
    launch += ["--num_processes", "2", "--main_process_port", "0", "-m", "zoo", "train", "r.toml"]
    done = subprocess.run([*launch, "--out", "a"], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained:") == 1
    assert json.loads(Path("a/model/config.json").read_text())
