"""Where a recipe comes from, and what may be changed in it for one run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tomli_w
import torch

import zoo
from recipes import GOOD, changed, refused
from zoo.errors import DataError, RecipeError, UnknownNameError
from zoo.specs.parts import ConvBody
from zoo.training.recipe import load_recipe

pytestmark = pytest.mark.usefixtures("no_hang")


# Where it comes from


@pytest.mark.parametrize(
    ("written", "meant"), [("vae-mnsit-20", "vae-mnist-20"), ("vae-digit-8", "vae-digits-8")]
)
def test_a_misspelled_recipe_gets_the_nearest(written, meant):
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
        ("~nobody-of-that-name/x.toml", "Cannot expand '~' in"),
        ("./folder", "'folder' is not a regular file; it was not read."),
        ("./fifo", "'fifo' is not a regular file; it was not read."),
        ("./zero", "'zero' is not a regular file; it was not read."),
        ("./large", "is 1,000,000,000,000 bytes; the limit is 1,000,000"),
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
        {"epochs": 7, "model.latent_dim": 4, "optimizer.kind": "adamw", "model.body.hidden": [9]}
    )
    assert (recipe.training.epochs, recipe.spec.latent_dim) == (7, 4)
    assert recipe.training.optimizer.kind == "adamw"
    assert recipe.spec.body.hidden == (9,)
    assert set(recipe.changed) == {
        "epochs",
        "model.latent_dim",
        "optimizer.kind",
        "model.body.hidden",
    }
    assert load_recipe(GOOD).with_overrides({}) == load_recipe(GOOD)


def test_another_family_brings_its_own_body_and_says_so(caplog):
    recipe = load_recipe("vae-mnist-20", {"model.family": "conv-vae"})
    assert recipe.spec == zoo.build(
        "conv-vae", input_shape=(1, 28, 28), latent_dim=20
    ).spec.model_copy(update={"log_variance_bound": "off"})
    assert recipe.changed == {
        "model.family": "conv-vae",
        "model.body": {"kind": "conv"},
    }
    assert [record.message for record in caplog.records] == [
        "model.family = 'conv-vae': reset body to its defaults."
    ]


def test_what_is_set_with_another_family_stays():
    body = {"kind": "mlp", "hidden": [9]}
    given = {"model.family": "conv-vae", "model.body": body}
    assert load_recipe(GOOD, given).spec.body.hidden == (9,)
    given = {"model.family": "conv-vae", "model.body.channels": [8]}
    assert load_recipe(GOOD, given).spec.body == ConvBody(channels=(8,))


def test_a_family_without_a_prior_leaves_it_out(caplog):
    given = {"model.family": "ae", "data.protocol": "gray"}
    assert load_recipe(GOOD, given).spec.latent_dim == 3
    assert "dropped heads, log_variance_bound, prior, beta, which it does not have" in caplog.text


def test_a_preset_leaves_what_already_is_as_it_says(caplog):
    body = {"kind": "conv", "channels": [8]}
    recipe = load_recipe(GOOD, {"model.family": "conv-vae", "model.body": body})
    again = recipe.with_overrides({"model.family": "conv-vae"})
    assert again.spec == recipe.spec
    assert load_recipe(GOOD, {"model.family": "beta-vae"}).spec.beta == 4.0


def test_overrides_of_a_presets_tables_do_not_change_the_preset():
    recipe = load_recipe(GOOD, {"model.family": "conv-vae", "model.body.kind": "mlp"})
    assert recipe.spec.body.kind == "mlp"
    assert load_recipe(GOOD, {"model.family": "conv-vae"}).spec.body.kind == "conv"


def test_the_same_family_changes_nothing(caplog):
    assert load_recipe(GOOD, {"model.family": "vae"}).spec == load_recipe(GOOD).spec
    assert not caplog.records


def test_an_override_completes_and_mends_a_file():
    whole = changed(training__learning_rate="fast")
    del whole["model"]["latent_dim"]
    path = Path("miss.toml")
    path.write_text(tomli_w.dumps(whole))
    assert "has 2 problems" in refused("miss.toml")
    mended = {"model.latent_dim": 4, "learning_rate": 0.1}
    recipe = load_recipe("miss.toml", mended)
    assert (recipe.spec.latent_dim, recipe.training.learning_rate) == (4, 0.1)
    assert recipe.changed == mended
    with pytest.raises(RecipeError, match=r"has a problem:\n  model\.latent_dim: missing$"):
        load_recipe("miss.toml", {"learning_rate": 0.1})


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lr", "learning_rate"),
        ("batch", "batch_size"),
        ("optimiser.kind", "optimizer"),
        ("latent_dim", "model.latent_dim"),
        ("weight_decay", "optimizer.weight_decay"),
        ("body.hidden", "model.body"),
        ("hidden", "model.body.hidden"),
        ("protocol", "data.protocol"),
        ("resize", "data.transform.resize"),
        ("model.z_dim", "latent_dim"),
        ("model.lr", "training.learning_rate"),
        ("data.epochs", "training.epochs"),
        ("latent_dims", "model.latent_dim"),
        ("latnt_dim", "model.latent_dim"),
        ("num_train_epochs", "epochs"),
        ("per_device_train_batch_size", "batch_size"),
        ("accumulate_grad_batches", "accumulate"),
        ("model.in_channels", "input_shape"),
        ("image_shape", "model.input_shape"),
        ("model.image_shape", "input_shape"),
    ],
)
def test_a_setting_in_another_place_or_by_another_name_is_found(key, meant):
    with pytest.raises(RecipeError, match=rf"unknown field\. Did you mean '{meant}'\?$"):
        load_recipe(GOOD, {key: 1})


@pytest.mark.parametrize(
    ("key", "value", "how"),
    [
        ("model.likelihood", "gaussian", '{kind = "gaussian"}'),
        ("model.body", "conf", '{kind = "conv"}'),
        ("optimizer", "adamw", '{kind = "adamw"}'),
        ("optimizer", "sgd", '{kind = "adam"} or {kind = "adamw"}'),
    ],
)
def test_a_kind_by_its_name_alone_says_how_to_write_it(key, value, how):
    with pytest.raises(RecipeError) as caught:
        load_recipe(GOOD, {key: value})
    assert str(caught.value).endswith(f"input should be an object, not {value!r}. Write {how}.")


def test_color_images_are_not_advised_to_be_black_and_white():
    color = changed(model__input_shape=[3, 8, 8], data__protocol="dequantized")
    assert refused(color).endswith("set model.likelihood = {kind = 'gaussian'}.")
    gray = changed(data__protocol="dequantized")
    said = "use 'binarized' or 'gray', or a continuous-bernoulli or gaussian likelihood."
    assert refused(gray).endswith(said)


def test_another_kind_brings_its_own_fields():
    recipe = load_recipe(GOOD).with_overrides(
        {"objective.samples": 3, "objective.kind": "iwae", "model.body.kind": "conv"}
    )
    assert recipe.training.objective.kind == "iwae"
    assert recipe.training.objective.samples == 3
    assert recipe.spec.body == ConvBody()
    same = load_recipe(GOOD).with_overrides({"optimizer.kind": "adam"})
    assert same.training == load_recipe(GOOD).training


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ({"epoch": 5}, "training.epoch: unknown field. Did you mean 'epochs'?"),
        ({"epochs": "5"}, "training.epochs: input should be a valid integer, not '5'"),
        ({"epochs": float("nan")}, "training.epochs: input should be a valid integer, not nan"),
        ({"epochs": torch.tensor(3)}, "training: not plain numbers"),
        (
            {"model.latnt_dim": 3},
            "model.latnt_dim: unknown field. Did you mean 'latent_dim'",
        ),
        ({"MODEL.latent_dim": 3}, "MODEL: unknown section. Did you mean 'model'?"),
        ({"mdel.latent_dim": 3}, "mdel: unknown section. Did you mean 'model'?"),
        (
            {"trainig.epochs": 3},
            "trainig: unknown section. Did you mean 'training'?",
        ),
        (
            {"optimiser.kind": "adam"},
            "optimiser: unknown field. Did you mean 'optimizer'?",
        ),
        (
            {"model.latent_dim.x": 3},
            "model.latent_dim: input should be a valid integer, not an object",
        ),
        ({"model.bdy.hidden": 3}, "model.bdy: unknown field. Did you mean 'body'?"),
        ({"training": 3}, "training: must be a section, [training], not int"),
        ({"model": {}}, "model.family: missing"),
        ({"": 1}, "unknown field"),
        ({".": 1}, "unknown field"),
        ({"epochs": 0, "seed": -1, "model.heads": "x"}, "has 3 problems"),
        ({1: 2}, "Overrides must be a mapping from setting names to values"),
        (["epochs=5"], "Overrides must be a mapping from setting names to values"),
        ("epochs=5", "Overrides must be a mapping from setting names to values"),
    ],
    ids=str,
)
def test_an_override_that_does_not_fit_is_refused(overrides, why):
    with pytest.raises(RecipeError) as caught:
        load_recipe(GOOD).with_overrides(overrides)
    assert why in str(caught.value)


def test_a_training_of_images_that_do_not_fit_is_refused_before_it_starts():
    with pytest.raises(RecipeError) as caught:
        zoo.train(changed(model__input_shape=[1, 28, 28]))
    assert "model.input_shape is (1, 28, 28); the images of digits are (1, 8, 8)" in str(
        caught.value
    )
    assert not Path("runs").exists()


@pytest.mark.parametrize("dataset", ["./nowhere", "photos", "shards/train-{0..3}.tar"])
def test_images_that_are_not_there_are_said_to_be_looked_for_in_the_working_folder(dataset):
    Path("recipes").mkdir()
    Path("recipes/mine.toml").write_text(tomli_w.dumps(changed(data__dataset=dataset)))
    said = f"Paths in a recipe are relative to the working directory, {os.getcwd()!r}."
    with pytest.raises((DataError, UnknownNameError)) as caught:
        zoo.train("recipes/mine.toml")
    assert str(caught.value).endswith(said)
    assert said not in refused_at(os.path.abspath("nowhere"))


def refused_at(dataset: str) -> str:
    with pytest.raises(DataError) as caught:
        zoo.train(changed(data__dataset=dataset))
    return str(caught.value)


def test_a_training_of_data_that_there_are_not_is_refused_before_it_starts():
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        zoo.train(changed(data__dataset="digist"))
    assert not Path("runs").exists()
