"""Checkpoints: what a full disk leaves, and how a compiled training goes on."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import torch
from disks import small_disk

import zoo
from zoo.errors import ZooError
from zoo.training.loop import Update


def bits(folder: Path | str) -> bytes:
    return Path(folder, "model/model.safetensors").read_bytes()


def test_a_full_disk_loses_no_older_checkpoint(recipe, tmp_path):
    settings = recipe(epochs=3, checkpoint_minutes=0)
    with small_disk(tmp_path / "disk", "2m"):
        out = tmp_path / "disk/run"
        filler = tmp_path / "disk/filler"

        def fill(update: Update) -> None:
            if (update.epoch, update.step) == (2, 5):
                older.append((out / "checkpoint.safetensors").read_bytes())
                filler.write_bytes(b"\0" * shutil.disk_usage(out).free)

        older: list[bytes] = []
        with pytest.raises(ZooError, match="No space left on device"):
            zoo.train(settings, out=out, device="cpu", on_update=fill)
        assert [(out / "checkpoint.safetensors").read_bytes()] == older
        assert {p.name for p in out.iterdir()} == {
            "recipe.toml",
            "checkpoint.safetensors",
            "history.jsonl",
        }
        filler.unlink()
        zoo.train(settings, out=out, device="cpu", resume=True)
        zoo.train(settings, out="whole", device="cpu")
        assert bits(out) == bits("whole")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a compiler here")
def test_a_compiled_training_goes_on_with_the_same_bits(recipe):
    settings = recipe(compile=True, ema_decay=0.9, checkpoint_minutes=0)

    def stop(update: Update) -> None:
        if (update.epoch, update.step) == (2, 5):
            signal.raise_signal(signal.SIGINT)

    zoo.train(settings, out="whole", device="cpu")
    assert zoo.train(settings, out="a", device="cpu", on_update=stop).interrupted
    torch.compiler.reset()  # as in a process of its own
    zoo.train(settings, out="a", device="cpu", resume=True)
    assert bits("a") == bits("whole")
    assert Path("a/history.jsonl").read_text() == Path("whole/history.jsonl").read_text()
