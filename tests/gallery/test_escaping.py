"""The gallery of a package that means harm: a registry is data, and what it says is text."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import tomli_w

from zoo.gallery.site import write_gallery
from zoo.registry import index, published

ACTIVE = '"><script>alert(1)</script><img src=x onerror="alert(2)">\x1b[31m\u202e'
LEFT_OUT = (f"{ACTIVE.replace('/', '')}.png", 'a" onerror="alert(3)" x=".png', "mine.html", ".png")


class Tags(HTMLParser):
    """Every tag of a page with the names of its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, tuple[str, ...]]] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add((tag, tuple(sorted(name for name, _ in attrs))))


def put(registry: Path, active: str) -> None:
    """A published model whose every text is `active`; an empty one leaves the model as it is."""
    models, name = index.own_registry().models, "vae-digits-8"
    shutil.copytree(models / name, registry / name)
    entry = tomllib.loads((models / index.INDEX).read_text())[name]
    if active:
        for figure in LEFT_OUT:
            shutil.copy(
                registry / name / "figures" / "samples.png", registry / name / "figures" / figure
            )
        recipe = (registry / name / "recipe.toml").read_text()
        said = f"dataset = {json.dumps(active)}"
        (registry / name / "recipe.toml").write_text(recipe.replace('dataset = "digits"', said))
        record = json.loads((registry / name / "metrics.json").read_text())
        for one in record["measured"]:
            one |= {"dataset": active, "split": active, "protocol": active}
            one["own"] = {"mine": {"value": 1.0, "unit": active.replace("\x1b", "")[:60]}}
        record["training"]["overrides"] = {active: active}
        (registry / name / "metrics.json").write_text(json.dumps(record))
        entry["license"] = entry["family"] = active[:100]
    (registry / index.INDEX).write_text(tomli_w.dumps({name: entry}))


def pages_of(registry: Path, monkeypatch, target: Path) -> dict[str, str]:
    ours = replace(index.own_registry(), models=registry)
    monkeypatch.setattr(index, "own_registry", lambda: ours)
    assert published.list_models() == ["vae-digits-8"]
    _, left_out = write_gallery(target)
    assert not left_out
    pages = {path.parent.name: path.read_text() for path in target.rglob("*/*.html")}
    return pages | {"index": (target / "index.html").read_text()}


def test_no_text_of_a_registry_becomes_markup(tmp_path, monkeypatch):
    put(tmp_path / "hostile", ACTIVE)
    put(tmp_path / "plain", "")
    with monkeypatch.context() as patch:
        hostile = pages_of(tmp_path / "hostile", patch, tmp_path / "a")
    plain = pages_of(tmp_path / "plain", monkeypatch, tmp_path / "b")
    assert hostile.keys() == plain.keys()
    for name, page in hostile.items():
        extra = Tags(page).found - Tags(plain[name]).found
        assert {tag for tag, _ in extra} <= {"code"}, name  # the card says what was changed
        assert "\x1b" not in page
        assert "\u202e" not in page
    assert "&lt;script&gt;" in hostile["datasets"]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_only_pictures_of_the_layout_are_copied(tmp_path, monkeypatch, name):
    put(tmp_path / "hostile", ACTIVE)
    pages_of(tmp_path / "hostile", monkeypatch, tmp_path / "site")
    names = {path.name for path in (tmp_path / "site" / "figures").rglob("*.*")}
    assert names == {"reconstructions.png", "samples.png", "traversals.png"}


def test_a_name_of_a_dataset_of_any_length_is_a_page(tmp_path, monkeypatch):
    put(tmp_path / "hostile", "a" * 5000)
    assert "datasets" in pages_of(tmp_path / "hostile", monkeypatch, tmp_path / "site")
