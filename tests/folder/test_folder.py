"""A model's folder: a config.json, recipe or card that is damaged, hostile or somebody else's."""

from __future__ import annotations

import json
import os
import resource
import shutil
from pathlib import Path

import pytest
from spoilt import METRICS, put, refused, with_spec

import zoo
from zoo.errors import (
    SourceError,
    UnsafeFormatError,
    WeightsError,
)
from zoo.folder import config as model_folder

pytestmark = pytest.mark.usefixtures("no_hang")


# What is there at all


def test_a_folder_that_is_not_there_is_refused():
    with pytest.raises(SourceError, match=r"Folder 'nowhere' does not exist\."):
        zoo.load("./nowhere")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    message = refused(tmp_path / "empty", SourceError)
    assert message.endswith("is not a zoo model: it has no config.json; it is empty.")


def test_a_folder_of_other_things_says_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert "has no config.json; it contains 'notes.txt'." in refused(tmp_path, SourceError)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "pytorch_model.bin", "a.pkl", "a.ckpt"])
def test_a_folder_of_pickles_is_refused_and_says_why(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x02.")
    message = refused(tmp_path, UnsafeFormatError)
    assert repr(name) in message
    assert "Pickle files can run code, so zoo never opens them" in message
    assert "Ask the author for safetensors" in message


def test_pickles_in_the_place_of_the_weights_are_refused(here):
    (here / "model.safetensors").rename(here / "model.pt")
    with pytest.raises(UnsafeFormatError, match=r"has 'model.pt' but no model.safetensors"):
        zoo.load(here)


def test_a_pickle_as_the_source_is_refused(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"\x80\x02.")
    assert "Pickle files can run code" in refused(tmp_path / "model.pt", UnsafeFormatError)


def test_a_file_as_the_source_says_to_name_its_folder(here):
    message = refused(here / "model.safetensors", SourceError)
    assert "is not a folder. Give the folder that contains config.json" in message


def test_missing_weights_are_refused(here):
    (here / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"has no model.safetensors; it contains 'README.md'"):
        zoo.load(here)
    assert zoo.info(here).parameters == 765


def test_names_of_files_are_escaped(tmp_path):
    (tmp_path / "a\x1b[2J\nb").touch()
    assert refused(tmp_path, SourceError).isprintable()


@pytest.mark.parametrize("kind", ["fifo", "zero", "random", "folder", "loop", "nothing"])
@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "README.md", "metrics.json", "recipe.toml"]
)
def test_what_is_no_file_in_a_files_place_is_refused_unread(here, name, kind):
    put(kind, here / name)
    with pytest.raises(WeightsError) as caught:
        zoo.load(here)
    assert name in str(caught.value)
    assert "not a regular file; it was not read" in str(caught.value) or (
        kind in ("loop", "nothing") and "Cannot open" in str(caught.value)
    )


# The other files


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = [[[", "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("x = " + "9" * 5000, "is not TOML"),
        ("data = 5", "is not a recipe: 'data' is not a section"),
        ("training = 'x'", "is not a recipe: 'training' is not a section"),
    ],
    ids=lambda value: value[:20],
)
def test_a_damaged_recipe_in_the_folder_is_refused(here, text, why):
    (here / "recipe.toml").write_text(text)
    message = refused(here, WeightsError)
    assert "recipe.toml" in message
    assert why in message


@pytest.mark.parametrize("text", ["", "[data]\n", "[data]\ndataset = 5\n"])
def test_a_recipe_that_names_no_dataset_names_none(here, text):
    (here / "recipe.toml").write_text(text)
    assert zoo.info(here).data is None


@pytest.mark.parametrize(
    ("metrics", "where"),
    [
        ({"measured": 5}, "measured: "),
        ({"measured": [5]}, "measured.0: "),
        ({"measured": [{}]}, "measured.0.dataset: missing"),
        ({"measured": [{**METRICS["measured"][0], "mse": "low"}]}, "measured.0.mse: "),
        ({"measured": [{**METRICS["measured"][0], "mse": [1]}]}, "measured.0.mse: "),
        ({"measured": [{**METRICS["measured"][0], "nll": 1.0}]}, "measured.0: an nll needs"),
        ({"measured": [{**METRICS["measured"][0], "n_examples": "3"}]}, "measured.0.n_examples: "),
        ({"subset": {}}, "subset: "),
        ({"baselines": 3}, "baselines: "),
        ({"baselines": {"a": 3}}, "baselines.a: "),
        ({"training": 5}, "training: "),
        ({"training": {"overrides": 5}}, "training.overrides: "),
        ({"environment": 7}, "environment: "),
    ],
    ids=str,
)
def test_metrics_of_another_shape_are_refused_by_field(here, metrics, where):
    (here / "metrics.json").write_text(json.dumps(metrics))
    message = refused(here, WeightsError)
    assert "metrics.json has " in message
    assert f"\n  {where}" in message


@pytest.mark.parametrize(
    "text", ["[]", "5", "{", '{"a": NaN}', '{"a": 1e999}', '"' + '\\"' * 400_000, "[" * 900_000]
)
def test_metrics_that_are_no_plain_json_are_refused(here, text):
    (here / "metrics.json").write_text(text)
    assert "metrics.json" in refused(here, WeightsError)


def test_metrics_with_more_in_them_are_kept_as_they_stand(here):
    metrics = {**METRICS, "new": {"a": [1]}, "environment": {"torch": "3"}}
    metrics["measured"][0]["fid"] = 3.5
    (here / "metrics.json").write_text(json.dumps(metrics))
    assert zoo.info(here).metrics.as_json() == metrics
    zoo.save(zoo.load(here), here.parent / "again")
    again = (here.parent / "again" / "metrics.json").read_text()
    assert json.loads(again) == metrics


@pytest.mark.parametrize("name", ["README.md", "metrics.json", "recipe.toml"])
def test_a_text_file_that_is_too_large_or_no_text_is_refused(here, name):
    (here / name).write_bytes(b"\xff\xfe")
    assert f"{name}' is not UTF-8 text" in refused(here, WeightsError)
    (here / name).write_bytes(b" " * 1_000_001)
    assert "1,000,001 bytes; the limit is 1,000,000" in refused(here, WeightsError)


def test_the_license_is_read_from_the_card(here):
    card = "---\ntags:\n- a\nlicense: apache-2.0\n---\n# x\n"
    (here / "README.md").write_text(card)
    assert zoo.info(here).license == "apache-2.0"
    (here / "README.md").write_text("# no front matter\nlicense: mine\n")
    assert zoo.info(here).license is None


def test_foreign_files_are_neither_read_nor_changed(here):
    (here / "evil.pt").write_bytes(b"\x80\x02.")
    os.mkfifo(here / "pipe")
    model = zoo.load(here)
    zoo.save(model, here)
    assert (here / "evil.pt").read_bytes() == b"\x80\x02."
    assert (here / "pipe").is_fifo()


# Memory


def test_nothing_is_allocated_before_it_has_been_checked(saved, tmp_path):
    """Hostile folders under a limit that leaves 600 MB: each is refused by a ZooError."""
    folders = []
    for name, change in {
        "units": {"latent_dim": 10**9},
        "wide": {"body": {"kind": "mlp", "hidden": [65_536] * 32}},
        "almost 1e9 parameters": {"body": {"kind": "mlp", "hidden": [22_000, 22_000]}},
        "one layer of 3.9 GB": {"body": {"kind": "mlp", "hidden": [65_000, 7_500]}},
    }.items():
        folders.append(Path(shutil.copytree(saved, tmp_path / name)))
        with_spec(folders[-1], **change)
    folders.append(Path(shutil.copytree(saved, tmp_path / "large weights")))
    os.truncate(folders[-1] / "model.safetensors", 50 * 2**30)
    folders.append(Path(shutil.copytree(saved, tmp_path / "large header")))
    (folders[-1] / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    said = tmp_path / "said"
    if (child := os.fork()) == 0:  # the limit is its own
        try:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 600 * 2**20,) * 2)
            said.write_text("".join(f"{_refusal(path)}\n" for path in folders))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    kinds = [line.split()[0] for line in said.read_text().splitlines() if line[0] != " "]
    assert kinds == [
        "SpecError",
        "SpecError",
        "MismatchError",
        "MismatchError",
        "WeightsError",
        "IntegrityError",
    ]


def _refusal(path: Path) -> str:
    try:
        zoo.load(path)
    except (zoo.ZooError, MemoryError) as refused:
        return f"{type(refused).__name__} {refused}"
    return "loaded"


def test_the_names_in_a_folder_are_the_promised_ones():
    assert (model_folder.CONFIG, model_folder.WEIGHTS) == ("config.json", "model.safetensors")
    assert model_folder.FORMAT == "autoencoder-zoo/1"
