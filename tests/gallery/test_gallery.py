"""The gallery: what is on its pages, that they hang together, and what is refused."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup

import zoo
from zoo.errors import InputError
from zoo.gallery.pages import Shown, dataset_page, dataset_path
from zoo.gallery.plane import Point, plane
from zoo.gallery.site import write_gallery

VOID = {"meta", "link", "img", "input", "br", "hr", "path", "circle"}


class Tags(HTMLParser):
    """Tags that are not closed in order, ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID and self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    page, left_out = write_gallery(tmp_path_factory.mktemp("site"))
    assert not left_out
    return page.parent


def test_every_model_has_its_page(site):
    pages = {path.stem for path in (site / "models").iterdir()}
    assert pages == set(zoo.list_models())
    text = (site / "models" / "vae-mnist-20.html").read_text()
    info = zoo.info("vae-mnist-20")
    assert info.sha256 in text
    assert "zoo.load(&quot;vae-mnist-20&quot;)" in text
    assert f"{info.parameters:,}" in text


def tables_of(page: str) -> dict[str, str]:
    """The tables of a dataset's page by their headings."""
    parts = re.split(r"<h2>(.*?)</h2>", page)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_numbers_of_a_table_share_protocol_and_images(site):
    tables = tables_of((site / "datasets" / "mnist.html").read_text())
    autoencoder = ">ae-mnist-64<"
    assert any("binarized protocol" in title for title in tables)
    for title, table in tables.items():
        others = ("binarized protocol", "levels protocol", "not those above")
        assert (autoencoder in table) == (not any(one in title for one in others))
    assert any(autoencoder in table and ">vae-mnist-20<" in table for table in tables.values())


@pytest.mark.parametrize(
    "changes",
    [{"dataset_sha256": "0" * 64}, {"seed": 7}, {"n_examples": 9}, {"split": "train"}],
    ids=str,
)
def test_numbers_of_other_images_or_draws_stand_in_another_table(changes):
    tables = tables_of(dataset_page("digits", two_models(changes)))
    drawn = [title for title in tables if "dequantized" in title]
    assert [">a<" in tables[title] for title in drawn] == [
        ">b<" not in tables[title] for title in drawn
    ]
    assert len(drawn) == 2
    assert len(set(tables)) == len(tables)


def test_bounds_of_another_k_stand_in_another_column():
    [table] = [
        t
        for h, t in tables_of(dataset_page("digits", two_models({"nll_samples": 5}))).items()
        if "dequantized" in h
    ]
    assert "K = 1000" in table
    assert "K = 5," in table
    rows = re.findall(r'<th scope="row">.*?</tr>', table)
    assert sorted(row.count("<td></td>") for row in rows) == [1, 1]


def two_models(changes: dict) -> list[Shown]:
    """A published model and itself, its numbers being of something else."""
    info = zoo.info("vae-digits-8")
    assert info.metrics is not None
    others = [one.model_copy(update=changes) for one in info.metrics.measured]
    other = replace(info, metrics=info.metrics.model_copy(update={"measured": tuple(others)}))
    return [Shown(name, one, {}, Markup("")) for name, one in (("a", info), ("b", other))]


def test_all_links_lead_somewhere_and_none_is_a_script(site):
    for page in site.rglob("*.html"):
        tags = Tags(page.read_text())
        assert not tags.wrong, page
        assert not tags.open, page
        for link in tags.links:
            if not link.startswith(("#", "https://", "data:,")):
                assert (page.parent / link).resolve().is_file(), (page, link)
        assert not re.search(r"<script[^>]*src", page.read_text())


def test_any_name_of_a_dataset_is_a_file_of_the_site():
    names = [
        "mnist",
        "hf-dataset:acme/rings",
        "train-{000..004}.tar",
        "train-{000..005}.tar",
        "../a",
    ]
    paths = {dataset_path(name) for name in names}
    assert len(paths) == len(names)
    assert "datasets/mnist.html" in paths
    assert all(re.fullmatch(r"datasets/[a-z0-9.-]+\.html", path) for path in paths)


@pytest.mark.slow
def test_it_is_the_same_bytes_again(site):
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    write_gallery(site)
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("thesis.tex", "not part of a gallery"),
        ("index.html", "not a gallery's"),
        ("models/x", "not a"),
    ],
)
def test_a_folder_with_something_else_is_left_alone(tmp_path, name, said):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("years")
    with pytest.raises(InputError, match=said):
        write_gallery(tmp_path)
    assert (tmp_path / name).read_text() == "years"


def test_names_in_the_plane_do_not_lie_upon_one_another():
    points = [Point(f"model-{n}", 20.0, 60.0 + n / 100) for n in range(4)] + [Point("far", 9, 90)]
    lines = re.findall(r'y="([\d.]+)" text-anchor="\w+">(?:model|far)', plane(points, "t"))
    heights = sorted(map(float, lines))
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 14
