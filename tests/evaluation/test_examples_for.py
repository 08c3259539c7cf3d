"""Which images a model is measured on: all that are given, as they are where they fit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.errors import DataError, InputError, OfflineError
from zoo.evaluation.examples import examples_for
from zoo.specs.data import Transform

RECIPE = """
[data]
dataset = {dataset!r}
protocol = "levels"
transform = {{resize = 20, crop = "center"}}
column = "picture"
max_damaged = 3
"""


@pytest.fixture(scope="module")
def model() -> zoo.Autoencoder:
    return zoo.build("conv-ae", input_shape=(1, 16, 16), latent_dim=4, seed=0).eval()


def levels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_what_has_no_parts_is_measured_whole(model):
    metrics = zoo.evaluate(model, levels(30, 16, 16))
    assert (metrics.n_examples, metrics.split) == (30, "all")
    assert zoo.evaluate(model, levels(30, 16, 16), split="test").n_examples < 10


def test_parts_that_are_named_are_kept_apart(model):
    given = {"train": levels(20, 16, 16), "test": levels(7, 16, 16)}
    metrics = zoo.evaluate(model, given)
    assert (metrics.n_examples, metrics.split) == (7, "test")


def test_the_recipes_own_dataset_is_never_measured_whole(model, tmp_path, monkeypatch):
    np.save(tmp_path / "mine.npy", levels(40, 20, 20))
    monkeypatch.chdir(tmp_path)
    recipe = RECIPE.format(dataset="./mine.npy")
    for spelling in ("./mine.npy", "mine.npy", tmp_path / "mine.npy"):
        images = examples_for(model, spelling, None, recipe)
        assert images.split == "test"
        assert len(images) < 20
    np.save(tmp_path / "other.npy", levels(40, 20, 20))
    assert len(examples_for(model, "other.npy", None, recipe)) == 40


def test_images_of_the_models_shape_are_not_transformed_by_its_recipe(model):
    given = levels(10, 16, 16)
    images = examples_for(model, given, None, RECIPE.format(dataset="elsewhere"))
    assert np.array_equal(images.first(10)[:, 0].numpy(), given)


def test_of_a_folder_those_that_fit_are_left_alone_and_the_others_are_made_to_fit(model, tmp_path):
    fitting, large = levels(16, 16), levels(32, 48)
    Image.fromarray(fitting).save(tmp_path / "0.png")
    Image.fromarray(large).save(tmp_path / "1.png")
    images = examples_for(model, tmp_path, None, RECIPE.format(dataset="elsewhere"))
    first, second = images.first(2)[:, 0].numpy()
    assert np.array_equal(first, fitting)
    made = np.asarray(Image.fromarray(large).resize((30, 20), Image.Resampling.BILINEAR))
    assert np.array_equal(second, made[2:18, 7:23])


def test_the_recipes_own_images_are_transformed_as_in_training(model, tmp_path):
    np.save(tmp_path / "mine.npy", levels(40, 16, 16))
    recipe = RECIPE.format(dataset=str(tmp_path / "mine.npy"))
    own = examples_for(model, tmp_path / "mine.npy", "test", recipe).first(1)
    kept = examples_for(model, tmp_path / "mine.npy", "test", recipe, own=False).first(1)
    assert not torch.equal(own, kept)


def test_a_transform_that_is_given_is_used_as_it_is(model):
    given = levels(10, 16, 16)
    doubled = zoo.evaluate(model, given, transform={"resize": 32, "crop": "center"})
    nothing = zoo.evaluate(model, given, transform={})
    assert doubled.dataset_sha256 != nothing.dataset_sha256 == zoo.evaluate(model, given).dataset_sha256  # fmt: skip
    with pytest.raises(InputError, match="Did you mean 'resize'"):
        zoo.evaluate(model, given, transform={"resise": 32})


def test_a_recipes_column_and_damage_are_for_its_own_dataset(model, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    files = []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        Image.fromarray(levels(16, 16)).save(path)
        files.append(path.read_bytes())
    pq.write_table(pa.table({"image": files, "mask": files}), tmp_path / "other.parquet")
    recipe = RECIPE.format(dataset="elsewhere")
    with pytest.raises(DataError, match="column"):
        examples_for(model, tmp_path / "other.parquet", None, recipe)
    chosen = examples_for(model, tmp_path / "other.parquet", None, recipe, column="mask")
    assert len(chosen) == 12


def test_offline_and_token_reach_the_recipe_and_the_extractor(model, monkeypatch):
    asked = []

    def spy(source, **how):
        asked.append((source, how))
        raise OfflineError("not cached")

    monkeypatch.setattr("zoo.evaluation.extractors.find", lambda source, **how: spy(source, **how))
    info = zoo.info("vae-digits-8")
    monkeypatch.setattr("zoo.api.models.info", spy)
    there = dataclasses.replace(info, origin=f"hf://acme/vae@{'0' * 40}", recipe=None)
    monkeypatch.setattr(model, "info", there)
    how = {"token": "hf_mine", "offline": True}
    with pytest.raises(OfflineError, match="not cached"):
        zoo.evaluate(model, **how)
    assert zoo.evaluate(model, levels(5, 16, 16), **how).n_examples == 5
    with pytest.raises(OfflineError, match="not cached"):
        zoo.measure_reconstructions(model, levels(5, 16, 16), extractor="acme/other", **how)
    assert [one for _, one in asked] == [how] * 3
    with pytest.raises(OfflineError, match="offline=True forbids downloads"):
        zoo.evaluate(model, "hf-dataset:acme/photos", **how)


def test_damaged_images_are_left_out_only_where_that_is_allowed(model, tmp_path):
    for number in range(5):
        Image.fromarray(levels(16, 16)).save(tmp_path / f"{number}.png")
    Path(tmp_path / "5.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    recipe = RECIPE.format(dataset="elsewhere")
    with pytest.raises(DataError):
        examples_for(model, tmp_path, None, recipe, transform=Transform()).first(6)
    assert zoo.evaluate(model, tmp_path, max_damaged=1).n_examples == 5
