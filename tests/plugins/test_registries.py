"""Models, recipes and datasets that packages bring: by name, beside the zoo's own."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from contextlib import suppress
from dataclasses import replace

import pytest
import tomli_w
import torch
from broken import GOOD
from packages import Package

import zoo
from zoo.data import load_examples
from zoo.data.of_recipe import dataset_of
from zoo.errors import DataError, IntegrityError, PluginError, UnknownNameError
from zoo.plugins import entry_points as plugins
from zoo.registry import index, published
from zoo.training.recipe import load_recipe

DATA = "import numpy as np\nimport torch\ndef images(split):\n    return {}\n"


def registry(checkout, names: dict[str, str], package: str = "acme") -> dict[str, bytes]:
    """Files of a package that publishes vae-digits-8 under other names; `names` says which."""
    root = checkout / "registry"
    ours = tomllib.loads((root / "index.toml").read_text())
    files = {f"{package}/__init__.py": b""}
    for name, source in names.items():
        for path in (root / source).rglob("*"):
            if path.is_file():
                files[f"{package}/models/{name}/{path.relative_to(root / source)}"] = (
                    path.read_bytes()
                )
    lines = {name: ours[source] for name, source in names.items()}
    files[f"{package}/models/index.toml"] = tomli_w.dumps(lines).encode()
    recipe = (checkout / "recipes" / "vae-digits-8.toml").read_bytes()
    return {**files, f"{package}/models/recipes/acme-digits-8.toml": recipe}


def acme(checkout, names, name="acme", **more) -> Package:
    return Package(
        name, "0.3", registry(checkout, names, name), registries={name: f"{name}.models"}, **more
    )


def test_a_packages_models_and_recipes_go_by_name(checkout, installed):
    installed(acme(checkout, {"acme-vae-8": "vae-digits-8"}))
    assert "acme-vae-8" in zoo.list_models()
    assert "acme-digits-8" in published.list_recipes()
    ours, theirs = zoo.load("vae-digits-8"), zoo.load("acme-vae-8")
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(ours.encode(x), theirs.encode(x))
    assert theirs.info.origin == "acme-vae-8"
    assert load_recipe("acme-digits-8").name == "acme-digits-8"
    assert "acme" not in sys.modules


def test_a_packages_model_is_exported(acme_vq, installed):
    pytest.importorskip("onnxruntime")
    installed(acme_vq)
    done = zoo.export_onnx(zoo.load("vq-digits-4x4"), "out")
    assert done.checked_on == "64 test images of digits"


def test_its_index_is_the_root_of_trust_for_its_names(checkout, installed):
    installed(acme(checkout, {"acme-vae-8": "vae-digits-8"}))
    weights = published.line("acme-vae-8").folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(IntegrityError, match="Fetch it again: reinstall acme"):
        zoo.load("acme-vae-8")


def test_our_names_win_a_clash_and_it_is_reported(checkout, installed):
    installed(acme(checkout, {"vae-mnist-20": "vae-digits-8", "acme-vae-8": "vae-digits-8"}))
    assert zoo.load("vae-mnist-20").spec.input_shape == (1, 28, 28)
    assert zoo.load("acme-vae-8").spec.input_shape == (1, 8, 8)
    [plugin] = plugins.installed("registry")
    assert index.survey().clashes(plugin) == [
        "model 'vae-mnist-20' is also in the zoo, which has precedence"
    ]


def test_two_packages_with_one_name_are_an_error_for_that_name_alone(checkout, installed):
    one = acme(checkout, {"shared": "vae-digits-8", "mine": "vae-digits-8"})
    other = acme(checkout, {"shared": "vae-digits-8"}, name="other")
    installed(one)
    installed(other)
    with pytest.raises(
        PluginError, match=r"Model 'shared' is provided by acme 0.3 and other 0.3\."
    ):
        zoo.load("shared")
    assert zoo.load("mine").spec.input_shape == (1, 8, 8)
    listed = [line.registry.owner for line in published.lines(index.survey(), "shared")]
    assert listed == ["acme 0.3", "other 0.3"]
    with pytest.raises(PluginError, match="Recipe 'acme-digits-8' is provided by"):
        zoo.train("acme-digits-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[", "cannot be read: TOMLDecodeError"),
        (b"\xff", "cannot be read: UnicodeDecodeError"),
        (b'["../../x"]\nfamily = "vae"\n', "is not a valid name for a model"),
        (b"x = 3\n", "'x' is not a table"),
        (b'[x]\nfamily = "vae"\n', "has no 'bytes, license, parameters, sha256'"),
        (
            b'[x]\nbytes = 1\nparameters = 1\nlicense = ""\nfamily = "x"\nsha256 = ""\n',
            "has sha256 = ''",
        ),
        (
            b'[x]\nbytes = 1\nparameters = 1\nlicense = ""\nfamily = "x"\n[x.sha256]\n"config.json" = ""\n',
            "has no sha256 of model.safetensors",
        ),
        (
            b'[x]\nbytes = 1\nparameters = 1\nlicense = ""\nfamily = "x"\n[x.sha256]\n"config.json" = "a"\n'
            b'"model.safetensors" = "b"\n',
            "has 'a' as the sha256 of config.json",
        ),
        (
            b'[x]\nbytes = 1\nparameters = 1\nlicense = ""\nfamily = "x"\n[x.sha256]\n"config.json" = "'
            + b"a" * 64
            + b'"\n"model.safetensors" = "'
            + b"a" * 64
            + b'"\n"../x" = ""\n',
            "has the sha256 of '../x', which is not a model's file",
        ),
        (
            b'[x]\nlicense = ""\nfamily = "x"\nparameters = 1\nbytes = 1'
            + b"0" * 400
            + b"\n[x.sha256]\n",
            "has bytes = 1000",
        ),
        (b"a = 1\n" * 300_000, "is 1,800,000 bytes"),
    ],
    ids=range(11),
)
def test_a_damaged_index_is_said_and_the_rest_works(checkout, installed, text, said):
    installed(
        Package(
            "acme",
            "0.3",
            {"acme/__init__.py": "", "acme/models/index.toml": text},
            registries={"acme": "acme.models"},
        )
    )
    assert zoo.list_models() == sorted(index.read_index(index.own_registry()))
    [note] = index.survey().problems.values()
    assert note.startswith("The index of acme 0.3, ")
    assert said in note
    with pytest.raises(UnknownNameError):
        zoo.load("x")


def test_what_is_no_file_in_the_place_of_an_index_is_said(installed, no_hang):
    files = {"acme/__init__.py": "", "acme/models/recipes/x.toml": ""}
    installed(
        Package(
            "acme", "0.3", files, registries={"acme": "acme.models", "long": f"acme.{'x' * 300}"}
        )
    )
    [plugin, _] = plugins.installed("registry")
    os.mkfifo(plugin.folder() / "index.toml")
    pipe, long = index.survey().problems.values()
    assert "is not a regular file" in pipe
    assert "has no folder" in long
    assert "vae-mnist-20" in zoo.list_models()


def test_a_registry_is_found_where_an_editable_package_lies(checkout, tmp_path, monkeypatch):
    """An editable install has its metadata in one place and its files in another."""
    package = acme(checkout, {"acme-vae-8": "vae-digits-8"})
    for name, content in package.files.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    info = tmp_path / "site" / "acme-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: acme\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text(package.entry_points())
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "source")
    assert "acme-vae-8" in zoo.list_models()
    shutil.rmtree(tmp_path / "source")
    assert "acme-vae-8" not in zoo.list_models()


def dataset(body: str) -> Package:
    return Package(
        "acme-data",
        "0.3",
        {"acme_data.py": DATA.format(body)},
        datasets={"acme": "acme_data:images"},
    )


def test_a_packages_dataset_goes_by_name(installed):
    installed(dataset("np.full((dict(train=20, validation=5, test=4)[split], 9, 7), 3, np.uint8)"))
    images = load_examples("acme", "test")
    assert (images.dataset, tuple(images.values.shape)) == ("acme", (4, 1, 9, 7))
    assert len(load_examples("acme", "train+validation")) == 25


def test_one_without_validation_has_a_tenth_of_train_held_out(installed):
    installed(dataset("None if split == 'validation' else np.zeros((20, 3, 8, 8), np.uint8)"))
    assert [len(load_examples("acme", split)) for split in ("train", "validation", "test")] == [
        19,
        1,
        20,
    ]


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("1 / 0", PluginError, "failed to return its train split: ZeroDivisionError"),
        ("None", DataError, "its train split is NoneType; images are"),
        ("np.zeros((3, 1, 8, 8))", DataError, "train split is (3, 1, 8, 8), float64; images are"),
        (
            "np.zeros((3, 8), np.uint8)",
            DataError,
            "is (3, 8), uint8; rows are (N, D), float32 or float64. Try x.astype(np.float32).",
        ),
        (
            "np.zeros((3, 8, 8 + len(split)), np.uint8)",
            DataError,
            "All images of a dataset must have the same size",
        ),
        ("np.zeros((0, 8, 8), np.uint8)", DataError, "is empty"),
        ("__import__('sys').exit()", PluginError, "failed to return its train split: SystemExit"),
        (
            "torch.tensor(3, dtype=torch.uint8)",
            DataError,
            "Plugin 'acme' of acme-data 0.3: its train",
        ),
    ],
    ids=range(8),
)
def test_a_dataset_that_gives_no_images_is_said(installed, body, error, said):
    installed(dataset(body))
    with pytest.raises(error) as caught:
        load_examples("acme", "train")
    assert said in str(caught.value)


def test_a_misspelled_dataset_gets_a_plugins_name(installed):
    installed(dataset("None"))
    with pytest.raises(UnknownNameError, match=r"No dataset named 'acne'\. Did you mean 'acme'"):
        load_examples("acne", "test")
    assert "acme_data" not in sys.modules


def test_a_stranger_names_no_other_packages_dataset(installed):
    """What a Hub repo's recipe names is read only if the zoo or the family's own package has it."""
    installed(dataset("np.zeros((9, 8, 8), np.uint8)"))
    installed(
        Package(
            "acme-vq",
            "1",
            {"acme_vq_one.py": GOOD},
            {"good": "acme_vq_one:Good"},
            {"own": "acme_vq_one:x"},
        )
    )
    theirs = replace(zoo.info("vae-digits-8"), origin=f"hf://x/y@{'a' * 40}")

    def is_read(name: str, family: str) -> bool:
        with suppress(DataError):
            return dataset_of(replace(theirs, family=family), "", name) == name
        return False

    assert is_read("digits", "good")
    assert is_read("own", "good")
    assert not is_read("acme", "good")
    assert not is_read("./images", "good")
    assert not is_read("own", "vae")
