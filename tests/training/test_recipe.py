"""Recipes: every kind of mistake, all told at once, before anything is read or trained."""

from __future__ import annotations

import copy
import os
import signal
from pathlib import Path

import pytest
import torch

import zoo
from zoo import published
from zoo.errors import PluginError, RecipeError, UnknownNameError, ZooError
from zoo.training.recipe import Recipe, load_recipe, recipe_from_text

GOOD = {
    "model": {
        "family": "vae",
        "image_shape": [1, 8, 8],
        "latent_dim": 3,
        "body": {"kind": "mlp", "hidden": [5]},
    },
    "data": {"dataset": "digits", "protocol": "binarised"},
    "training": {"epochs": 1},
}

EVERY_KIND = """
[modle]
x = 1

[model]
family = "vae"
image_shape = [1, 8]
latent_dim = "three"
latentdim = 4
body = {kind = "mlpp"}
likelihood = {kind = "gaussian", scale = 3}
heads = "jiont"

[data]
dataset = 5
fit = "trian"
protocol = "binarized"

[training]
epoch = 5
epochs = 0
batch_size = -1
learning_rate = nan
warmup_steps = 1.5
final_learning_rate = inf
optimiser = {kind = "sgd"}
decay = "cosin"
term_warmup_epochs = {kl = "x"}
clip_norm = -1.0
ema_decay = 1.5
precision = "fp16"
seed = -1
early_stopping = 0
gradient = true
output_bias = ""
"""

ITS_PROBLEMS = [
    "modle: there is no such section. Did you mean 'model'?",
    "model.image_shape.2: missing",
    "model.latent_dim: input should be a valid integer, not 'three'",
    "model.body: kind should be one of 'mlp', 'conv', not 'mlpp'. Did you mean 'mlp'?",
    "model.likelihood.scale: there is no such field. Known: kind.",
    "model.heads: input should be 'joint' or 'separate', not 'jiont'. Did you mean 'joint'?",
    "model.latentdim: there is no such field. Did you mean 'latent_dim'?",
    "data.dataset: input should be a valid string, not 5",
    "data.fit: input should be 'train' or 'train+validation', not 'trian'. Did you mean 'train'?",
    "data.protocol: input should be 'binarised', 'dequantised' or 'grey', not 'binarized'. "
    "Did you mean 'binarised'?",
    "training.epochs: input should be greater than or equal to 1, not 0",
    "training.batch_size: input should be greater than or equal to 1, not -1",
    "training.optimiser: kind should be one of 'adam', 'adamw', not 'sgd'",
    "training.learning_rate: input should be a finite number, not nan",
    "training.warmup_steps: input should be a valid integer, not 1.5",
    "training.decay: input should be 'cosine' or 'off', not 'cosin'. Did you mean 'cosine'?",
    "training.final_learning_rate: input should be a finite number, not inf",
    "training.term_warmup_epochs.kl: input should be a valid number, not 'x'",
    "training.gradient: input should be 'reparameterised' or 'stl', not true",
    "training.clip_norm: input should be 'off' or greater than 0, not -1.0",
    "training.ema_decay: input should be 'off' or less than 1, not 1.5",
    "training.early_stopping: input should be 'off' or greater than or equal to 1, not 0",
    "training.output_bias: input should be 'training-mean' or 'default', not ''",
    "training.precision: input should be 'float32' or 'bf16', not 'fp16'. Did you mean 'bf16'?",
    "training.seed: input should be greater than or equal to 0, not -1",
    "training.epoch: there is no such field. Did you mean 'epochs'?",
]


@pytest.fixture(autouse=True)
def _no_hang():
    """A guard, not a measurement: what would never end fails instead."""

    def give_up(number, frame):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def changed(**changes) -> dict:
    """The good recipe with `section__field=value` in it."""
    sections = copy.deepcopy(GOOD)
    for key, value in changes.items():
        section, _, field = key.partition("__")
        sections[section][field] = value
    return sections


def refused(recipe, error: type[ZooError] = RecipeError) -> str:
    with pytest.raises(error) as caught:
        load_recipe(recipe)
    assert type(caught.value) is error
    return str(caught.value)


# What a recipe is


def test_a_recipe_comes_from_a_name_a_path_a_mapping_or_itself(tmp_path):
    recipe = load_recipe(GOOD)
    assert load_recipe(recipe) is recipe
    Path("mine.toml").write_text(recipe.to_toml())
    for source in ("mine.toml", "./mine.toml", Path("mine.toml"), str(tmp_path / "mine.toml")):
        assert load_recipe(source) == recipe
    assert recipe_from_text(recipe.to_toml()) == recipe
    assert recipe.name is None


@pytest.mark.parametrize("name", published.list_recipes())
def test_every_recipe_that_ships_is_right_and_is_called_by_its_name(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe_from_text(recipe.to_toml(), name) == recipe


def test_all_settings_are_written_out_and_come_back(tmp_path):
    recipe = load_recipe(GOOD)
    written = recipe.sections()
    assert set(written["training"]) == set(type(recipe.training).model_fields)
    assert written["training"]["clip_norm"] == "off"
    assert Recipe.parse(written) == recipe


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
        "  model.family: missing; families here: ae, beta-vae, conv-ae, conv-vae, vae",
        "  data.dataset: missing",
        "  data.protocol: missing",
        "  training.epochs: missing",
    ]


def test_sections_that_are_none_are_told_at_once():
    message = refused({"model": 3, "data": [], "training": "x", 1: {}})
    for line in (
        "1: there is no such section",
        "model: a section, [model], not int",
        "data: a section, [data], not list",
        "training: a section, [training], not str",
    ):
        assert f"\n  {line}" in message


@pytest.mark.parametrize(
    ("family", "why"),
    [
        ("vea", "model.family: No family named 'vea'. Did you mean 'vae'?"),
        (3, "model.family: a family's name, not int"),
        (["vae"], "model.family: a family's name, not list"),
    ],
)
def test_a_family_that_there_is_not_does_not_hide_the_other_problems(family, why):
    message = refused(changed(model__family=family, training__epochs=0))
    assert "has 2 problems" in message
    assert why in message
    assert "training.epochs: " in message


def test_a_broken_plugin_does_not_hide_the_other_problems(monkeypatch):
    from zoo import families

    def broken(family):
        raise PluginError("Plugin 'vq' of acme-vq 0.3 failed to load: ModuleNotFoundError: einops.")

    monkeypatch.setattr(families, "spec_class", broken)
    message = refused(changed(training__epochs=0))
    assert "model.family: Plugin 'vq' of acme-vq 0.3 failed to load" in message
    assert "training.epochs: " in message


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"data__protocol": "dequantised"},
            "data.protocol: 'dequantised' does not fit a bernoulli",
        ),
        (
            {"model__likelihood": {"kind": "gaussian"}},
            "data.protocol: 'binarised' does not fit a gaussian likelihood; use 'dequantised'",
        ),
        (
            {"training__early_stopping": 3, "data__fit": "train+validation"},
            "training.early_stopping: needs the validation split: data.fit = 'train'",
        ),
        (
            {"training__gradient": "stl", "model__family": "ae"},
            "training.gradient: 'stl' is for variational families",
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


# Where it comes from


@pytest.mark.parametrize(
    ("written", "meant"), [("vae-mnsit-20", "vae-mnist-20"), ("vae-digit-8", "vae-digits-8")]
)
def test_a_misspelt_recipe_gets_the_nearest(written, meant):
    message = refused(written, UnknownNameError)
    assert f"No recipe named {written!r}. Did you mean {meant!r}?" in message
    assert "or the path of a .toml file" in message


@pytest.mark.parametrize("recipe", [None, 5, ["vae-digits-8"], b"x", 1.5])
def test_what_is_no_recipe_at_all_is_refused(recipe):
    assert f"got {type(recipe).__name__}." in refused(recipe)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x = [[[", "Invalid value"),
        (b"[model]\nfamily = 'vae'\nfamily = 'ae'", "Cannot overwrite a value"),
        (b"\xff\xfe", "'utf-8' codec can't decode"),
        (b"x = " + b"[" * 20_000, "recursion"),
        (b"x = " + b"9" * 5000, "4300 digits"),
        (b"PK\x03\x04\x00", "Expected '='"),
    ],
    ids=["cut", "twice", "bytes", "deep", "digits", "zip"],
)
def test_a_file_that_is_not_toml_is_refused(data, why):
    Path("wrong.toml").write_bytes(data)
    message = refused("wrong.toml")
    assert message.startswith("'wrong.toml' is not TOML: ")
    assert why in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere.toml", "Cannot open 'nowhere.toml': No such file or directory."),
        ("a\0b.toml", "null byte"),
        ("./" + "a" * 300, "File name too long"),
        ("~nobody-of-that-name/x.toml", "begins with a home folder that is not here"),
        ("./folder", "'folder' is not a regular file; it was not read."),
        ("./fifo", "'fifo' is not a regular file; it was not read."),
        ("./zero", "'zero' is not a regular file; it was not read."),
        ("./large", "has 1,000,000,000,000 bytes; at most 1,000,000 are right"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(name, why):
    Path("folder").mkdir()
    os.mkfifo("fifo")
    Path("zero").symlink_to("/dev/zero")
    Path("large").touch()
    os.truncate("large", 10**12)
    assert why in refused(name)


# Overrides


def test_overrides_change_settings_and_are_remembered():
    recipe = load_recipe(GOOD).with_overrides(
        {"epochs": 7, "model.latent_dim": 4, "optimiser.kind": "adamw", "model.body.hidden": [9]}
    )
    assert (recipe.training.epochs, recipe.spec.latent_dim) == (7, 4)
    assert recipe.training.optimiser.kind == "adamw"
    assert recipe.spec.body.hidden == (9,)
    assert set(recipe.changed) == {
        "epochs",
        "model.latent_dim",
        "optimiser.kind",
        "model.body.hidden",
    }
    assert load_recipe(GOOD).with_overrides({}) == load_recipe(GOOD)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ({"epoch": 5}, "training.epoch: there is no such field. Did you mean 'epochs'?"),
        ({"epochs": "5"}, "training.epochs: input should be a valid integer, not '5'"),
        ({"epochs": float("nan")}, "training.epochs: input should be a valid integer, not nan"),
        ({"epochs": torch.tensor(3)}, "training: not plain numbers"),
        (
            {"model.latnt_dim": 3},
            "model.latnt_dim: there is no such field. Did you mean 'latent_dim'",
        ),
        ({"mdel.latent_dim": 3}, "there is no section or setting 'mdel'. Did you mean 'model'?"),
        (
            {"trainig.epochs": 3},
            "there is no section or setting 'trainig'. Did you mean 'training'?",
        ),
        ({"optimizer.kind": "adam"}, "setting 'optimizer'. Did you mean 'optimiser'?"),
        ({"model.latent_dim.x": 3}, "model.latent_dim is not a section"),
        ({"model.bdy.hidden": 3}, "model.bdy is not a section. Did you mean 'body'?"),
        ({"training": 3}, "training: a section, [training], not int"),
        ({"model": {}}, "model.family: missing"),
        ({"": 1}, "there is no such field"),
        ({".": 1}, "there is no section or setting ''"),
        ({"epochs": 0, "seed": -1, "model.heads": "x"}, "has 3 problems"),
        (
            {"model.image_shape": [1, 28, 28], "model.body.hidden": [65_536] * 3},
            "at most 1,000,000,000",
        ),
        ({1: 2}, "Overrides are a mapping from a setting's name to its value"),
        (["epochs=5"], "Overrides are a mapping from a setting's name to its value"),
        ("epochs=5", "Overrides are a mapping from a setting's name to its value"),
    ],
    ids=str,
)
def test_an_override_that_does_not_fit_is_refused(overrides, why):
    with pytest.raises(RecipeError) as caught:
        load_recipe(GOOD).with_overrides(overrides)
    assert why in str(caught.value)


def test_a_training_of_images_that_do_not_fit_is_refused_before_it_starts():
    with pytest.raises(RecipeError) as caught:
        zoo.train(changed(model__image_shape=[1, 28, 28]))
    assert "model.image_shape is (1, 28, 28); the images of digits are (1, 8, 8)" in str(
        caught.value
    )
    assert not Path("runs").exists()


def test_a_training_of_data_that_there_are_not_is_refused_before_it_starts():
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        zoo.train(changed(data__dataset="digist"))
    assert not Path("runs").exists()
