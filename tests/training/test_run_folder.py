"""A run's folder: one run at a time in it, what is in it when, and how a run is resumed."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.errors import DataError, RecipeError, SourceError, TrainingError
from zoo.training import run
from zoo.training.folder import RunFolder, claimed
from zoo.training.loop import Update
from zoo.training.recipe import Recipe, load_recipe

MANY = 24


def bits(folder) -> bytes:
    return Path(folder, "model/model.safetensors").read_bytes()


def claims(recipe: Recipe, out: str | None, resume: bool = False) -> list[str]:
    """What many claims at once are given: a folder, or why not."""
    together = threading.Barrier(MANY)

    def claim(_: int) -> str:
        together.wait()
        with contextlib.ExitStack() as held:
            try:
                return str(held.enter_context(claimed(recipe, out, resume, "name")).path)
            except SourceError as refused:
                return str(refused)
            finally:
                together.wait()  # all hold what they have until all have tried

    with ThreadPoolExecutor(MANY) as threads:
        return list(threads.map(claim, range(MANY)))


def test_runs_started_at_once_have_a_folder_each(recipe):
    found = claims(load_recipe(recipe()), None)
    expected = ["runs/name", *(f"runs/name-{n}" for n in range(2, MANY + 1))]
    assert sorted(found) == sorted(expected)
    assert not Path("runs").exists()  # nothing was trained in them


def test_of_runs_started_at_once_in_one_folder_all_but_one_are_refused(recipe, monkeypatch):
    monkeypatch.setattr("zoo.io.locks.SECONDS", 0)
    found = claims(load_recipe(recipe()), "a")
    assert found.count("a") == 1
    (why,) = set(found) - {"a"}
    assert why == "Another process is training in 'a'. Wait for it, or choose another --out."


def test_of_resumptions_of_one_run_all_but_one_are_refused(recipe, monkeypatch):
    monkeypatch.setattr("zoo.io.locks.SECONDS", 0)
    Path("a").mkdir()
    Path("a/recipe.toml").write_text(load_recipe(recipe()).to_toml())
    assert claims(load_recipe(recipe()), "a", resume=True).count("a") == 1


TRAINED = """
import json, os, sys, torch
import accelerate, sklearn.datasets, torchmetrics  # once, rather than in each child
import zoo
torch.set_num_threads(1)
children = []
for seed in range(4):
    if (child := os.fork()) == 0:
        overrides = {"seed": seed, "epochs": 1, "data.fit": "train"}
        zoo.train("vae-digits-8", overrides=overrides, device="cpu")
        os._exit(0)
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_processes_that_train_one_recipe_at_once_leave_a_model_each():
    done = subprocess.run([sys.executable, "-c", TRAINED], capture_output=True, text=True)
    assert done.stdout == "[0, 0, 0, 0]\n", done.stderr
    runs = sorted(Path("runs").iterdir())
    assert len({bits(path) for path in runs}) == 4
    for path in runs:
        assert (path / "recipe.toml").read_text() == (path / "model/recipe.toml").read_text()


def test_a_run_that_never_began_leaves_no_folder(recipe):
    settings = recipe()
    settings["data"]["dataset"] = "./nowhere"
    for out in (None, "a"):
        with pytest.raises(DataError):
            zoo.train(settings, out=out)
    assert not Path("a").exists()
    assert not Path("runs").exists()


def test_a_run_does_not_overwrite_another(recipe):
    zoo.train(recipe(epochs=1), out="a")
    before = bits("a")
    with pytest.raises(SourceError, match="is not empty"):
        zoo.train(recipe(epochs=1), out="a")
    assert bits("a") == before


def test_resume_wants_the_same_recipe_and_a_run(recipe):
    zoo.train(recipe(epochs=1), out="a")
    with pytest.raises(RecipeError, match="another recipe"):
        zoo.train(recipe(epochs=2), out="a", resume=True)
    with pytest.raises(SourceError, match="No run to resume"):
        zoo.train(recipe(epochs=1), out="b", resume=True)


def test_a_run_that_ended_while_it_was_measured_is_not_finished(recipe, monkeypatch):
    def killed(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "evaluate_model", killed)
        with pytest.raises(KeyboardInterrupt):
            zoo.train(recipe(epochs=1), out="a")
    assert zoo.train(recipe(epochs=1), out="a", resume=True).metrics is not None


def test_resume_finds_the_run_of_this_recipe_among_those_of_its_name(recipe):
    Path("mine.toml").write_text(load_recipe(recipe(epochs=3)).to_toml())

    def stop(update: Update) -> None:
        signal.raise_signal(signal.SIGINT)

    for seed in (0, 1, 2):
        assert zoo.train("mine.toml", overrides={"seed": seed}, on_update=stop).interrupted
    assert zoo.train("mine.toml", overrides={"seed": 1}, resume=True).folder == Path("runs/mine-2")
    with pytest.raises(
        RecipeError, match="The run in 'runs/mine-3' was started with another recipe"
    ):
        zoo.train("mine.toml", overrides={"seed": 9}, resume=True)


def test_a_run_is_called_by_its_recipes_file(recipe):
    Path("mine.toml").write_text(load_recipe(recipe(epochs=1)).to_toml())
    assert zoo.train("mine.toml").folder == Path("runs/mine")
    assert zoo.train("./mine.toml").folder == Path("runs/mine-2")


def test_a_finished_run_that_is_resumed_is_returned_as_it_is(recipe, caplog, monkeypatch):
    trained = zoo.train(recipe(epochs=1), out="a")
    monkeypatch.setattr(run, "fit_recipe", None)
    again = zoo.train(recipe(epochs=1), out="a", resume=True)
    assert not again.interrupted
    assert again.metrics.model_dump() == trained.metrics.model_dump()
    assert again.model.info.sha256 == trained.model.info.sha256
    said = "The run in 'a' is already finished."
    assert [record.message for record in caplog.records] == [said]


def test_other_images_are_not_trained_on_after_a_stop(recipe):
    levels = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)
    settings = recipe(epochs=2, batch_size=16)
    settings["data"]["dataset"] = "./mine.npy"
    np.save("mine.npy", levels)
    stopped = zoo.train(settings, out="a", on_update=lambda _: signal.raise_signal(signal.SIGINT))
    assert stopped.interrupted
    before = Path("a/checkpoint.safetensors").read_bytes()
    for others in (levels[:170], levels ^ 1):
        np.save("mine.npy", others)
        with pytest.raises(TrainingError, match=r"images of mine\.npy have changed since this run"):
            zoo.train(settings, out="a", resume=True)
    assert Path("a/checkpoint.safetensors").read_bytes() == before
    np.save("mine.npy", levels)
    assert not zoo.train(settings, out="a", resume=True).interrupted


def test_history_has_a_line_for_each_epoch_as_it_ends(recipe):
    seen = []

    def look(update: Update) -> None:
        lines = Path("a/history.jsonl").read_text().splitlines()
        seen.append((update.epoch, [json.loads(line)["epoch"] for line in lines]))

    zoo.train(recipe(epochs=3), out="a", on_update=look)
    assert all(epochs == list(range(1, epoch)) for epoch, epochs in seen)
    assert {epoch for epoch, _ in seen} == {1, 2, 3}


def test_history_goes_back_to_the_checkpoint_with_the_run(recipe):
    def stop(update: Update) -> None:
        if (update.epoch, update.ended) == (3, False):
            signal.raise_signal(signal.SIGINT)

    zoo.train(recipe(epochs=4), out="whole")
    assert zoo.train(recipe(epochs=4), out="a", on_update=stop).interrupted
    with open("a/history.jsonl", "a") as file:  # as if it had gone on, and was killed in a line
        file.write('{"epoch": 3, "steps": 63}\n{"epo')
    zoo.train(recipe(epochs=4), out="a", resume=True)
    assert Path("a/history.jsonl").read_text() == Path("whole/history.jsonl").read_text()


def test_a_run_is_finished_only_when_its_model_is_measured(recipe, monkeypatch):
    folder, states = RunFolder(Path("a")), []

    def measure(*arguments, **settings):
        states.append((folder.is_finished, folder.model.is_dir()))

    zoo.train(recipe(epochs=1), out="a", on_update=lambda _: states.append(folder.is_finished))
    assert set(states) == {False}
    assert folder.is_finished
    monkeypatch.setattr(run, "evaluate_model", measure)
    folder, states = RunFolder(Path("b")), []
    zoo.train(recipe(epochs=1), out="b")
    assert states == [(False, True)]
