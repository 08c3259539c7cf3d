"""Examples that are rows or series: bars by column and lines over steps, as PNG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from zoo.evaluation.plots import COLORS, INK, Color, Curve, Panel, between, draw_panels, pale
from zoo.specs.domains import Domain

MOST_COLUMNS, MOST_STEPS, MOST_CHANNELS = 64, 512, 3
"""Of an example that are drawn: the first ones."""
MOST_NAMES = 12
"""Columns whose names are listed."""
ORIGINAL: Color = (165, 165, 165)


@dataclass(frozen=True)
class Plot:
    """Draws standardized rows `(N, D)` or series `(N, C, L)`."""

    domain: Domain
    samples = 16
    pairs = 8

    def draw_pairs(
        self,
        x: Tensor,
        y: Tensor,
        per_row: int = 2,
        titles: Sequence[str] = (),
        names: Sequence[str] = (),
    ) -> bytes:
        """For each example the original, and over or beside it the reconstruction.

        `titles` are of the examples, which are numbered otherwise, and `names` of a row's columns.
        """
        if self.is_row:
            legend = [("original", ORIGINAL), ("reconstruction", COLORS[0])]
            per_row = 1 if x.shape[-1] > 24 else per_row
        else:
            color = INK if self._channels else COLORS[0]
            legend = [("original: wide, pale", pale(color)), ("reconstruction: thin", color)]
            legend += self._channels
        panels = [
            Panel(
                titles[n] if titles else f"example {n}", [*self._curves(a, True), *self._curves(b)]
            )
            for n, (a, b) in enumerate(zip(x, y, strict=True))
        ]
        return self._draw(panels, legend, per_row, 90, names=names)

    def draw_each(self, x: Tensor, per_row: int) -> bytes:
        """Examples, `per_row` in a row."""
        panels = [Panel("", self._curves(one)) for one in x]
        return self._draw(panels, self._channels, min(per_row, 4), 70)

    def draw_traversals(self, x: Tensor, latents: Sequence[int]) -> bytes:
        """A row for each latent: its examples `(latents, steps, *shape)`, by color from low to high."""
        steps = x.shape[1]
        colors = [between(n / max(1, steps - 1)) for n in range(steps)]
        legend = [("-3 standard deviations", colors[0]), ("the example", colors[steps // 2])]
        legend.append(("+3 standard deviations", colors[-1]))
        panels = []
        for latent, moved in zip(latents, x, strict=True):
            for channel in range(max(1, len(self._channels))):
                title = f"latent {latent}"
                if self._channels:
                    title += f", channel {channel}"
                values = (self._shown(one if self.is_row else one[channel]) for one in moved)
                panels.append(
                    Panel(title, [Curve(v, c) for v, c in zip(values, colors, strict=True)])
                )
        return self._draw(panels, legend, len(panels) // len(latents), 80, is_moved=True)

    @property
    def is_row(self) -> bool:
        return self.domain.kind == "vector"

    @property
    def _channels(self) -> list[tuple[str, Color]]:
        """Channels by color; none for rows and where there is one."""
        if self.is_row or self.domain.shape[0] == 1:
            return []
        count = min(MOST_CHANNELS, self.domain.shape[0])
        return [(f"channel {channel}", COLORS[channel]) for channel in range(count)]

    def _curves(self, one: Tensor, is_original: bool = False) -> list[Curve]:
        """Of an example `(D,)` or `(C, L)`, a curve or one for each channel."""
        if self.is_row:
            return [Curve(self._shown(one), ORIGINAL if is_original else COLORS[0])]
        return [
            Curve(self._shown(values), pale(color), 3.5)
            if is_original
            else Curve(self._shown(values), color)
            for values, color in zip(one[:MOST_CHANNELS], COLORS, strict=False)
        ]

    def _shown(self, values: Tensor) -> Tensor:
        return values[: MOST_COLUMNS if self.is_row else MOST_STEPS]

    def _draw(
        self,
        panels: Sequence[Panel],
        legend: Sequence[tuple[str, Color]],
        columns: int,
        height: int,
        is_moved: bool = False,
        names: Sequence[str] = (),
    ) -> bytes:
        style = "lines" if not self.is_row else "marks" if is_moved else "bars"
        return draw_panels(
            panels, style, columns=columns, height=height, legend=legend, note=self._axes(names)
        )

    def _axes(self, names: Sequence[str] = ()) -> str:
        """What is drawn, along and up."""
        unit = "in standard deviations from the mean of each"
        if self.is_row:
            if 0 < len(names) <= MOST_NAMES:
                return f"{', '.join(names)}; real columns {unit}"
            return f"{_first(MOST_COLUMNS, self.domain.size, 'columns')}, {unit} column"
        channels, steps = self.domain.shape
        told = _first(MOST_STEPS, steps, "steps")
        if channels > MOST_CHANNELS:
            told += f" of {_first(MOST_CHANNELS, channels, 'channels')}"
        return f"{told}, {unit} channel"


def _first(most: int, count: int, what: str) -> str:
    """Such as `6 columns`, `the first 64 of 200 columns`."""
    if count > most:
        return f"the first {most} of {count:,} {what}"
    return f"{count} {what}" if count > 1 else f"{count} {what[:-1]}"
