"""Pictures of anomalies: the examples, their reconstructions, and where they are anomalous."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from zoo.evaluation.curves import Plot
from zoo.evaluation.figures import on_cpu, reconstructed, standardized
from zoo.evaluation.grids import draw_grid
from zoo.models import Autoencoder

PER_ROW = 8


def draw_anomalies(
    model: Autoencoder,
    values: Tensor,
    maps: np.ndarray | None = None,
    keys: Sequence[str] = (),
    names: Sequence[str] = (),
) -> bytes:
    """A PNG of examples `(N, *input_shape)` as data has them, the most anomalous first.

    Images: rows of originals, their reconstructions, and maps if given, each scaled to its maximum.
    Rows and series: each with its reconstruction, titled with its key; `names` are of a table's columns.
    """
    x = standardized(model, values)
    x_hat = reconstructed(model, x)
    domain = model.spec.domain
    if not domain.is_image:
        titles = [f"{domain.noun} {key}" for key in keys]
        return Plot(domain).draw_pairs(on_cpu(x), x_hat, titles=titles, names=names)
    rows = [on_cpu(x), x_hat]
    if maps is not None:
        heat = torch.from_numpy(maps).mean(1, keepdim=True)
        low, high = heat.amin((1, 2, 3), keepdim=True), heat.amax((1, 2, 3), keepdim=True)
        rows.append(((heat - low) / (high - low).clamp(min=1e-12)).expand_as(rows[0]))
    parts = zip(*(row.split(PER_ROW) for row in rows), strict=True)
    blank = torch.ones_like(rows[0][:1])
    filled = [
        torch.cat([part, blank.expand(min(PER_ROW, len(x)) - len(part), *part.shape[1:])])
        for group in parts
        for part in group
    ]
    return draw_grid(torch.cat(filled), min(PER_ROW, len(x)))
