"""Recipes: every kind of mistake, all told at once, before anything is read or trained."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch

import zoo
from recipes import EVERY_KIND, GOOD, ITS_PROBLEMS, changed, refused
from zoo.errors import PluginError, RecipeError
from zoo.registry import published
from zoo.specs.data import data_settings
from zoo.training.recipe import Recipe, load_recipe

pytestmark = pytest.mark.usefixtures("no_hang")


# What a recipe is


def test_a_recipe_comes_from_a_name_a_path_a_mapping_or_itself(tmp_path):
    recipe = load_recipe(GOOD)
    assert load_recipe(recipe) is recipe
    Path("mine.toml").write_text(recipe.to_toml())
    for source in ("mine.toml", "./mine.toml", Path("mine.toml"), str(tmp_path / "mine.toml")):
        assert load_recipe(source) == recipe
    assert Recipe.parse(tomllib.loads(recipe.to_toml())) == recipe
    assert data_settings(recipe.to_toml()) == recipe.data
    assert recipe.name is None


@pytest.mark.parametrize("name", published.list_recipes())
def test_every_recipe_that_ships_is_right_and_is_called_by_its_name(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert Recipe.parse(tomllib.loads(recipe.to_toml()), name) == recipe


def test_all_settings_are_written_out_and_come_back(tmp_path):
    recipe = load_recipe(GOOD)
    written = recipe.sections()
    assert set(written["training"]) == set(type(recipe.training).model_fields)
    assert written["training"]["clip_norm"] == "off"
    assert Recipe.parse(written) == recipe


def test_what_an_earlier_version_did_not_write_is_the_default():
    recipe = load_recipe(changed(training__clip_norm="off"))
    lines = recipe.to_toml().splitlines()
    assert recipe.matches("\n".join(line for line in lines if "clip_norm" not in line))
    assert not load_recipe(changed(training__epochs=2)).matches(recipe.to_toml())


# Everything at once


def test_a_recipe_with_every_kind_of_mistake_tells_all_of_them_at_once():
    Path("wrong.toml").write_text(EVERY_KIND)
    with pytest.raises(RecipeError) as caught:
        zoo.train("wrong.toml")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"This recipe has {len(ITS_PROBLEMS)} problems:"
    assert [line.strip() for line in lines[1:]] == ITS_PROBLEMS
    assert not Path("runs").exists()


def test_an_empty_recipe_says_all_that_is_missing():
    Path("empty.toml").touch()
    assert refused("empty.toml").splitlines() == [
        "This recipe has 4 problems:",
        "  model.family: missing; available: " + ", ".join(zoo.list_families()),
        "  data.dataset: missing",
        "  data.protocol: missing",
        "  training.epochs: missing",
    ]


def test_sections_that_are_none_are_told_at_once():
    message = refused({"model": 3, "data": [], "training": "x", 1: {}})
    for line in (
        "1: unknown section",
        "model: must be a section, [model], not int",
        "data: must be a section, [data], not list",
        "training: must be a section, [training], not str",
    ):
        assert f"\n  {line}" in message


@pytest.mark.parametrize(
    ("family", "why"),
    [
        ("vea", "model.family: No family named 'vea'. Did you mean 'vae'?"),
        (3, "model.family: A family is given by its name or a Spec; got 3"),
        (["vae"], "model.family: A family is given by its name or a Spec; got ['vae']"),
    ],
)
def test_a_family_that_there_is_not_does_not_hide_the_other_problems(family, why):
    message = refused(changed(model__family=family, training__epochs=0))
    assert "has 2 problems" in message
    assert why in message
    assert "training.epochs: " in message


def test_a_broken_plugin_does_not_hide_the_other_problems(monkeypatch):
    from zoo.registry import families

    def broken(name):
        raise PluginError("Plugin 'vq' of acme-vq 0.3 failed to load: ModuleNotFoundError: einops.")

    monkeypatch.setattr(families, "get", broken)
    message = refused(changed(training__epochs=0))
    assert "model.family: Plugin 'vq' of acme-vq 0.3 failed to load" in message
    assert "training.epochs: " in message


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"data__protocol": "dequantized"},
            "data.protocol: 'dequantized' does not fit a bernoulli",
        ),
        (
            {"model__likelihood": {"kind": "gaussian"}},
            "data.protocol: 'binarized' does not fit a gaussian likelihood; use 'dequantized'",
        ),
        (
            {"training__early_stopping": 3, "data__fit": "train+validation"},
            "training.early_stopping: needs the validation split: data.fit = 'train'",
        ),
        (
            {"training__gradient": "stl", "model__family": "ae"},
            "training.gradient: 'ae' does not support this objective: gradient is 'reparameterized' for "
            "objective 'likelihood'; got 'stl'.",
        ),
        (
            {"training__accumulate": 2, "model__family": "beta-tc-vae"},
            "training.accumulate: 'total-correlation' couples the examples of a batch",
        ),
        (
            {"training__exact_shards": 4, "model__family": "factor-vae"},
            "training.exact_shards: 'total-correlation' couples the examples of a batch",
        ),
        (
            {"training__accumulate": 2, "training__objective": {"kind": "elbo", "free_bits": 0.5}},
            "training.accumulate: free bits apply to the mean KL of the whole batch",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, why):
    assert why in refused(changed(**changes))


@pytest.mark.parametrize(
    "value",
    [torch.zeros(2), Path("x"), {1, 2}, object(), 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_plain_data_is_refused(value):
    message = refused(changed(training__seed=value, data__fit="x"))
    assert "training: not plain numbers, strings and lists: " in message
    assert "data.fit: " in message


def test_what_is_done_to_images_is_refused_of_rows():
    rows = {"family": "ae", "input_shape": [30], "latent_dim": 2, "body": {"kind": "mlp"}}
    data = {"dataset": "table.npy", "protocol": "real"}
    training = {"epochs": 1}
    parsed = Recipe.parse({"model": rows, "data": data, "training": training})
    assert parsed.spec.domain.is_real
    data["transform"], training["shift"] = {"flip": True}, 2
    with pytest.raises(RecipeError) as caught:
        Recipe.parse({"model": rows, "data": data, "training": training})
    assert "data.transform: for images only; this model takes 30-column rows" in str(caught.value)
    assert "training.shift: for images only; this model takes 30-column rows" in str(caught.value)
