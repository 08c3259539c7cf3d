"""Pictures of a sweep: rate against distortion, and its metric against each setting."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.bench.plots import plain
from zoo.specs.metrics import METRICS
from zoo.sweeps.plan import Plan
from zoo.sweeps.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE, DPI = (6.4, 4.4), 120
"""Inches, and pixels per inch."""
MOST_COLORS = 8
"""Values of a setting that are told apart by color; others share one."""
LOG_FROM = 20
"""Positive settings stand on a logarithmic axis where the largest is so many times the least."""


def draw_plots(
    plan: Plan, table: Sequence[Row], folder: Path, say: Callable[[str], None]
) -> list[Path]:
    """Writes the plots of what has finished, as PNG; says which extra to install where there is none.

    Args:
        plan: the sweep.
        table: its rows.
        folder: where they go.
        say: called with a line if nothing can be drawn.
    """
    done = [row for row in table if row[plan.sweep.metric] is not None]
    if not done:
        return []
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        say("No plots: they need matplotlib: pip install 'autoencoder-zoo[plots]'")
        return []
    drawn = []

    def draw(name: str, what: Callable[..., None], *arguments: Any) -> None:
        with rc_context(
            {"text.usetex": False}
        ):  # labels are no TeX, whatever the user's own plots are
            figure = Figure(SIZE, layout="constrained")
            FigureCanvasAgg(figure)
            what(figure.add_subplot(), *arguments)
            folder.mkdir(exist_ok=True)
            drawn.append(folder / f"{name}.png")
            figure.savefig(drawn[-1], dpi=DPI)

    if all(row.get("kl") is not None for row in done):
        draw("rate-distortion", _rate_distortion, done, _coloring(plan.sweep.varied, done))
    for key in plan.sweep.varied:
        others = [name for name in plan.sweep.varied if name != key]
        file = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{plan.sweep.metric}-{key}")
        color = _coloring(others, done)
        draw(file, _against, done, plan.sweep.metric, key, color, plan.sweep.random is None)
    return drawn


def _coloring(keys: Sequence[str], done: Sequence[Row]) -> str | None:
    """The first of the settings that has a few values, which colors tell apart; or None."""
    counts = {key: len({_label(row[key]) for row in done}) for key in keys}
    return next((key for key, count in counts.items() if 1 < count <= MOST_COLORS), None)


def _rate_distortion(axes: Axes, done: Sequence[Row], color: str | None) -> None:
    for label, rows in _groups(done, color):
        dots = {"label": _named(label), "zorder": 3}
        axes.scatter(_of(rows, "kl"), _of(rows, "reconstruction"), **dots)
    axes.margins(0.12)
    axes.autoscale_view()
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    totals = (low + bottom, high + top)  # a line on which rate + distortion is the same
    for n in range(1, 8):
        total = totals[0] + (totals[1] - totals[0]) * n / 8
        axes.plot((low, high), (total - low, total - high), color="0.88", linewidth=0.8, zorder=1)
    axes.set(xlim=(low, high), ylim=(bottom, top))
    axes.set_xlabel("rate: KL (nats per image)")
    axes.set_ylabel("distortion: reconstruction (nats per image)")
    axes.set_title("Rate and distortion; along a gray line their sum is the same", fontsize=10)
    if color:
        _legend(axes, color)


def _against(
    axes: Axes, done: Sequence[Row], metric: str, key: str, color: str | None, is_grid: bool
) -> None:
    """The metric over one setting: a dot for each trial, and in a grid a line through the means."""
    places = _places([row[key] for row in done])
    for label, rows in _groups(done, color):
        xs = [places[_label(row[key])] for row in rows]
        dots = axes.scatter(xs, _of(rows, metric), s=22, label=_named(label), zorder=3)
        means = {
            x: [r[metric] for r, at in zip(rows, xs, strict=True) if at == x]
            for x in sorted(set(xs))
        }
        if is_grid:
            ys = [math.fsum(values) / len(values) for values in means.values()]
            axes.plot(list(means), ys, color=dots.get_facecolor()[0], linewidth=1.2, alpha=0.6)
    numbers = [row[key] for row in done]
    if not all(_is_number(value) for value in numbers):
        labels = [plain(label) for label in places]
        axes.set_xticks(list(places.values()), labels, rotation=20, ha="right")
    elif min(numbers) > 0 and max(numbers) >= LOG_FROM * min(numbers):
        axes.set_xscale("log")
    unit = METRICS[metric].unit
    axes.set_xlabel(plain(key))
    axes.set_ylabel(f"{metric} ({unit}), validation" if unit else f"{metric}, validation")
    axes.grid(color="0.92", zorder=0)
    if color:
        _legend(axes, color)


def _legend(axes: Axes, color: str) -> None:
    """Beside the axes, where it hides no dot."""
    place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False}
    axes.legend(title=plain(color), fontsize=8, title_fontsize=8, **place)


def _places(values: Sequence[Any]) -> dict[str, float]:
    """Where each value stands: numbers where they are, others side by side in their order."""
    if all(map(_is_number, values)):
        return {_label(value): value for value in values}
    return {label: float(n) for n, label in enumerate(dict.fromkeys(map(_label, values)))}


def _groups(done: Sequence[Row], color: str | None) -> list[tuple[str | None, list[Row]]]:
    """The rows of each value of a setting; all of them under None without one."""
    if color is None:
        return [(None, list(done))]
    labels = dict.fromkeys(_label(row[color]) for row in done)
    return [(label, [row for row in done if _label(row[color]) == label]) for label in labels]


def _of(rows: Sequence[Row], name: str) -> list[float]:
    return [row[name] for row in rows]


def _named(label: str | None) -> str | None:
    """A label of a legend, which leaves out what begins with an underscore."""
    return label and plain(f" {label}" if label.startswith("_") else label)


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
