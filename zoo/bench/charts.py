"""Plots of models that share a ground: rate against distortion, and each number with its standard error."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.bench.plots import DPI, INK, MUTED, TITLES, WIDTH, plot_intervals, plot_plane
from zoo.bench.ranks import Placed, Standing
from zoo.errors import InputError
from zoo.io.text import number, with_error
from zoo.specs.metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INTERVALS = ("nll", "neg_elbo", "bce_plus_kl", "mse")
"""What is drawn with its standard error, where a standing has it."""


@dataclass(frozen=True)
class Chart:
    """A plot that can be drawn."""

    name: str
    """Of its file, without an ending."""
    title: str
    summary: str
    """What it shows, in words, for those who do not see it."""
    plot: Callable[[Figure], None]
    height: float
    """Inches."""

    def draw(self, kind: Literal["png", "svg"]) -> bytes:
        """The same bytes for the same numbers. Raises InputError where matplotlib is missing."""
        check_matplotlib()
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        settings = {
            "font.family": "DejaVu Sans",
            "font.size": 8.5,
            "text.usetex": False,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": MUTED,
            "axes.linewidth": 0.7,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "xtick.labelcolor": MUTED,
            "ytick.labelcolor": MUTED,
            "svg.hashsalt": self.name,
            "svg.fonttype": "path",
        }
        with rc_context(settings):  # pyright: ignore[reportArgumentType]  # a literal type of all keys
            figure = Figure((WIDTH, self.height), dpi=DPI, layout="constrained")
            FigureCanvasAgg(figure)
            self.plot(figure)
            buffer = io.BytesIO()
            if kind == "svg":
                none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
                figure.savefig(buffer, format="svg", metadata=none, transparent=True)
            else:
                figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def check_matplotlib() -> None:
    """Raises InputError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("Plots need matplotlib: pip install 'autoencoder-zoo[plots]'") from None


def charts_of(standing: Standing) -> list[Chart]:
    """Every plot that a standing has numbers for."""
    where = "-".join(filter(None, (standing.ground.dataset, standing.ground.protocol)))
    where = "".join(c if c.isalnum() or c in "-_." else "_" for c in where)
    charts = []
    plane = _rows_with(standing, "kl", "reconstruction") if standing.ground.protocol else []
    if plane:
        said = "; ".join(
            f"{row.entry.model}: rate {_text(row, 'kl')}, distortion {_text(row, 'reconstruction')}"
            for row in plane
        )
        title = "Rate and distortion"
        charts.append(
            Chart(
                f"{where}-rate-distortion",
                title,
                f"{title} in nats per {standing.ground.noun}. {said}.",
                lambda figure: plot_plane(figure, standing, plane),
                4.3,
            )
        )
    for name in INTERVALS:
        if name in standing.names:
            charts.append(_intervals_chart(standing, name, where))
    return charts


def _intervals_chart(standing: Standing, name: str, where: str) -> Chart:
    rows = sorted(_rows_with(standing, name), key=lambda row: row.measured.value_of(name) or 0.0)
    said = "; ".join(
        f"{row.entry.model}: {with_error(row.measured.value_of(name), row.measured.error_of(name))}"
        for row in rows
    )
    title = TITLES[name]
    return Chart(
        f"{where}-{name}",
        title,
        f"{title}, {METRICS[name].unit_of(standing.ground.domain)}, less is better. {said}.",
        lambda figure: plot_intervals(figure, standing, name, rows),
        1.15 + 0.3 * len(rows),
    )


def _rows_with(standing: Standing, *names: str) -> list[Placed]:
    return [
        row
        for row in standing.rows
        if all(row.measured.value_of(name) is not None for name in names)
    ]


def _text(row: Placed, name: str) -> str:
    return number(row.measured.value_of(name), row.measured.error_of(name))
