"""The closed list of a model's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.folder import layout


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model.safetensors",
        "README.md",
        "recipe.toml",
        "metrics.json",
        "figures/samples.png",
        "figures/codebook_usage-2.png",
    ],
)
def test_what_is_on_the_list(name):
    assert layout.belongs(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Config.json",
        "config.json/",
        "./config.json",
        "a/config.json",
        "model.pt",
        "notes.txt",
        "figures",
        "figures/",
        "figures/a.svg",
        "figures/a/b.png",
        "figures/../b.png",
        "figures/.png",
        "figures/.hidden.png",
        "figures/" + "a" * 200 + ".png",
        "figures/a\n.png",
        "figures\\a.png",
    ],
)
def test_what_is_not(name):
    assert not layout.belongs(name)


def test_files_of_a_folder_are_those_on_the_list_links_too():
    Path("m/figures").mkdir(parents=True)
    for name in ("config.json", "notes.txt", "figures/a.png", "figures/raw.npy"):
        (Path("m") / name).write_text("")
    (Path("m") / "model.safetensors").symlink_to("nowhere")
    assert layout.files_of(Path("m")) == ["config.json", "model.safetensors", "figures/a.png"]
    assert layout.files_of(Path("nowhere")) == []


def test_every_file_but_the_weights_has_a_limit():
    assert layout.limit_of("config.json") == 64_000
    assert layout.limit_of("figures/a.png") is not None
    assert layout.limit_of("model.safetensors") is None
