"""What a model's recipe may name: a stranger may have written it, and images may be one's own."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.bench.entries import measure_models
from zoo.cli import main
from zoo.data.of_recipe import dataset_of
from zoo.errors import DataError
from zoo.export.examples import examples_for_check

RECIPE = '[data]\ndataset = {!r}\nprotocol = "binarized"\n'


@pytest.fixture
def outside(tmp_path) -> Path:
    """One's own pictures, neither in the working folder nor in the model's."""
    folder = tmp_path.parent / f"{tmp_path.name}-pictures"
    draw(folder)
    return folder


def draw(folder: Path, count: int = 20) -> Path:
    folder.mkdir(parents=True)
    levels = np.random.Generator(np.random.Philox(1)).integers(0, 256, (count, 8, 8), np.uint8)
    for number, one in enumerate(levels):
        Image.fromarray(one).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def mine(tmp_path, outside) -> Path:
    """A model that was pulled, whose recipe names these pictures."""
    zoo.pull("vae-digits-8", to="mine")
    recipe = (tmp_path / "mine" / "recipe.toml").read_text()
    assert 'dataset = "digits"' in recipe
    (tmp_path / "mine" / "recipe.toml").write_text(
        recipe.replace('dataset = "digits"', f'dataset = "{outside}"')
    )
    return tmp_path / "mine"


def named(dataset: str, origin: str = "./mine", folder: Path | None = None) -> str:
    info = replace(zoo.info("vae-digits-8"), origin=origin, folder=folder)
    return dataset_of(info, RECIPE.format(dataset))


def refused(dataset: str, **of) -> str:
    with pytest.raises(DataError) as caught:
        named(dataset, **of)
    assert f"--dataset {shlex.quote(dataset)}" in str(caught.value)
    return str(caught.value)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([*words])
    return int(end.value.code or 0)


def test_the_zoos_datasets_and_what_is_below_either_folder_may_be_named(tmp_path, outside):
    draw(tmp_path / "photos" / "a")
    for name in ("digits", "photos", "./photos/a", str(tmp_path / "photos"), "nowhere"):
        assert named(name) == name
    draw(outside / "model" / "images")
    inside = str(outside / "model" / "images")
    refused(inside)
    assert named(inside, folder=outside / "model") == inside
    refused(inside, folder=outside / "model", origin=f"hf://a/b@{'a' * 40}")


def test_what_lies_elsewhere_may_not_however_it_is_spelled(tmp_path, outside, monkeypatch):
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "deep").symlink_to(outside)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "x.png").symlink_to(outside / "00.png")
    (outside / "a.tar").write_bytes(b"")
    monkeypatch.setenv("HOME", str(outside.parent))
    up = f"../{outside.name}"
    for name in (str(outside), up, f"~/{outside.name}", "link", "photos", "one", ".", "..", "/"):
        assert "not below the model's folder or the working folder" in refused(name)
    for pattern in (f"{up}/{{a,b}}.tar", f"{{photos,{up}}}/a.tar", "link/a.tar"):
        with pytest.raises(DataError):
            named(pattern)
    assert "a dataset on the Hub" in refused("hf-dataset:me/private")


def test_a_home_folder_is_no_working_folder_of_a_project(tmp_path, monkeypatch):
    draw(tmp_path / "Pictures")
    assert named("Pictures") == "Pictures"
    for home in (tmp_path, tmp_path / "me"):
        monkeypatch.setenv("HOME", str(home))
        refused("Pictures")
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert named("Pictures") == "Pictures"


@pytest.mark.parametrize("spelled", ["./mine", "/mine"])
def test_no_verb_reads_what_a_pulled_recipe_names(mine, outside, spelled, capsys):
    model = spelled if spelled.startswith(".") else str(mine)
    assert run("eval", model) == 1
    assert f"Its recipe names {str(outside)!r}" in capsys.readouterr().err
    assert run("draw", model, "-o", "drawn") == 0
    assert "reconstructions" not in os.listdir("drawn")
    images, called = examples_for_check(zoo.load(model))
    assert (called, len(images)) == ("64 random images", 64)
    found = {check.what: check for check in zoo.verify(model).checks}
    again = found["digits test, dequantized"]  # metrics.json still says digits
    assert again.result != "not measured", again.detail


def test_no_measurement_reads_what_a_copied_metrics_json_names(mine, outside):
    metrics = (mine / "metrics.json").read_text()
    (mine / "metrics.json").write_text(metrics.replace('"digits"', f'"{outside.name}"'))
    [check] = [c for c in zoo.verify("./mine").checks if outside.name in c.what][:1]
    assert check.result == "not measured"
    [entry] = measure_models(["mine"], 0, None, "cpu", print, lambda name: zoo.load(f"./{name}"))
    assert f"Its recipe names {str(outside)!r}" in entry.missing


def test_images_that_are_given_are_read_wherever_they_are(mine, outside):
    metrics = zoo.evaluate("./mine", outside, device="cpu")
    assert metrics.dataset == outside.name


def test_ones_own_run_on_images_elsewhere_is_verified_on_those_given(recipe, outside, capsys):
    own = recipe(epochs=1)
    own["data"]["dataset"] = str(outside)
    done = zoo.train(own, out="run")
    assert done.metrics is not None  # what trains measures
    results = {check.what: check.result for check in zoo.verify("./run/model").checks}
    what = f"{outside.name} validation, binarized"
    assert results[what] == "not measured"
    moved = outside.rename(outside.with_name("elsewhere-" + outside.name))
    results = {c.what: c.result for c in zoo.verify("./run/model", dataset=moved).checks}
    assert results[what] == "passed"
    assert run("verify", "./run/model", "--dataset", str(moved)) == 0
