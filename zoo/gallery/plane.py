"""Rate against distortion of the models of a dataset, as SVG that follows light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

WIDTH, HEIGHT, LEFT, BOTTOM, MARGIN = 640, 400, 64, 48, 24
LETTER, LINE = 7.5, 15
"""About the width of a letter of the names and the height of their line, in pixels."""


class Point(NamedTuple):
    name: str
    rate: float
    """KL, in nats per example."""
    distortion: float
    """-log p(x | z), in nats per example."""


def plane(points: Sequence[Point], title: str, noun: str = "image") -> Markup:
    """An SVG figure of two models or more; less is better both ways. A `noun` is one example."""
    xs, ys = _around([p.rate for p in points]), _around([p.distortion for p in points])
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<path class="axis" d="M{LEFT} {MARGIN}V{HEIGHT - BOTTOM}H{WIDTH - MARGIN}"/>',
        _words((WIDTH + LEFT) / 2, HEIGHT - 8, f"rate: KL (nats per {noun})"),
        f'<g transform="rotate(-90)">{_words(-(HEIGHT - BOTTOM) / 2, 14, "distortion: -log p(x | z)")}</g>',
    ]
    for low, high, horizontal in ((*xs, True), (*ys, False)):
        for value in _ticks(low, high):
            parts.append(_tick(value, xs, ys, horizontal))
    places = sorted((_place(point, xs, ys)[::-1], point.name) for point in points)
    under = 0.0  # the last name's line: names side by side go below one another
    for (y, x), name in places:
        after = x + 8 + LETTER * len(name) < WIDTH
        under = max(y + 4, under + LINE)
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
        parts.append(_words(x + (8 if after else -8), under, name, "start" if after else "end"))
    return Markup("\n".join([*parts, "</svg>"]))  # its words are escaped


def _around(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.1 * (high - low) or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    return [low + part * (high - low) for part in (0.1, 0.5, 0.9)]


def _place(point: Point, xs: tuple[float, float], ys: tuple[float, float]) -> tuple[float, float]:
    x = LEFT + (point.rate - xs[0]) / (xs[1] - xs[0]) * (WIDTH - MARGIN - LEFT)
    y = HEIGHT - BOTTOM - (point.distortion - ys[0]) / (ys[1] - ys[0]) * (HEIGHT - BOTTOM - MARGIN)
    return x, y


def _tick(value: float, xs: tuple[float, float], ys: tuple[float, float], horizontal: bool) -> str:
    if horizontal:
        return _words(
            _place(Point("", value, ys[0]), xs, ys)[0], HEIGHT - BOTTOM + 18, f"{value:.1f}"
        )
    return _words(LEFT - 6, _place(Point("", xs[0], value), xs, ys)[1] + 4, f"{value:.1f}", "end")


def _words(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
