"""One page of the gallery, as HTML: every foreign string escaped, no script but the search."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple

from zoo.folder.card import CAPTIONS
from zoo.folder.record import heading, rows
from zoo.gallery.plane import Point, plane
from zoo.io.text import printable, with_error
from zoo.registry import families
from zoo.specs.info import ModelInfo
from zoo.specs.metrics import METRICS, Measured

SHOWN = ("nll", "neg_elbo", "bce_plus_kl", "reconstruction", "kl", "mse", "psnr", "ssim")
"""Numbers of a dataset's tables; the first one that a table has sorts it."""


class Shown(NamedTuple):
    """A model as the gallery shows it."""

    name: str
    info: ModelInfo
    figures: Mapping[str, str]
    """Paths of its pictures within the site, by their name."""
    card: str
    """HTML."""

    @property
    def measured(self) -> Sequence[Measured]:
        return self.info.metrics.measured if self.info.metrics else ()


def index_page(models: Sequence[Shown], datasets: Sequence[str]) -> str:
    """All models, with a search by name; and the datasets."""
    links = "".join(
        f'<li><a href="{dataset_path(name)}">{_text(name)}</a></li>' for name in datasets
    )
    script = resources.files("zoo.gallery").joinpath("search.js").read_text(encoding="utf-8")
    body = f"""<h1>{len(models)} autoencoder{"s" * (len(models) != 1)}</h1>
<p>Trained models whose weights are verified, whose recipes run again and whose numbers can be measured again.</p>
<nav aria-label="Datasets"><ul>{links}</ul></nav>
<p><label>Search <input id="search" type="search" autocomplete="off"></label> <output id="found"></output></p>
<ul class="models">{"".join(map(_entry, models))}</ul>
<script>
{script}</script>"""
    return _page("A gallery of autoencoders", body)


def _entry(model: Shown) -> str:
    picture = model.figures.get("samples") or model.figures.get("reconstructions")
    image = f'<img src="{picture}" alt="" loading="lazy">' if picture else ""
    data = f", trained on {_text(model.info.data)}" if model.info.data else ""
    return (
        f'<li data-name="{_text(model.name)}"><a href="{model_path(model.name)}">{image}'
        f"<strong>{_text(model.name)}</strong></a><br>{_text(model.info.family)}{data}</li>"
    )


def model_page(model: Shown) -> str:
    """Pictures, numbers, Spec, how to load it, and its card."""
    info = model.info
    figures = "".join(
        f'<figure><img src="../{path}" alt="{_text(CAPTIONS.get(name, name))}">'
        f"<figcaption>{_text(CAPTIONS.get(name, name))}</figcaption></figure>"
        for name, path in model.figures.items()
    )
    facts = {
        "family": info.family,
        "trained on": info.data or "unknown",
        "images": " x ".join(map(str, info.spec.image_shape)),
        "codes": " x ".join(map(str, info.spec.latent_shape)),
        "parameters": f"{info.parameters:,}",
        "licence": info.licence or "unknown",
        "sha256": info.sha256,
    }
    load = f'import zoo\nmodel = zoo.load("{model.name}")'
    spec = families.get(info.family).plain_fields(info.spec)
    body = f"""<p><a href="../index.html">All models</a></p>
<h1>{_text(model.name)}</h1>
<pre><code>{_text(load)}</code></pre>
<div class="pictures">{figures}</div>
<h2>Numbers</h2>
{"".join(map(_measured, model.measured)) or "<p>None were measured.</p>"}
<h2>What it is</h2>
{_list(facts)}
<details><summary>Its Spec</summary>{_list(spec)}</details>
<details><summary>Its card</summary>{model.card}</details>"""
    return _page(model.name, body, "../")


def _measured(measured: Measured) -> str:
    lines = "".join(
        f'<tr><th scope="row">{_text(row.name)}</th><td>{_text(row.text)}</td><td class="text">{_text(row.unit)}</td></tr>'
        for row in rows(measured)
    )
    return (
        f'<h3>{_text(heading(measured))}</h3><div class="wide"><table>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def dataset_page(dataset: str, models: Sequence[Shown]) -> str:
    """A table for each protocol, K and number of images; within one, numbers compare."""
    tables: dict[tuple[str, ...], list[tuple[Shown, Measured]]] = {}
    for model in models:
        for one in model.measured:
            if one.dataset == dataset:
                bound = f", K = {one.nll_samples} on {one.nll_n_images:,} images" if one.nll else ""
                ground = (one.protocol, one.split, f"{one.n_images:,}", bound)
                tables.setdefault(ground, []).append((model, one))
    parts = [
        '<p><a href="../index.html">All models</a></p>',
        f"<h1>{_text(dataset)}</h1>",
        "<p>Each table has numbers that compare: the same images, the same protocol. ± is one "
        "standard error over the images; models that differ by less than two are no better or worse.</p>",
    ]
    for (protocol, split, count, bound), found in sorted(tables.items()):
        parts.append(f"<h2>{_text(f'{protocol}, {count} {split} images{bound}')}</h2>")
        parts.append(_table(found))
        points = [
            Point(model.name, one.kl, one.reconstruction)
            for model, one in found
            if one.kl is not None and one.reconstruction is not None
        ]
        if len(points) > 1:
            title = f"Rate and distortion, {dataset}, {protocol}"
            parts.append(
                f"<figure>{plane(points, title)}<figcaption>{_text(title)}</figcaption></figure>"
            )
    return _page(dataset, "\n".join(parts), "../")


def _table(found: Sequence[tuple[Shown, Measured]]) -> str:
    names = [name for name in SHOWN if any(one.value_of(name) is not None for _, one in found)]
    up = METRICS[names[0]].unit == "dB"
    ordered = sorted(found, key=lambda pair: _key(pair[1].value_of(names[0]), up))
    heads = "".join(
        f'<th scope="col">{_text(name)}<small>{_text(METRICS[name].unit)}</small></th>'
        for name in names
    )
    lines = "".join(
        f'<tr><th scope="row"><a href="../{model_path(model.name)}">{_text(model.name)}</a></th>'
        + "".join(f"<td>{_text(_number(one, name))}</td>" for name in names)
        + "</tr>"
        for model, one in ordered
    )
    return (
        f'<div class="wide"><table><thead><tr><th scope="col" class="text">model</th>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _key(value: float | None, up: bool) -> tuple[bool, float]:
    return value is None, (-value if up else value) if value is not None else 0.0


def _number(measured: Measured, name: str) -> str:
    value = measured.value_of(name)
    return "" if value is None else with_error(value, measured.error_of(name))


def _list(values: Mapping[str, object]) -> str:
    return (
        "<dl>"
        + "".join(f"<dt>{_text(k)}</dt><dd>{_text(v)}</dd>" for k, v in values.items())
        + "</dl>"
    )


def _page(title: str, body: str, root: str = "") -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{_text(title)}</title>
<link rel="stylesheet" href="{root}site.css">
</head>
<body>
<a class="skip" href="#main">To the models</a>
<main id="main">
{body}
</main>
</body>
</html>
"""


def model_path(name: str) -> str:
    return f"models/{name}.html"


def dataset_path(name: str) -> str:
    """A dataset may be called by a pattern of files or an address, which are no names of files."""
    plain = re.sub("[^a-z0-9.-]+", "-", name)
    if plain != name:
        plain += f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"datasets/{plain}.html"


def _text(value: object) -> str:
    return html.escape(printable(str(value)))
