"""What is drawn of a standing: the plane of rate and distortion, and numbers with their standard errors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.bench.labels import name_points
from zoo.bench.ranks import Placed, Standing
from zoo.io.text import printable, with_error
from zoo.specs.domains import Domain
from zoo.specs.metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

INK, MUTED, FAINT, PAPER = "#1b2330", "#5d6878", "#d5dae2", "#fffffe"
"""Text, axes and notes, lines behind the data, what they stand on."""
ACCENT, OTHER = "#2563a8", "#8595ab"
"""Models of the first rank, and the others."""
WIDTH, DPI = 6.4, 160
"""Inches, and pixels per inch of a PNG."""
TITLES = {
    "nll": "-log p(x), importance-weighted bound",
    "neg_elbo": "-ELBO",
    "bce_plus_kl": "Gray cross-entropy + KL",
    "mse": "Squared error of reconstructions",
}


def plot_plane(figure: Figure, standing: Standing, rows: list[Placed]) -> None:
    """KL against reconstruction; along a line their sum is the same."""
    axes = figure.add_subplot()
    rates = [_value(row, "kl") for row in rows]
    distortions = [_value(row, "reconstruction") for row in rows]
    axes.set(xlim=_around(rates), ylim=_around(distortions))
    axes.set_xlabel(f"rate: KL (nats per {Domain(standing.ground.domain, ()).noun})")
    axes.set_ylabel(
        f"distortion: -log p(x | z) (nats per {Domain(standing.ground.domain, ()).noun})"
    )
    total = "cross-entropy + KL" if standing.ground.protocol == "gray" else "-ELBO"
    note = f"along a gray line {total} is the same{_about_color(standing)}"
    _head(axes, "Rate and distortion", standing, note)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=3, width=0.7)
    colors = [_color(row) for row in rows]
    axes.scatter(rates, distortions, s=30, c=colors, zorder=4, edgecolors=PAPER, linewidths=0.8)
    figure.draw_without_rendering()  # places are known from here on
    taken = _lines_of_equal_sum(axes)
    points = [
        (x, y, plain(row.entry.model), INK)
        for x, y, row in zip(rates, distortions, rows, strict=True)
    ]
    name_points(axes, points, taken, leader=MUTED, halo=PAPER, fontsize=8.5)


def _value(row: Placed, name: str) -> float:
    value = row.measured.value_of(name)
    assert value is not None
    return value


def _around(values: list[float]) -> tuple[float, float]:
    """Limits with room for names."""
    low, high = min(values), max(values)
    room = max(0.22 * (high - low), 0.02 * max(map(abs, values)), 0.5)
    return low - room, high + room


def _lines_of_equal_sum(axes: Axes) -> list[Bbox]:
    """Round sums of rate and distortion, each written at its line's upper end; where these are."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    step = _round_step((right + top - left - bottom) / 10)
    (x0, y0), (x1, y1) = axes.transData.transform([(0, 0), (1, -1)])
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    frame, written = axes.get_window_extent(), []
    first, last = math.ceil((left + bottom) / step), math.floor((right + top) / step)
    for total in (n * step for n in range(first, last + 1)):
        axes.plot(
            (left, right), (total - left, total - right), color=FAINT, linewidth=0.8, zorder=1
        )
        x = max(left, total - top) + 0.03 * (right - left)
        text = axes.text(
            *(x, total - x, f"{total:g}".replace("-", "\N{MINUS SIGN}")),
            color=MUTED,
            fontsize=7,
            rotation=angle,
            rotation_mode="anchor",
            va="bottom",
            zorder=2,
        )
        box = text.get_window_extent()
        if frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1:
            written.append(box)
        else:
            text.remove()
    axes.set(xlim=(left, right), ylim=(bottom, top))
    return written


def _round_step(about: float) -> float:
    """1, 2 or 5 times a power of ten, at least so much."""
    power = 10.0 ** math.floor(math.log10(about))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= about * 0.999)


def plot_intervals(figure: Figure, standing: Standing, name: str, rows: list[Placed]) -> None:
    """Bars from zero for what has a natural zero, dots for nats; both with the standard error."""
    axes = figure.add_subplot()
    values = [_value(row, name) for row in rows]
    errors = [row.measured.error_of(name) or 0.0 for row in rows]
    places = range(len(rows))
    unit = METRICS[name].unit_of(standing.ground.domain)
    from_zero = name == "mse"
    colors = [_color(row) if name == standing.main else OTHER for row in rows]
    if from_zero:
        axes.barh(places, values, height=0.58, color=colors, zorder=2)
        axes.set_xlim(0, 1.38 * max(values))
    else:
        low, high = min(v - e for v, e in zip(values, errors, strict=True)), max(values)
        room = max(high - low, 4 * max(errors), 1e-9)
        axes.set_xlim(low - 0.06 * room, high + 0.42 * room)
        axes.grid(axis="x", color=FAINT, linewidth=0.7, zorder=0)
        axes.hlines(places, *axes.get_xlim(), color=FAINT, linewidth=0.6, linestyle=(0, (1, 3)))
        axes.scatter(values, places, s=24, c=colors, zorder=4)
    axes.errorbar(
        values, places, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.1, capsize=2.6, zorder=5
    )
    for place, row, value, error in zip(places, rows, values, errors, strict=True):
        several = name == "nll" and len(standing.nll_examples) > 1
        said = with_error(value, error)
        said += f" ({row.measured.nll_n_examples:,})" if several else ""
        axes.annotate(
            said,
            (value + error, place),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            zorder=6,
        )
    axes.set_yticks(list(places), [_tick(standing, name, row) for row in rows])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.tick_params(axis="x", length=3, width=0.7)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    zero = "" if from_zero else "; the axis does not begin at 0"
    per = f" per {standing.ground.noun}" if unit == "nats" else ""
    axes.set_xlabel(f"{name} ({unit}{per}){zero}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    note = _behind(standing, name) + (_about_color(standing) if name == standing.main else "")
    _head(axes, TITLES[name], standing, note)


def _behind(standing: Standing, name: str) -> str:
    bound = f"{standing.nll_note.removeprefix('nll: ')}; " if name == "nll" else ""
    return f"{bound}± one standard error"


def _tick(standing: Standing, name: str, row: Placed) -> str:
    """A model's name, with its rank where the plot is of what ranks it."""
    if name == standing.main and standing.is_ranked and row.rank is not None:
        return f"{row.rank}.  {plain(row.entry.model)}"
    return plain(row.entry.model)


def _about_color(standing: Standing) -> str:
    ranks = {row.rank for row in standing.rows} - {None}
    return "; blue: first rank" if len(ranks) > 1 else ""


def _color(row: Placed) -> str:
    return ACCENT if row.rank == 1 else OTHER


def plain(text: str) -> str:
    """Untrusted text as it is drawn: no control characters, and no formulas between dollars."""
    return printable(text).replace("\n", " ").replace("$", r"\$")


def _head(axes: Axes, title: str, standing: Standing, note: str) -> None:
    axes.set_title(title, loc="left", pad=31, fontsize=10.5, fontweight="bold", color=INK)
    axes.annotate(
        f"{plain(str(standing.ground))}\n{note}",
        (0, 1),
        (0, 7),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7.5,
        color=MUTED,
        linespacing=1.35,
    )
