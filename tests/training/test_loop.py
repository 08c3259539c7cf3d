"""Training: the same bits again, after any stop, and a plain word when it goes wrong."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zoo
from zoo.errors import RecipeError, TrainingError
from zoo.registry import families
from zoo.training import fitting, loop, run, step
from zoo.training.settings import TrainingSettings

WEIGHTS = "model/model.safetensors"
EVERYTHING = {
    "precision": "bf16",
    "gradient": "stl",
    "ema_decay": 0.9,
    "early_stopping": 2,
    "clip_norm": 5.0,
    "decay": "cosine",
    "warmup_steps": 10,
    "term_warmup_epochs": {"kl": 1.5},
    "optimizer": {"kind": "adamw", "weight_decay": 0.01},
    "output_bias": "training-mean",
}


def bits(folder) -> bytes:
    return (Path(folder) / WEIGHTS).read_bytes()


def test_the_same_recipe_gives_the_same_bits_whatever_was_trained_between(recipe):
    zoo.train(recipe(**EVERYTHING), out="a")
    zoo.train(recipe(precision="float32"), out="b")
    torch.randn(7)
    zoo.train(recipe(**EVERYTHING), out="c")
    assert bits("a") == bits("c") != bits("b")
    files = sorted(p.relative_to("a/model") for p in Path("a/model").rglob("*") if p.is_file())
    assert len(files) == 8
    for file in files:
        assert (Path("a/model") / file).read_bytes() == (Path("c/model") / file).read_bytes(), file


def test_another_seed_gives_other_bits(recipe):
    zoo.train(recipe(), out="a")
    zoo.train(recipe(seed=1), out="b")
    assert bits("a") != bits("b")


def test_training_leaves_the_global_generator_alone(recipe):
    before = torch.get_rng_state()
    zoo.train(recipe(), out="a")
    assert torch.equal(torch.get_rng_state(), before)


KILLED = """
import json, os, signal, sys, torch
import accelerate, sklearn.datasets, torchmetrics  # once, rather than in each child
import zoo, zoo.training.loop as loop
torch.set_num_threads(1)
save = loop.save_checkpoint
def train_until(checkpoints):
    def save_and_die(*arguments):
        nonlocal checkpoints
        save(*arguments)
        checkpoints -= 1
        if checkpoints == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    loop.save_checkpoint = save_and_die
    zoo.train(json.loads(sys.argv[1]), out="killed", resume=os.path.exists("killed"), device="cpu")
for checkpoints in map(int, sys.argv[2:]):
    child = os.fork()
    if child == 0:
        train_until(checkpoints)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), os.path.exists("killed/model/model.safetensors"))
"""


def test_killed_twice_and_resumed_it_ends_with_the_same_bits(recipe):
    settings = recipe(epochs=4, checkpoint_minutes=0, **EVERYTHING)
    zoo.train(settings, out="whole", device="cpu")
    command = [sys.executable, "-c", KILLED, json.dumps(settings), "21", "37"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == f"{-signal.SIGKILL} False\n" * 2, done.stderr
    run = zoo.train(settings, out="killed", resume=True, device="cpu")
    assert bits("killed") == bits("whole")
    assert not (run.folder / "checkpoint.safetensors").exists()
    assert Path("killed/history.jsonl").read_text() == Path("whole/history.jsonl").read_text()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_leave_a_model_whose_card_says_when(sent, recipe, monkeypatch):
    before = signal.getsignal(sent)

    @contextlib.contextmanager
    def interrupted_in_the_third_epoch(recipe):
        yield lambda update: signal.raise_signal(sent) if update.epoch == 3 else None

    monkeypatch.setattr(run, "progress_shown", interrupted_in_the_third_epoch)
    assert zoo.train(recipe(epochs=5, batch_size=8), out="i").interrupted
    card = Path("i/model/README.md").read_text()
    assert "**Training was interrupted** after 2 of 5 epochs" in card
    assert zoo.load("./i/model").info.metrics.training.interrupted
    assert Path("i/checkpoint.safetensors").exists()
    assert signal.getsignal(sent) is before


def test_stopped_at_an_epochs_last_step_it_ends_with_the_same_bits(recipe):
    def stop(update: loop.Update) -> None:
        if update.step == update.steps_per_epoch:
            signal.raise_signal(signal.SIGINT)

    zoo.train(recipe(**EVERYTHING), out="whole", device="cpu")
    assert zoo.train(recipe(**EVERYTHING), out="a", device="cpu", on_update=stop).interrupted
    zoo.train(recipe(**EVERYTHING), out="a", device="cpu", resume=True)
    assert bits("a") == bits("whole")
    assert Path("a/history.jsonl").read_text() == Path("whole/history.jsonl").read_text()


def test_a_damaged_checkpoint_is_refused(recipe):
    zoo.train(recipe(epochs=1), out="a")
    Path("a/checkpoint.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="damaged or belongs to another recipe"):
        zoo.train(recipe(epochs=1), out="a", resume=True)


def test_a_loss_that_is_not_finite_stops_with_step_and_term(recipe):
    settings = recipe(epochs=50, learning_rate=10.0)
    settings["model"]["log_variance_bound"] = "off"
    with pytest.raises(TrainingError, match=r"at step \d+ \(learning rate 10\) the term '\w+' is"):
        zoo.train(settings, out="a")
    assert not Path("a/model").exists()


def no_room_on_processors(*arguments, **settings):
    torch.empty(2**50)


def no_room_on_a_gpu(*arguments, **settings):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.parametrize("fit", [no_room_on_processors, no_room_on_a_gpu])
def test_what_does_not_fit_into_memory_is_said_with_what_to_change(fit, recipe, monkeypatch):
    monkeypatch.setattr(fitting, "fit", fit)
    said = (
        r"Out of memory on cpu with batch_size = 64 and accumulate = 1 \(.*\)\. Try a smaller batch"
    )
    with pytest.raises(TrainingError, match=said + "_size, or accumulate=2"):
        zoo.train(recipe(), out="a", device="cpu")
    with pytest.raises(TrainingError, match=r"Try a smaller batch_size\.$"):
        zoo.train(recipe(exact_shards=2), out="b", device="cpu")


def test_another_error_of_torch_stays_what_it_is(recipe, monkeypatch):
    monkeypatch.setattr(fitting, "fit", lambda *_, **__: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        zoo.train(recipe(), out="a", device="cpu")


def test_a_validation_loss_that_is_not_finite_is_never_the_best(recipe, monkeypatch, caplog):
    losses = [math.nan, 5.0, -math.inf, 6.0]
    monkeypatch.setattr(fitting, "validation_loss", lambda *_, **__: losses.pop(0))
    trained = zoo.train(recipe(epochs=4, early_stopping=3), out="a", device="cpu")
    assert trained.model.info.metrics.training.best_epoch == 2
    lines = Path("a/history.jsonl").read_text().splitlines()
    history = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [record["validation_loss"] for record in history] == [None, 5.0, None, 6.0]
    assert [r.message for r in caplog.records] == [
        "The validation loss after epoch 1 is nan.",
        "The validation loss after epoch 3 is -inf.",
    ]


def test_the_history_does_not_tell_how_often_the_losses_were_looked_at(recipe, monkeypatch):
    zoo.train(recipe(batch_size=8), out="whole", device="cpu")
    monkeypatch.setattr(loop, "STEPS_PER_READ", 3)
    zoo.train(recipe(batch_size=8), out="a", device="cpu")
    assert Path("a/history.jsonl").read_text() == Path("whole/history.jsonl").read_text()


def test_a_family_with_a_convolution_of_three_dimensions_trains(recipe):
    @zoo.register("deep")
    class Deep(zoo.Autoencoder):
        class Spec(zoo.Spec):
            @property
            def latent_shape(self):
                return self.input_shape

        def __init__(self, spec):
            super().__init__(spec)
            self.filter = torch.nn.Conv3d(1, 1, 1)  # weights (1, 1, 1, 1, 1)

        def _encode(self, x):
            return self.filter(x[:, None])[:, 0]

        def _decode(self, z):
            return torch.sigmoid(z)

        def _loss(self, batch, noise):
            error = (self._decode(self._encode(batch.input)) - batch.target).square()
            return zoo.Loss({"reconstruction": error.flatten(1).sum(1)})

    settings = recipe(epochs=1)
    settings["model"] = {"family": "deep", "input_shape": [1, 8, 8]}
    settings["data"]["protocol"] = "gray"
    try:
        assert zoo.train(settings, out="a", device="cpu").metrics.mse > 0
    finally:
        families._registered.pop("deep")


def test_a_warm_up_of_an_unknown_term_is_refused(recipe):
    with pytest.raises(RecipeError, match="the terms of this loss are reconstruction, kl"):
        zoo.train(recipe(term_warmup_epochs={"KL": 2}), out="a")


def test_a_run_with_overrides_is_not_called_by_the_published_name():
    run = zoo.train("vae-digits-8", out="a", overrides={"epochs": 1, "data.fit": "train"})
    card = (run.folder / "model/README.md").read_text()
    assert "# vae trained on digits\n" in card
    assert "changed: `epochs = 1`, `data.fit = train`" in card


def test_a_final_recipe_with_overrides_does_not_look_at_the_test_split():
    assert zoo.train("vae-digits-8", out="a", overrides={"epochs": 1}).metrics is None
    run = zoo.train("vae-digits-8", out="b", overrides={"epochs": 1, "data.fit": "train"})
    assert run.metrics.split == "validation"


def test_early_stopping_keeps_the_best_epoch(recipe):
    settings = recipe(epochs=60, early_stopping=2, learning_rate=0.02)
    run = zoo.train(settings, out="a")
    history = [json.loads(line) for line in Path("a/history.jsonl").read_text().splitlines()]
    losses = [record["validation_loss"] for record in history]
    best = min(losses)
    assert losses.index(best) + 1 == run.model.info.metrics.training.best_epoch
    assert len(history) <= losses.index(best) + 1 + 2
    assert run.metrics.neg_elbo == pytest.approx(best, abs=1e-3)


def test_the_average_is_what_is_saved(recipe):
    zoo.train(recipe(epochs=1), out="plain")
    zoo.train(recipe(epochs=1, ema_decay=0.9), out="averaged")
    assert bits("plain") != bits("averaged")


def test_average_forgets_its_first_weights():
    model = torch.nn.Linear(3, 3)
    average = step.AveragedWeights(model, 0.999)
    with torch.no_grad():
        model.weight.zero_()
    for n in range(1, 200):
        average.update(n)
    assert average.average["weight"].abs().max() < 1e-3


def test_warm_up_of_a_term_is_linear_in_epochs():
    settings = TrainingSettings(epochs=1, term_warmup_epochs={"kl": 4.0})
    assert step.warmup_factors(settings, 1.0) == {"kl": 0.25}
    assert step.warmup_factors(settings, 9.0) == {"kl": 1.0}


@pytest.mark.parametrize("family", ["ae", "vae", "conv-ae", "conv-vae", "beta-vae", "vq-vae"])
def test_every_family_learns(family, recipe):
    settings = recipe(epochs=6, learning_rate=3e-3)
    settings["model"] = {"family": family, "input_shape": [1, 8, 8], "latent_dim": 4}
    if family.startswith("conv"):
        settings["model"]["body"] = {"kind": "conv", "channels": [8, 16], "hidden": [32]}
    zoo.train(settings, out="a")
    history = [json.loads(line) for line in Path("a/history.jsonl").read_text().splitlines()]
    assert history[-1]["terms"]["reconstruction"] < history[0]["terms"]["reconstruction"]
    assert all(math.isfinite(record["validation_loss"]) for record in history)


def test_a_tensor_of_images_and_a_folder_can_be_trained_on(recipe):
    import numpy as np

    np.save("mine.npy", np.random.default_rng(0).integers(0, 256, (60, 9, 13), dtype=np.uint8))
    settings = recipe(epochs=1)
    settings["model"]["input_shape"] = [1, 9, 13]
    settings["data"]["dataset"] = os.path.abspath("mine.npy")
    assert zoo.train(settings, out="a").metrics.n_examples == 4


def test_weights_of_one_channel_are_laid_out_as_torch_lays_out_a_module():
    """A weight `(N, 1, H, W)` is channels last already to `contiguous`, but its strides choose the bits."""
    ours, theirs = (torch.nn.Conv2d(1, 8, 3) for _ in range(2))
    loop._channels_last(ours)
    theirs.to(memory_format=torch.channels_last)
    assert ours.weight.stride() == theirs.weight.stride()
