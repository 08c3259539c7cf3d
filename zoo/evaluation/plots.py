"""Rows as bars and series as lines: panels drawn by Pillow, as PNG bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Color = tuple[int, int, int]
Style = Literal["lines", "bars", "marks"]

COLORS: tuple[Color, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
)
"""Told apart by color-blind readers too (Okabe & Ito)."""
INK: Color = (70, 70, 70)
GRID: Color = (225, 225, 225)
WIDTH = 720
"""Of a picture, in pixels."""
LEFT, GAP, LINE = 34, 10, 15
"""Pixels: tick labels at the left, between panels, a line of text."""
WIDEST = 110.0
"""Of a column's bars."""
FINE = 3
"""Lines are drawn this many times larger, then reduced: they get smooth edges."""


@dataclass(frozen=True)
class Curve:
    """The values of a row, or of one channel of a series, `(n,)`."""

    values: Tensor
    color: Color
    width: float = 1.3
    """Of a line, in pixels."""


@dataclass(frozen=True)
class Panel:
    """Some curves over the same axis. Their order is the order of drawing, and of bars side by side."""

    title: str
    curves: Sequence[Curve]


@dataclass(frozen=True)
class Box:
    """Where a panel's curves are, in pixels, and the values at its lower and upper edge."""

    x: float
    y: float
    width: float
    height: float
    low: float
    high: float

    def at(self, value: float) -> float:
        """The y of a value."""
        return self.y + self.height * (self.high - value) / (self.high - self.low)


def pale(color: Color) -> Color:
    """The same hue, for what lies behind."""
    red, green, blue = (round(255 - 0.4 * (255 - part)) for part in color)
    return red, green, blue


def between(share: float) -> Color:
    """From blue at 0 over gray to red at 1."""
    first, last = (
        ((0, 90, 200), (170, 170, 170)) if share < 0.5 else ((170, 170, 170), (205, 40, 30))
    )
    part = share * 2 % 1 if share < 1 else 1.0
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, last, strict=True))
    return red, green, blue


def draw_panels(
    panels: Sequence[Panel],
    style: Style,
    *,
    columns: int,
    height: int,
    legend: Sequence[tuple[str, Color]],
    note: str,
) -> bytes:
    """A PNG of panels that share one vertical axis.

    Args:
        panels: row by row.
        style: lines over steps, bars over columns side by side, or a mark for each value.
        columns: panels in a row.
        height: of a panel, in pixels.
        legend: what the colors mean.
        note: the last line: what the axes are.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(11)
    rows = -(-len(panels) // columns)
    low, high, ticks = _axis(panels, has_zero=style != "lines")
    lines = _legend_lines(legend, font)
    top = LINE * len(lines) + 6
    title = LINE * any(panel.title for panel in panels)
    size = WIDTH, round(top + rows * (title + height + GAP) + LINE + 4)
    width = (WIDTH - LEFT - GAP * columns) / columns
    boxes = [
        Box(
            LEFT + n % columns * (width + GAP),
            top + n // columns * (title + height + GAP) + title,
            width,
            height,
            low,
            high,
        )
        for n in range(len(panels))
    ]
    fine = Image.new("RGB", (size[0] * FINE, size[1] * FINE), "white")
    drawing = ImageDraw.Draw(fine)
    for panel, box in zip(panels, boxes, strict=True):
        _frame(drawing, box, ticks)
        _DRAW[style](drawing, box, panel.curves)
    picture = fine.resize(size, Image.Resampling.BOX)
    text = ImageDraw.Draw(picture)
    for row, entries in enumerate(lines):
        for x, words, color in entries:
            text.rectangle((x, row * LINE + 6, x + 9, row * LINE + 13), fill=color)
            text.text((x + 13, row * LINE + 3), words, fill=INK, font=font)
    for number, (panel, box) in enumerate(zip(panels, boxes, strict=True)):
        text.text((box.x, box.y - 2), panel.title, fill=INK, font=font, anchor="ls")
        for tick in ticks if number % columns == 0 else ():
            text.text((box.x - 4, box.at(tick)), f"{tick:g}", fill=INK, font=font, anchor="rm")
    text.text((LEFT, size[1] - 5), note, fill=INK, font=font, anchor="ls")
    buffer = io.BytesIO()
    picture.quantize(128).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _axis(panels: Sequence[Panel], has_zero: bool) -> tuple[float, float, list[float]]:
    """The lowest and highest value with some room, and the ticks: 2 to 5 round numbers between."""
    low = min(float(curve.values.min()) for panel in panels for curve in panel.curves)
    high = max(float(curve.values.max()) for panel in panels for curve in panel.curves)
    if has_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = 0.05 * (high - low) or 1.0
    low, high = low - room, high + room
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= rough)
    ticks = range(math.ceil(low / step), math.floor(high / step) + 1)
    return low, high, [tick * step for tick in ticks]


def _legend_lines(
    legend: Sequence[tuple[str, Color]], font: FreeTypeFont | ImageFont
) -> list[list[tuple[float, str, Color]]]:
    """Entries with their x, in as many lines as they need."""
    lines: list[list[tuple[float, str, Color]]] = [[]]
    x = float(LEFT)
    for words, color in legend:
        wide = 13 + font.getlength(words) + 16
        if x + wide > WIDTH and lines[-1]:
            lines.append([])
            x = float(LEFT)
        lines[-1].append((x, words, color))
        x += wide
    return lines


def _frame(drawing: ImageDraw, box: Box, ticks: Sequence[float]) -> None:
    """A line at each tick, that at 0 darker."""
    for tick in ticks:
        y, color = box.at(tick) * FINE, (150, 150, 150) if tick == 0 else GRID
        drawing.line((box.x * FINE, y, (box.x + box.width) * FINE, y), fill=color, width=FINE)


def _lines(drawing: ImageDraw, box: Box, curves: Sequence[Curve]) -> None:
    for curve in curves:
        values = curve.values.tolist()
        step = box.width / max(1, len(values) - 1)
        points = [((box.x + n * step) * FINE, box.at(v) * FINE) for n, v in enumerate(values)]
        if len(points) == 1:
            points.append(((box.x + box.width) * FINE, points[0][1]))
        drawing.line(points, fill=curve.color, width=round(curve.width * FINE), joint="curve")


def _bars(drawing: ImageDraw, box: Box, curves: Sequence[Curve]) -> None:
    """For each column as many bars as there are curves, side by side."""
    columns = len(curves[0].values)
    wide = min(box.width / columns, WIDEST)
    bar = wide * 0.8 / len(curves)
    for number, curve in enumerate(curves):
        for column, value in enumerate(curve.values.tolist()):
            x = box.x + column * wide + 0.1 * wide + number * bar
            y = sorted((box.at(value), box.at(0)))
            drawing.rectangle(
                (x * FINE, y[0] * FINE, (x + bar) * FINE - 1, y[1] * FINE), fill=curve.color
            )


def _marks(drawing: ImageDraw, box: Box, curves: Sequence[Curve]) -> None:
    """For each column a short line at each curve's value."""
    columns = len(curves[0].values)
    wide = min(box.width / columns, WIDEST)
    for curve in curves:
        for column, value in enumerate(curve.values.tolist()):
            x, y = (box.x + (column + 0.1) * wide) * FINE, box.at(value) * FINE
            drawing.rectangle((x, y - FINE, x + 0.8 * wide * FINE, y + FINE), fill=curve.color)


_DRAW = {"lines": _lines, "bars": _bars, "marks": _marks}
