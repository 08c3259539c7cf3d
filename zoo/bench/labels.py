"""Names beside points of a plot, none over another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

DISTANCES = (7, 13, 20, 28, 38, 50, 64, 80)
"""Points between a dot and its name, tried in this order."""
SIDES = (
    (1, 0, "left", "center"),
    (-1, 0, "right", "center"),
    (0, 1, "center", "bottom"),
    (0, -1, "center", "top"),
    (0.8, 0.8, "left", "bottom"),
    (0.8, -0.8, "left", "top"),
    (-0.8, 0.8, "right", "bottom"),
    (-0.8, -0.8, "right", "top"),
)
"""Where a name may stand: direction from its dot, and which part of the text is there."""
FAR = 13
"""From this distance on a thin line leads to the dot."""
CLEAR = 5.0
"""Points around a dot that stay free of names."""


def name_points(
    axes: Axes,
    points: Sequence[tuple[float, float, str, str]],
    taken: Sequence[Bbox] = (),
    *,
    leader: str,
    halo: str,
    **text: Any,
) -> None:
    """Writes each point's name beside it, within the axes, over no other name and no dot.

    Args:
        axes: whose limits and layout are final.
        points: x, y, name and color of each.
        taken: boxes that hold other text, in pixels.
        leader: color of the lines to far names.
        halo: color around the names, where they cross lines.
        **text: of the names, as `Axes.annotate` takes it.
    """
    from matplotlib.patheffects import withStroke

    text |= {"path_effects": [withStroke(linewidth=2.2, foreground=halo)]}
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.dpi / 72
    frame = axes.get_window_extent()
    dots = [axes.transData.transform((x, y)) for x, y, _, _ in points]
    boxes = list(taken)
    for (x, y, name, color), dot in zip(points, dots, strict=True):
        others = [place for place in dots if place is not dot]
        for distance, side in itertools.product(DISTANCES, SIDES):
            note = axes.annotate(
                name,
                (x, y),
                (distance * side[0], distance * side[1]),
                textcoords="offset points",
                ha=side[2],
                va=side[3],
                color=color,
                zorder=5,
                arrowprops=(
                    {"arrowstyle": "-", "color": leader, "linewidth": 0.6, "shrinkB": 3}
                    if distance >= FAR
                    else None
                ),
                **text,
            )
            note.set_in_layout(False)
            box = _box(note).padded(1.5 * scale)
            within = frame.x0 <= box.x0 and box.x1 <= frame.x1
            within = within and frame.y0 <= box.y0 and box.y1 <= frame.y1
            near = box.padded(CLEAR * scale)
            free = not any(map(box.overlaps, boxes)) and not near.count_contains(others)
            if within and free and not _passes(dot, box, others, CLEAR * scale):
                boxes.append(box)
                break
            note.remove()
        else:
            boxes.append(_at_any_rate(axes, x, y, name, color, text))


def _passes(dot: Any, box: Bbox, others: Sequence[Any], near: float) -> bool:
    """Whether a line from a dot to the middle of a box comes near another dot. All in pixels."""
    import numpy as np

    end = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
    for other in others:
        along = np.dot(other - dot, end - dot) / max(1e-9, np.dot(end - dot, end - dot))
        closest = dot + np.clip(along, 0, 1) * (end - dot)
        if np.linalg.norm(other - closest) < near:
            return True
    return False


def _at_any_rate(axes: Axes, x: float, y: float, name: str, color: str, text: Any) -> Bbox:
    """A name without a free place stands at its dot's right."""
    offset = (DISTANCES[0], 0)
    note = axes.annotate(
        name, (x, y), offset, textcoords="offset points", va="center", color=color, **text
    )
    note.set_in_layout(False)
    return _box(note)


def _box(note: Annotation) -> Bbox:
    """Where a text is, in pixels, without its leading line."""
    from matplotlib.text import Text

    note.get_window_extent()  # puts the text at its place
    return Text.get_window_extent(note)
