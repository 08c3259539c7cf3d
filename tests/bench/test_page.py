"""The page of a benchmark: whole by itself, well formed, and safe whatever a model is called."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
import torch

import zoo
from zoo.bench.entries import measure_models
from zoo.bench.page import render_page
from zoo.data import load_examples

pytest.importorskip("matplotlib")

VOID = {"meta", "img", "br", "link", "input", "hr"}
EVIL = "<script>alert(1)</script>$x^{$\x1b[2J"


class Page(HTMLParser):
    """Checks that what opens closes, and gathers what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    def values(self, attribute: str) -> list[str]:
        return [value for _, said in self.found if (value := said.get(attribute))]


@pytest.fixture(scope="module")
def text() -> str:
    """The page of two models of digits, one of them called badly."""
    entries = measure_models(
        ["vae-digits-8", EVIL],
        3,
        40,
        "cpu",
        on_progress=lambda text: None,
        load=lambda name: zoo.load("vae-digits-8"),
        draw=True,
    )
    return render_page(entries, "zoo bench --html page.html", {"torch": "1.2", "threads": 1})


def test_it_is_well_formed_and_needs_nothing_from_elsewhere(text):
    page = Page(text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.found}
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert all(src.startswith("data:image/png;base64,") for src in page.values("src"))
    links = [*page.values("href"), *page.values("xlink:href")]
    assert all(link.startswith("#") for link in links)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links} <= set(ids)


def test_it_says_what_was_measured_how_and_with_what(text):
    for said in (
        "zoo bench --html page.html",
        "digits, test split, 40 images, dequantized protocol, seed 0",
        "nll: K = 3, first 40 images",
        "<dt>torch</dt><dd>1.2</dd>",
        "<dt>threads</dt><dd>1</dd>",
        "two standard errors of the difference",
        str(zoo.info("vae-digits-8").sha256[:12]),
    ):
        assert said in text


def test_foreign_strings_are_shown_and_do_nothing(text):
    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;$x^{$\\x1b[2J" in text


def test_who_does_not_see_or_has_no_mouse_reads_it_too(text):
    page = Page(text)
    assert page.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in page.all("img"))
    plots = [one for one in page.all("svg") if one.get("role") == "img"]
    assert len(plots) == 4  # the plane, nll, neg_elbo; mse
    assert all(one["aria-label"] for one in plots)
    assert all(one.get("scope") for one in page.all("th"))
    assert all(one["tabindex"] == "0" for one in page.all("div") if one.get("class") == "wide")
    assert "prefers-color-scheme: dark" in text
    assert "focus-visible" in text


def test_all_models_reconstruct_the_same_originals_side_by_side(text):
    images = [one["src"] for one in Page(text).all("img")]
    assert len(images) == 1 + 2 + 2  # originals once; reconstructions; samples
    assert images[1] == images[2] != images[0]  # the same model under two names


def test_equal_models_share_the_first_rank(text):
    assert text.count('<td class="rank">1</td>') == 4
    assert '<td class="rank">2</td>' not in text


def test_the_same_numbers_give_the_same_page():
    def page() -> str:
        entries = measure_models(
            ["vae-digits-8"], 0, 9, "cpu", lambda text: None, zoo.load, draw=True
        )
        return render_page(entries, "zoo bench", {})

    assert page() == page()


def test_the_pictures_are_of_the_first_images_of_the_split():
    from zoo.evaluation.figures import draw_beside

    images = load_examples("digits", "test")
    model = zoo.load("vae-digits-8")
    drawn = draw_beside(model, images, 3)
    assert set(drawn) == {"originals", "reconstructions", "samples"}
    with torch.no_grad():
        assert drawn == draw_beside(model, images, 3)
