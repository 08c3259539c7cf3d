"""`zoo bench --html`: everything that was measured, on one page that needs nothing else."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.bench import plots
from zoo.bench.charts import Chart, charts_of
from zoo.bench.entries import Entry
from zoo.bench.ranks import RULE, Placed, Standing, standings
from zoo.io.text import number, printable, with_error
from zoo.specs.metrics import METRICS

STYLE = Path(__file__).with_name("page.css")
COLORS = {
    plots.INK: "var(--ink)",
    plots.MUTED: "var(--muted)",
    plots.FAINT: "var(--faint)",
    plots.PAPER: "var(--paper)",
    plots.ACCENT: "var(--accent)",
    plots.OTHER: "var(--other)",
}
"""What the plots' colors are on the page, where they follow light and dark."""
ABOUT = {
    "neg_elbo": "closed-form KL plus reconstruction at one draw of the posterior, at beta = 1",
    "nll": "minus the importance-weighted bound on log p(x) with K draws (Burda et al. 2016)",
    "bce_plus_kl": "cross-entropy against gray levels plus KL, as tutorials print it; no likelihood",
    "mse, psnr, ssim": "of decode(encode(x)), for examples as they are, whatever the protocol",
    "active_units": "latents whose posterior mean varies by more than 0.01",
    "real": "rows and series are shown as they are; nats of a density in their own units",
    "binarized": "each pixel is a coin with its gray level as probability, drawn once, the same for all",
    "dequantized": "a level becomes a uniform draw from its 1/256 of [0, 1]; nats of a density",
    "levels": "levels are shown as they are; nats and bits of their probabilities",
    "gray": "the model is shown gray levels as they are",
}


def render_page(entries: Sequence[Entry], command: str, settings: Mapping[str, object]) -> str:
    """One HTML file: no script, nothing from elsewhere, every foreign string escaped.

    Args:
        entries: what was measured, with pictures.
        command: which gave them.
        settings: what else they depend on, by name: versions, threads, K.

    Raises InputError where matplotlib is missing.
    """
    tables = standings(entries)
    datasets = list(dict.fromkeys(one.ground.dataset for one in tables))
    models = len({one.model for one in entries if one.measured})
    title = f"{models} autoencoder{'s' if models != 1 else ''}, measured side by side"
    links = "".join(
        f'<li><a href="#data-{n}">{_text(name)}</a></li>' for n, name in enumerate(datasets)
    )
    sections = [
        _dataset(n, name, [one for one in tables if one.ground.dataset == name])
        for n, name in enumerate(datasets)
    ]
    parts = [
        f"<h1>{title}</h1>",
        "<p>Every number here was measured by one command. Models share a table where they saw the "
        "same examples in the same way, and only there.</p>",
        f"<pre><code>{_text(command)}</code></pre>",
        _list(settings),
        f'<nav aria-label="Datasets"><ul>{links}<li><a href="#models">The models</a></li>'
        '<li><a href="#reading">How to read it</a></li></ul></nav>',
        *sections,
        _models(entries),
        '<section aria-labelledby="reading"><h2 id="reading">How to read it</h2>',
        f"<p>{_text(RULE)} ± is one standard error over the examples. Nats are per example, less is "
        "better; numbers of another protocol, another K or other examples are never ranked "
        "together.</p>",
        f"{_list(ABOUT)}</section>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        '<body>\n<a class="skip" href="#main">To the numbers</a>\n<main id="main">\n'
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _dataset(place: int, name: str, tables: Sequence[Standing]) -> str:
    parts = [f'<section aria-labelledby="data-{place}"><h2 id="data-{place}">{_text(name)}</h2>']
    for number_, standing in enumerate(tables):
        parts.append(f"<h3>{_text(_heading(standing))}</h3>")
        parts.append(_table(standing))
        if len(standing.rows) > 1:
            drawn = enumerate(charts_of(standing))
            parts += [_figure(chart, f"c{place}-{number_}-{n}-") for n, chart in drawn]
        if not standing.ground.protocol:
            parts.append(_pictures(standing))
    return "\n".join([*parts, "</section>"])


def _heading(standing: Standing) -> str:
    protocol = standing.ground.protocol
    return (
        f"Under the {protocol} protocol"
        if protocol
        else f"Reconstructions of {standing.ground.nouns} as they are"
    )


def _table(standing: Standing) -> str:
    names, ranked = standing.names, standing.is_ranked
    heads = ['<th scope="col" class="rank">rank</th>'] if ranked else []
    heads.append('<th scope="col" class="text">model</th>')
    for name in names:
        unit = METRICS[name].unit_of(standing.ground.domain)
        heads.append(f'<th scope="col">{name}<small>{_text(unit) or "&nbsp;"}</small></th>')
    lines = []
    for row in standing.rows:
        cells = [f'<td class="rank">{row.rank or "-"}</td>'] if ranked else []
        cells.append(f'<th scope="row">{_text(row.entry.model)}</th>')
        cells += [_cell(standing, row, name) for name in names]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    caption = "; ".join(filter(None, (str(standing.ground), standing.nll_note)))
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{_text(caption)}"><table>'
        f"<caption>{_text(caption)}</caption><thead><tr>{''.join(heads)}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(standing: Standing, row: Placed, name: str) -> str:
    value, error = row.measured.value_of(name), row.measured.error_of(name)
    if value is None:
        return "<td>-</td>"
    shown, _, spread = with_error(value, error).partition(" ± ")
    several = name == "nll" and len(standing.nll_examples) > 1
    of = f" ({row.measured.nll_n_examples:,})" if several else ""
    emphasis = ' class="main"' if name == standing.main else ""
    small = f" <small>± {spread}{of}</small>" if spread or of else ""
    return f"<td><span{emphasis}>{shown}</span>{small}</td>"


def _figure(chart: Chart, prefix: str) -> str:
    """A plot as SVG within the page: its own names for its parts, the page's colors."""
    svg = chart.draw("svg").decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}', svg).replace("url(#", f"url(#{prefix}")
    for color, variable in COLORS.items():
        svg = svg.replace(color, variable)
    named = f'<svg role="img" aria-label="{_text(chart.summary)}"'
    return f"<figure>{svg.replace('<svg', named, 1)}</figure>"


def _pictures(standing: Standing) -> str:
    """Reconstructions of the same originals below one another, then samples side by side."""
    drawn = [row.entry for row in standing.rows if row.entry.pictures]
    if not drawn:
        return ""
    name, nouns = _text(standing.ground.dataset), standing.ground.nouns
    originals = _image(drawn[0].pictures["originals"], f"{nouns.capitalize()} of {name}")
    strips = [f"<span>originals</span>{originals}"]
    for one in drawn:
        what = f"The same {nouns} of {name} after encoding and decoding by {_text(one.model)}"
        image = _image(one.pictures["reconstructions"], what)
        strips.append(f"<span>{_text(one.model)}</span>{image}")
    parts = [
        f"<h3>The same {nouns}, reconstructed</h3>",
        f'<div class="strips">{"".join(strips)}</div>',
    ]
    if samples := [one for one in drawn if "samples" in one.pictures]:
        grids = [
            f"<figure>{_image(one.pictures['samples'], f'samples of {_text(one.model)}')}"
            f"<figcaption>{_text(one.model)}</figcaption></figure>"
            for one in samples
        ]
        parts.append(f"<h3>Samples: expected {nouns} of codes drawn from the prior, seed 0</h3>")
        parts.append(f'<div class="grids">{"".join(grids)}</div>')
    return "\n".join(parts)


def _image(png: bytes, what: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{what}">'


def _models(entries: Sequence[Entry]) -> str:
    lines = []
    for one in {one.model: one for one in entries}.values():
        own = one.measured.own.items() if one.measured else ()
        said = ", ".join(
            f"{name} {number(value.value)} {value.unit}".strip() for name, value in own
        )
        why = "" if one.measured else f"not measured: {one.missing or one.error}"
        lines.append(
            f'<tr><th scope="row">{_text(one.model)}</th><td class="text">{_text(one.family)}</td>'
            f"<td>{one.parameters:,}</td><td><code>{one.weights_sha256[:12]}</code></td>"
            f'<td class="text">{_text(said or why)}</td></tr>'
        )
    heads = (
        '<th scope="col" class="text">model</th><th scope="col" class="text">family</th>'
        '<th scope="col">parameters</th><th scope="col">sha256</th>'
        '<th scope="col" class="text">notes</th>'
    )
    return (
        '<section aria-labelledby="models"><h2 id="models">The models</h2>'
        '<div class="wide" role="region" tabindex="0" aria-label="The models"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div></section>"
    )


def _list(facts: Mapping[str, object]) -> str:
    pairs = "".join(f"<dt>{_text(k)}</dt><dd>{_text(v)}</dd>" for k, v in facts.items())
    return f"<dl>{pairs}</dl>"


def _text(value: object) -> str:
    """Untrusted text, without markup or control characters that would act."""
    return html.escape(printable(str(value)))
