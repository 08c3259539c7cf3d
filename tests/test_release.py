"""What a maintainer notes beside a published model: how its recipe's numbers spread over seeds."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

import zoo
from zoo.cards.record import environment
from zoo.errors import InputError, IntegrityError, RecipeError
from zoo.folder import layout
from zoo.registry import index, published
from zoo.release.index_lines import render_cards
from zoo.release.notes import note_seeds
from zoo.release.publish import finished_recipe
from zoo.specs.record import SeedRun, SeedRuns, spreads_of
from zoo.training.recipe import load_recipe

NAME = "vae-digits-8"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy of a published model's folder, in a registry of its own."""
    registry = replace(index.own_registry(), models=tmp_path / "registry")
    line = replace(published.line(NAME), registry=registry)
    shutil.copytree(published.line(NAME).folder, registry.models / NAME)
    shutil.copy(index.own_registry().models / index.INDEX, registry.models)
    monkeypatch.setattr("zoo.release.notes.published.line", lambda name: line)
    monkeypatch.setattr("zoo.release.index_lines.index.read_index", lambda registry: {NAME: line})
    return registry.models / NAME


@pytest.fixture
def registry(tmp_path) -> index.Registry:
    """A copy of a package's registry with one model."""
    theirs = replace(index.own_registry(), models=tmp_path / "registry")
    shutil.copytree(published.line(NAME).folder, theirs.models / NAME)
    entry = tomllib.loads((index.own_registry().models / index.INDEX).read_text())[NAME]
    (theirs.models / index.INDEX).write_text(tomli_w.dumps({NAME: entry}))
    return theirs


def test_the_index_has_every_file_as_it_is_after_the_cards_were_written(registry):
    folder = registry.models / NAME
    text = (folder / layout.METRICS).read_text()
    (folder / layout.METRICS).write_text(text.replace('"threads": 1', '"threads": 7'))
    (folder / layout.FIGURES / "samples.png").unlink()
    render_cards(registry)
    said = index.read_index(registry)[NAME].sha256
    found = {n: hashlib.sha256((folder / n).read_bytes()) for n in layout.files_of(folder)}
    assert said == {name: one.hexdigest() for name, one in found.items()}
    assert "figures/samples.png" not in said
    assert "7 threads" in (folder / layout.CARD).read_text()


@pytest.mark.parametrize("name", [layout.CONFIG, layout.WEIGHTS])
def test_other_weights_never_enter_the_index_under_an_old_name(registry, name):
    before = (registry.models / index.INDEX).read_bytes()
    with (registry.models / NAME / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(IntegrityError, match=f"{name} of {NAME} is not what the index says"):
        render_cards(registry)
    assert (registry.models / index.INDEX).read_bytes() == before


def written(tmp_path: Path, recipe=None, **changes) -> Path:
    """The file of two seeds whose numbers are the published ones, the second a little worse."""
    record = zoo.info(NAME).metrics
    assert record is not None
    fields = record.measured[0].model_dump(mode="json") | changes
    pair = [fields, fields | {"mse": 0.03}]
    one = load_recipe(NAME).with_overrides(recipe or {})
    runs = tuple(
        SeedRun.model_validate_json(
            json.dumps({"seed": n, "weights_sha256": "ab", "measured": [numbers]})
        )
        for n, numbers in enumerate(pair)
    )
    found = SeedRuns(
        recipe=NAME,
        recipe_toml=one.to_toml(),
        environment=environment(),
        runs=runs,
        seeds=spreads_of(runs),
    )
    path = tmp_path / "seeds.json"
    path.write_text(json.dumps([found.model_dump(mode="json", exclude_none=True)]))
    return path


def test_seeds_reach_metrics_and_card_and_leave_the_weights(folder, tmp_path):
    before = (folder / "model.safetensors").read_bytes()
    note_seeds(NAME, written(tmp_path))
    record = zoo.info(folder).metrics
    assert record is not None
    assert record.seeds[0].seeds == (0, 1)
    assert record.seeds[0].metrics["mse"].std == pytest.approx(0.0073, abs=1e-4)
    assert "| metric | value | unit | 2 seeds |" in (folder / "README.md").read_text()
    assert (folder / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("recipe", "changes", "error", "said"),
    [
        ({"epochs": 3}, {}, RecipeError, "is of another recipe than the one that made"),
        ({}, {"n_examples": 50}, InputError, "has 50 images of digits, dequantized: no published"),
    ],
)
def test_seeds_of_another_recipe_or_other_images_are_refused(
    folder, tmp_path, recipe, changes, error, said
):
    with pytest.raises(error, match=said):
        note_seeds(NAME, written(tmp_path, recipe, **changes))


def test_another_file_is_refused_in_a_sentence(folder, tmp_path):
    (tmp_path / "seeds.json").write_text("[{}]")
    with pytest.raises(InputError, match="is not what `zoo bench --seeds N --json` writes"):
        note_seeds(NAME, tmp_path / "seeds.json")


def of_a_file(model, **ending) -> zoo.VAE:
    """The model as if it were of a run of a TOML file."""
    record = model.info.metrics
    training = record.training.model_copy(update={"recipe": None, **ending})
    metrics = record.model_copy(update={"training": training})
    model.info = replace(model.info, metrics=metrics)
    return model


def test_a_run_of_a_file_is_released_as_the_published_recipe_with_its_settings():
    assert finished_recipe(of_a_file(zoo.load(NAME))).name == NAME


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ({"overrides": {"training.seed": 1}}, "Only a run of a published recipe"),
        ({"interrupted": True}, f"{NAME} was not trained to the end"),
        ({"recipe": "ae-mnist-64"}, "The recipe ae-mnist-64 has changed since this run"),
    ],
)
def test_another_run_is_not_released(ending, said):
    with pytest.raises(RecipeError, match=said):
        finished_recipe(of_a_file(zoo.load(NAME), **ending))
