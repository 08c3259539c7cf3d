"""What `zoo draw` and `zoo page` write, and where: no picture of another model is replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import zoo
from zoo.cli import main
from zoo.cli.output import name_for
from zoo.errors import OfflineError


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([*words])
    return int(end.value.code or 0)


@pytest.fixture
def offline(monkeypatch) -> None:
    def absent(*given, **how):
        raise OfflineError("MNIST is not here")

    monkeypatch.setattr("zoo.evaluation.examples.load_examples", absent)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("vae-mnist-20", "vae-mnist-20"),
        ("hf://acme/vae@main", "vae"),
        ("acme/vae", "vae"),
        ("runs/x/model", "x"),
        ("./runs/x/model/", "x"),
        ("./runs/x/best", "best"),
    ],
)
def test_files_are_called_after_the_model_or_its_run(model, name):
    for folder in ("runs/x/model", "runs/x/best"):
        os.makedirs(folder, exist_ok=True)
    assert name_for(model) == name


def test_a_model_in_the_working_folder_is_called_after_it(monkeypatch):
    os.makedirs("runs/y/model")
    monkeypatch.chdir("runs/y/model")
    assert name_for(".") == "y"


def test_pictures_of_two_runs_stand_side_by_side(recipe, capsys):
    for seed in (0, 1):
        zoo.train(recipe(epochs=1, seed=seed), out=f"runs/{seed}")
        assert run("draw", f"./runs/{seed}/model") == 0
    assert sorted(os.listdir("0-figures")) == sorted(os.listdir("1-figures"))
    assert run("draw", "./runs/0/model") == 0  # the same bytes again
    before = Path("1-figures/samples.png").read_bytes()
    assert run("draw", "./runs/0/model", "-o", "1-figures") == 1
    assert "already exists with other content" in capsys.readouterr().err
    assert Path("1-figures/samples.png").read_bytes() == before


def test_without_images_samples_are_drawn_and_the_rest_is_said(offline, capsys):
    assert run("draw", "vae-mnist-20") == 0
    assert os.listdir("vae-mnist-20-figures") == ["samples.png"]
    assert "the other pictures need images: MNIST is not here" in capsys.readouterr().out
    assert run("draw", "ae-mnist-64") == 1  # it has no prior to draw from
    assert "MNIST is not here" in capsys.readouterr().err
    assert run("draw", "vae-mnist-20", "--dataset", "mnist") == 1
