"""Sweeps on this machine: what is run, what is kept, and how one that was killed goes on."""

from __future__ import annotations

import csv
import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import processes, wait_for, written

import zoo
from zoo.errors import DeviceError, RecipeError, SourceError
from zoo.sweeps import embedded
from zoo.sweeps import folder as folders
from zoo.sweeps.plan import load_plan
from zoo.sweeps.run import run_sweep

TWO = 'metric = "neg_elbo"\nseeds = [0, 1]\n'
FOUR = 'metric = "mse"\nseeds = [0, 1, 2, 3]\n[overrides]\nepochs = 30\n'
BAD = (
    'metric = "neg_elbo"\n[overrides]\n"model.log_variance_bound" = "off"\n'
    "[grid]\nlearning_rate = [0.01, 10.0]\n"
)


def quiet(line: str) -> None:
    """What a sweep says meanwhile is of no interest here."""


def command(*words: object) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "zoo", "sweep", *map(str, words)]
    return subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def trials_in(folder: Path) -> list[str]:
    """Command lines of the trials' processes that run in a folder."""
    commands = (command for _, command in processes().values())
    return [one for one in commands if "zoo.sweeps.trial" in one and str(folder) in one]


def count(table: Path, state: str) -> int:
    return table.read_text().count(f",{state},") if table.exists() else 0


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """Folder of a sweep with two finished trials, in `out` beside its files. Not to be changed."""
    here = tmp_path_factory.mktemp("two")
    run_sweep(load_plan(written(here, TWO)), here / "out", say=quiet)
    return here / "out"


def test_a_trial_is_a_run_with_the_bits_of_zoo_train(two):
    rows = list(csv.DictReader((two / "sweep.csv").open()))
    assert [(row["trial"], row["seed"], row["state"]) for row in rows] == [
        ("0", "0", "finished"),
        ("1", "1", "finished"),
    ]
    run = zoo.train(two.parent / "small.toml", out="alone", overrides={"seed": 1}, device="cpu")
    assert run.model.info is not None
    assert run.metrics is not None
    assert rows[1]["weights_sha256"] == run.model.info.sha256
    assert float(rows[1]["neg_elbo"]) == run.metrics.neg_elbo
    assert rows[1]["epochs"] == "2"
    assert zoo.load(two / "trials/001/model").info.sha256 == rows[1]["weights_sha256"]


def test_a_trial_computes_with_what_the_sweep_says(sweep_file, tmp_path, monkeypatch):
    seen: list[tuple[str, str | None]] = []
    whole = embedded.start

    def start(job, folder, log, **how):
        seen.append((job.resources["device"], how["gpu"]))
        cpu = dataclasses.replace(job, resources={**job.resources, "device": "cpu"})
        return whole(cpu, folder, log, **how)

    monkeypatch.setattr(embedded, "start", start)
    text = 'metric = "mse"\nseeds = [0, 1, 2]\n[resources]\nthreads = 2\ndevice = "{}"'
    run_sweep(load_plan(sweep_file(text.format("cpu"))), tmp_path / "cpu", say=quiet)
    assert seen == [("cpu", None)] * 3
    seen.clear()
    monkeypatch.setattr("zoo.runtime.devices.find_device", lambda name: None)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7,9")
    run_sweep(load_plan(sweep_file(text.format("cuda"))), tmp_path / "cuda", say=quiet)
    assert {gpu for _, gpu in seen} == {"5", "7"}
    assert [device for device, _ in seen] == ["cuda"] * 3


def test_a_gpu_that_is_not_there_is_a_sentence_before_any_trial(sweep_file, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    plan = load_plan(sweep_file(TWO + '[resources]\ndevice = "cuda"'))
    with pytest.raises(DeviceError, match="'cuda' is not available"):
        run_sweep(plan, tmp_path / "out", say=quiet)
    assert not (tmp_path / "out/trials").exists()


def test_the_table_says_no_time_host_or_path(two):
    text = (two / "sweep.csv").read_text()
    assert str(two) not in text
    assert os.uname().nodename not in text


def test_what_has_finished_is_not_run_again(two):
    before = {path: path.stat().st_mtime_ns for path in (two / "trials").rglob("*")}
    said: list[str] = []
    swept = run_sweep(load_plan(two.parent / "sweep.toml"), two, say=said.append)
    assert said[0] == "2 of 2 trials have ended already."
    assert [row["state"] for row in swept] == ["finished"] * 2
    assert {path: path.stat().st_mtime_ns for path in (two / "trials").rglob("*")} == before


def test_a_folder_s_own_sweep_is_that_sweep(two):
    run_sweep(load_plan(two / "sweep.toml"), two, say=quiet)


@pytest.mark.parametrize("text", [TWO.replace("1]", "2]"), TWO + "[overrides]\nepochs = 3\n"])
def test_another_sweep_in_the_same_folder_is_refused(two, tmp_path, text):
    before = (two / "sweep.csv").read_bytes()
    with pytest.raises(RecipeError, match="holds another sweep than this one"):
        run_sweep(load_plan(written(tmp_path, text)), two, say=quiet)
    assert (two / "sweep.csv").read_bytes() == before


def test_a_folder_of_something_else_is_refused(sweep_file, tmp_path):
    plan = load_plan(sweep_file(TWO))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SourceError, match="is not empty and holds no sweep"):
        run_sweep(plan, tmp_path / "mine", say=quiet)
    with pytest.raises(SourceError, match="is a file; a sweep needs a folder"):
        run_sweep(plan, tmp_path / "file", say=quiet)
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


def test_two_sweeps_at_once_in_one_folder_are_refused(sweep_file, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.io.locks.SECONDS", 0.0)
    plan = load_plan(sweep_file(TWO))
    with (
        folders.opened(plan, tmp_path / "out"),
        pytest.raises(SourceError, match="Another process runs the sweep"),
    ):
        run_sweep(plan, tmp_path / "out", say=quiet)


@pytest.mark.slow
def test_a_trial_that_fails_is_a_row_with_its_sentence_and_is_tried_again(sweep_file, tmp_path):
    plan = load_plan(sweep_file(BAD))
    said: list[str] = []
    swept = run_sweep(plan, tmp_path / "out", say=said.append)
    good, bad = swept
    assert (good["state"], bad["state"]) == ("finished", "failed")
    assert bad["error"].startswith("The loss is not finite: at step ")
    assert (bad["neg_elbo"], bad["weights_sha256"]) == (None, None)
    table = (tmp_path / "out/sweep.csv").read_bytes()
    said.clear()
    run_sweep(plan, tmp_path / "out", say=said.append)
    assert said[0] == "1 of 2 trials have ended already."
    assert said[1].startswith("trial 1 (learning_rate = 10.0, seed = 0) failed: The loss is not")
    assert (tmp_path / "out/sweep.csv").read_bytes() == table


@pytest.mark.slow
def test_a_trial_whose_process_is_killed_is_a_row_with_its_sentence(sweep_file, tmp_path):
    out = tmp_path / "out"
    sweep = command(sweep_file(TWO), "--out", out, "--processes", 1)
    wait_for(lambda: trials_in(out))
    (killed,) = [pid for pid, (_, args) in processes().items() if f"{out}/trials/000" in args]
    os.kill(killed, signal.SIGKILL)
    sweep.communicate(timeout=120)
    rows = list(csv.DictReader((out / "sweep.csv").open()))
    assert [row["state"] for row in rows] == ["failed", "finished"]
    assert "was ended by signal 9" in rows[0]["error"]
    assert sweep.returncode == 0


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_to_the_same_bytes(sweep_file, tmp_path):
    out = tmp_path / "out"
    sweep = command(sweep_file(FOUR), "--out", out, "--processes", 2)
    wait_for(lambda: count(out / "sweep.csv", "finished") and trials_in(out))
    sweep.kill()
    sweep.wait()
    wait_for(lambda: not trials_in(out), 60)  # nobody computes on for nobody
    assert count(out / "sweep.csv", "waiting")
    for name in ("out", "undisturbed"):
        again = command(tmp_path / "sweep.toml", "--out", tmp_path / name)
        assert again.wait(timeout=240) == 0
    whole = (tmp_path / "undisturbed/sweep.csv").read_bytes()
    assert (out / "sweep.csv").read_bytes() == whole
    assert whole.count(b",finished,") == 4


@pytest.mark.slow
def test_ctrl_c_leaves_checkpoints_and_no_process(sweep_file, tmp_path):
    out = tmp_path / "out"
    long = FOUR.replace("epochs = 30", "epochs = 100000")
    sweep = command(sweep_file(long), "--out", out, "--processes", 1)
    wait_for(lambda: "epoch" in log.read_text() if (log := out / "trials/000.log").exists() else 0)
    sweep.send_signal(signal.SIGINT)
    _, said = sweep.communicate(timeout=120)
    assert sweep.returncode == 1
    assert said.decode().endswith("Error: Interrupted. The same command goes on from here.\n")
    assert (out / "trials/000/checkpoint.safetensors").exists()
    assert count(out / "sweep.csv", "waiting") == 4
    assert not trials_in(out)
