"""`track`: what the trackers are told, that it changes no bit, and what is said without them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

import zoo
from zoo.cli import main
from zoo.errors import InputError, TrainingError
from zoo.training import loop
from zoo.training.recipe import load_recipe

EPOCH = 21
"""Steps of one epoch."""
SCALARS = {"loss/reconstruction", "loss/kl", "loss/validation", "learning_rate"}
SPEED, PICTURES = "images_per_second", {"reconstructions", "samples"}


@pytest.fixture
def told():
    """`told("a")`: what TensorBoard reads of the run in a folder."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(folder: str):
        everything = {"scalars": 0, "images": 0}
        return events.EventAccumulator(f"{folder}/tracking", everything).Reload()

    return read


def steps(events: list) -> list[int]:
    return [event.step for event in events]


def test_losses_rate_and_speed_are_told_and_pictures_shown_each_epoch(recipe, told):
    zoo.train(recipe(epochs=3, decay="cosine"), out="a", track="tensorboard")
    read = told("a")
    assert set(read.Tags()["scalars"]) == SCALARS | {SPEED}
    assert set(read.Tags()["images"]) == PICTURES
    ends = [EPOCH, 2 * EPOCH, 3 * EPOCH]
    assert all(steps(read.Scalars(tag)) == ends for tag in SCALARS)
    assert all(steps(read.Images(tag)) == ends for tag in PICTURES)
    assert steps(read.Scalars(SPEED)) == ends[1:]  # the first steps warm up
    assert all(event.value > 0 for event in read.Scalars(SPEED))
    rates = [event.value for event in read.Scalars("learning_rate")]
    assert 1e-3 > rates[0] > rates[1] > rates[2] > 0


def test_what_is_told_at_an_epochs_end_is_in_the_history(recipe, told):
    zoo.train(recipe(epochs=3), out="a", track="tensorboard")
    history = [json.loads(line) for line in Path("a/history.jsonl").read_text().splitlines()]
    for term in ("reconstruction", "kl", "validation"):
        values = [event.value for event in told("a").Scalars(f"loss/{term}")]
        losses = [one["terms"] | {"validation": one["validation_loss"]} for one in history]
        assert values == pytest.approx([one[term] for one in losses], rel=1e-6)


def test_a_long_epoch_is_told_as_it_goes(recipe, told, monkeypatch):
    monkeypatch.setattr(loop, "STEPS_PER_READ", 10)
    zoo.train(recipe(epochs=1), out="a", track="tensorboard")
    assert steps(told("a").Scalars("loss/kl")) == [10, 20, EPOCH]
    assert steps(told("a").Scalars(SPEED)) == [20, EPOCH]


def test_a_model_that_does_not_generate_shows_no_samples(recipe, told):
    settings = recipe(epochs=1)
    settings["model"]["family"] = "ae"
    zoo.train(settings, out="a", track="tensorboard")
    assert told("a").Tags()["images"] == ["reconstructions"]


def test_on_update_is_called_beside_the_display(recipe):
    seen = []
    zoo.train(recipe(), out="a", on_update=seen.append)
    assert [(update.epoch, update.ended) for update in seen] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]


BEFORE, AFTER = [5, 10, 15, 20, 21, 26], [31, 36, 41, 42]
"""Steps that are told when it is stopped in its second epoch, and when it goes on."""


@pytest.mark.parametrize("tracker", ["tensorboard", "wandb", "trackio"])
def test_a_tracked_run_has_the_same_bits_and_its_steps_go_on_after_a_stop(
    tracker, recipe, monkeypatch
):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", os.path.abspath("trackio"))  # heeded at its import
    pytest.importorskip(tracker)
    monkeypatch.setattr(loop, "STEPS_PER_READ", 5)
    settings = recipe(ema_decay=0.9, early_stopping=2)

    def stop(update: loop.Update) -> None:
        if update.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    zoo.train(settings, out="whole", device="cpu")
    assert zoo.train(settings, out="a", device="cpu", track=tracker, on_update=stop).interrupted
    zoo.train(settings, out="a", device="cpu", track=tracker, resume=True)
    for file in ("model/model.safetensors", "history.jsonl"):
        assert Path("whole", file).read_bytes() == Path("a", file).read_bytes()
    CHECKS[tracker]()


def _tensorboard() -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator("a/tracking").Reload()
    assert steps(read.Scalars("loss/kl")) == BEFORE + AFTER


def _wandb() -> None:
    first, second = sorted(Path("wandb").glob("offline-run-*"))
    assert first.name.rpartition("-")[2] == second.name.rpartition("-")[2]  # one run's id
    assert len([*Path("wandb").glob("offline-run-*/files/media/images/samples_*.png")]) == 2


def _trackio() -> None:
    with sqlite3.connect("trackio/autoencoder-zoo.db") as database:
        rows = database.execute("SELECT run_id, step, metrics FROM metrics ORDER BY id").fetchall()
    assert [step for _, step, said in rows if b"loss/kl" in bytes(said)] == BEFORE + AFTER
    assert len({run for run, *_ in rows}) == 1
    assert len([*Path("trackio/media").rglob("*.png")]) == 2 * len(PICTURES)


CHECKS = {"tensorboard": _tensorboard, "wandb": _wandb, "trackio": _trackio}


@pytest.mark.parametrize("tracker", ["tensorboard", "wandb", "trackio"])
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_done(
    tracker, recipe, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, tracker, None)
    Path(tracker).mkdir()  # a folder here is no package
    Path("r.toml").write_text(load_recipe(recipe()).to_toml())
    with pytest.raises(SystemExit) as end:
        main(["train", "r.toml", "--out", "a", "--track", tracker])
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        f"Error: --track {tracker} needs {tracker}: pip install 'autoencoder-zoo[{tracker}]'\n"
    )
    assert not Path("a").exists()


def test_a_tracker_that_does_not_start_is_a_sentence(recipe, monkeypatch):
    accelerate = pytest.importorskip("accelerate.tracking")
    pytest.importorskip("tensorboard")

    def refuse(self):
        raise OSError("no room")

    monkeypatch.setattr(accelerate.TensorBoardTracker, "start", refuse)
    with pytest.raises(TrainingError, match=r"tensorboard: failed to start \(OSError: no room\)"):
        zoo.train(recipe(), out="a", track="tensorboard")


def test_an_unknown_tracker_is_refused(recipe):
    with pytest.raises(InputError, match=r"No tracker 'tensorbord'\. Did you mean 'tensorboard'\?"):
        zoo.train(recipe(), out="a", track="tensorbord")
