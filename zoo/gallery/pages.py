"""One page of the gallery, from its template: every foreign string is escaped by Jinja2."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zoo.cards.record import heading, rows
from zoo.cards.words import captions
from zoo.gallery.plane import Point, plane
from zoo.io.text import printable, with_error
from zoo.registry import families
from zoo.specs.ground import Ground, ground_of, table_ground
from zoo.specs.info import ModelInfo
from zoo.specs.metrics import METRICS
from zoo.specs.record import Measured

SHOWN = ("nll", "neg_elbo", "bce_plus_kl", "reconstruction", "kl", "mse", "psnr", "ssim")
"""Numbers of a dataset's tables; the first one that a table has sorts it."""
GENERATOR = "autoencoder-zoo gallery"
"""What every page of a gallery says that it was written by."""
MOST_LETTERS = 60
"""Of a dataset's name in the name of its file."""


class Shown(NamedTuple):
    """A model as the gallery shows it."""

    name: str
    info: ModelInfo
    figures: Mapping[str, str]
    """Paths of its pictures within the site, by their name."""
    card: Markup
    """HTML."""

    @property
    def measured(self) -> Sequence[Measured]:
        return self.info.metrics.measured if self.info.metrics else ()

    @property
    def path(self) -> str:
        """Of its page within the site."""
        return f"models/{self.name}.html"

    @property
    def picture(self) -> str | None:
        """The one beside its name."""
        return self.figures.get("samples") or self.figures.get("reconstructions")


class Table(NamedTuple):
    """Numbers that compare: a row a model, a column a metric with its unit."""

    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[tuple[Shown, Sequence[str]]]
    plane: Markup | None
    plane_title: str


def index_page(models: Sequence[Shown], datasets: Sequence[str]) -> str:
    """All models, with a search by name; and the datasets."""
    script = resources.files("zoo.gallery").joinpath("search.js").read_text(encoding="utf-8")
    return _page(
        "index.html",
        "A gallery of autoencoders",
        root="",
        models=models,
        datasets={name: dataset_path(name) for name in datasets},
        script=Markup(script),  # ours
    )


def model_page(model: Shown) -> str:
    """Pictures, numbers, Spec, how to load it, and its card."""
    info = model.info
    domain = info.spec.domain
    titles = captions(domain)
    facts = {
        "family": info.family,
        "trained on": info.data or "unknown",
        domain.nouns: " x ".join(map(str, domain.shape)),
        "codes": " x ".join(map(str, info.spec.latent_shape)),
        "parameters": f"{info.parameters:,}",
        "license": info.license or "unknown",
        "sha256": info.sha256,
    }
    return _page(
        "model.html",
        model.name,
        root="../",
        model=model,
        load=f'import zoo\nmodel = zoo.load("{model.name}")',
        pictures=[(titles.get(name, name), path) for name, path in model.figures.items()],
        numbers=[(heading(one), rows(one)) for one in model.measured],
        facts=facts,
        spec=families.get(info.family).plain_fields(info.spec),
    )


def dataset_page(dataset: str, models: Sequence[Shown]) -> str:
    """A table for each ground on which numbers compare: one a protocol, and one of reconstructions."""
    found: dict[Ground, dict[str, tuple[Shown, Measured]]] = {}
    for model in models:
        for one in model.measured:
            for protocol in (one.protocol, "") if one.dataset == dataset else ():
                same = found.setdefault(table_ground(one, protocol), {})
                same.setdefault(model.name, (model, one))
    ordered = sorted(found.items(), key=lambda pair: (not pair[0].protocol, str(pair[0])))
    tables: list[Table] = []
    before: dict[str, Ground] = {}
    for ground, pairs in ordered:
        title = str(ground)
        if first := before.setdefault(title, ground).differs(ground):
            title += f" (not those above: {first})"
        tables += _table(title, dataset, ground, list(pairs.values()))
    return _page("dataset.html", dataset, root="../", tables=tables)


def _table(
    title: str, dataset: str, ground: Ground, found: Sequence[tuple[Shown, Measured]]
) -> list[Table]:
    """The table of a ground, if there is a number for it. A column's numbers have one ground of their own."""
    columns = list(
        dict.fromkeys(
            (name, ground_of(one, name))
            for name in SHOWN
            if METRICS[name].of_reconstructions != bool(ground.protocol)
            for _, one in found
            if one.value_of(name) is not None
        )
    )
    if not columns:
        return []

    def value(one: Measured, column: tuple[str, Ground]) -> float | None:
        return one.value_of(column[0]) if ground_of(one, column[0]) == column[1] else None

    up = METRICS[columns[0][0]].unit == "dB"
    ordered = sorted(found, key=lambda pair: _key(value(pair[1], columns[0]), up))
    points = [
        Point(model.name, one.kl, one.reconstruction)
        for model, one in found
        if ground.protocol and one.kl is not None and one.reconstruction is not None
    ]
    plane_title = f"Rate and distortion, {dataset}, {ground.protocol}"
    table = Table(
        title=title,
        columns=[(name, _unit(name, own)) for name, own in columns],
        rows=[
            (
                model,
                [
                    "" if value(one, c) is None else with_error(value(one, c), one.error_of(c[0]))
                    for c in columns
                ],
            )
            for model, one in ordered
        ],
        plane=plane(points, plane_title, ground.noun) if len(points) > 1 else None,
        plane_title=plane_title,
    )
    return [table]


def _unit(name: str, ground: Ground) -> str:
    if name != "nll":
        return METRICS[name].unit_of(ground.domain)
    bound = dict(ground.details)
    return f"nats, K = {bound['nll_samples']}, {bound['nll_n_examples']:,} {ground.nouns}"


def _key(value: float | None, up: bool) -> tuple[bool, float]:
    return value is None, (-value if up else value) if value is not None else 0.0


def dataset_path(name: str) -> str:
    """A dataset may be called by a pattern of files or an address, which are no names of files."""
    plain = re.sub("[^a-z0-9.-]+", "-", name)[:MOST_LETTERS]
    if plain != name:
        plain += f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"datasets/{plain}.html"


def _page(template: str, title: str, **given: Any) -> str:
    pages = Environment(
        loader=PackageLoader("zoo.gallery"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return pages.get_template(template).render(title=title, generator=GENERATOR, **given)


def _shown(value: object) -> object:
    """A value of a template: of text, control characters as escapes; of what is HTML already, itself."""
    return value if isinstance(value, Markup) else printable(str(value))
