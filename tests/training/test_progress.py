"""What a training prints where standard error is no terminal, as on a cluster."""

from __future__ import annotations

import re

import zoo
from zoo.training import loop, progress


def test_the_first_line_says_what_is_trained_and_where(recipe, capsys):
    zoo.train(recipe(), out="a", device="cpu")
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == (
        "Training 4,616 parameters on 1,297 images of digits (train) for 42 steps, in float32 on cpu."
    )
    assert [line.partition(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


def test_a_long_epoch_says_how_far_it_is(recipe, capsys, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_PER_READ", 0)
    monkeypatch.setattr(progress, "SECONDS_PER_LINE", 0)
    zoo.train(recipe(epochs=1, batch_size=256), out="a", device="cpu")
    lines = capsys.readouterr().err.splitlines()[1:]
    assert [re.split("[: ]+", line)[1:4] for line in lines[:-1]] == [
        ["1/1", "step", f"{step}/6"] for step in range(1, 7)
    ]
