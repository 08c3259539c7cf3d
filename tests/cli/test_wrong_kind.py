"""A word of the wrong kind, or misspelled: the message says what it is, and what takes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[2] / "recipes/vae-digits-8.toml"


@pytest.fixture
def folder(here, monkeypatch) -> Path:
    """A working folder with a run, a recipe, a sweep, and images."""
    (here.parent / "runs/x").mkdir(parents=True)
    shutil.copytree(here, here.parent / "runs/x/model")
    shutil.copy(RECIPE, here.parent / "runs/x/recipe.toml")
    shutil.copy(RECIPE, here.parent / "my.toml")
    (here.parent / "sweeps/s").mkdir(parents=True)
    (here.parent / "sweeps/s/sweep.toml").write_text("")
    (here.parent / "photos").mkdir()
    monkeypatch.chdir(here.parent)
    return here.parent


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show", "./runs/x"], "'runs/x' is a run's folder. Its model is runs/x/model."),
        (["show", "my.toml"], "Run a recipe file with `zoo train`, a sweep file with `zoo sweep`."),
        (["show", "./my.toml"], "'my.toml' is a settings file, not a model"),
        (["show", "mnist"], "It is a dataset: `zoo list '*mnist*'` lists models of it."),
        (["sweep", "my.toml"], "'my.toml' is a recipe, not a sweep: `zoo train` trains it."),
        (["sweep", "vae-digits-8"], "'vae-digits-8' is a recipe. A sweep is a file that names it"),
        (["sweep", "sweeps/s"], "zoo sweep sweeps/s/sweep.toml --out sweeps/s resumes"),
        (["eval", "./model", "photso"], "No dataset named 'photso'. Did you mean 'photos'?"),
        (
            ["eval", "./model", "./photso"],
            "file or folder './photso' does not exist. Did you mean 'photos'?",
        ),
        (["eval", "./model", "Digist"], "No dataset named 'Digist'. Did you mean 'digits'?"),
        (["eval", "./model", "./digist"], "The file or folder './digist' does not exist.\n"),
    ],
    ids=str,
)
def test_a_word_of_the_wrong_kind_is_said_to_be(folder, fails, words, why):
    assert why in fails(*words)


def test_errors_never_go_to_standard_output():
    words = [sys.executable, "-m", "zoo", "show", "nowhere"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *words], stdout=subprocess.PIPE, env={**os.environ}
    )
    assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.parametrize(
    "words",
    [
        ["encode", "photos", "vae-digits-8", "-o", "codes.npy"],
        ["eval", "photos", "vae-digits-8"],
        ["compare", "photos", "vae-digits-8"],
    ],
)
def test_a_model_in_the_place_of_images_is_said_to_come_first(folder, fails, words):
    said = fails(*words, code=2)
    assert "'vae-digits-8' is a model, and images were expected: MODEL comes first." in said
