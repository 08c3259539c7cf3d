"""`complexity`: the bound less the size of a lossless file."""

from __future__ import annotations

import io
import math
from typing import Literal

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from zoo.detection.scores.base import Learned, Score
from zoo.detection.scores.likelihood import elbo_terms
from zoo.models import Autoencoder


class Complexity(Score):
    """Negative ELBO less the size of the image as a PNG file, in nats (Serra et al. 2020).

    Images of little detail have a high likelihood under any model; a PNG file's size measures detail.
    """

    kind: Literal["complexity"] = "complexity"
    samples: int = Field(default=16, ge=1, le=10_000, description="posterior samples per example")
    needs = ("posterior", "prior", "likelihood")
    domains = ("image",)
    paper = (
        "Serra et al., Input Complexity and Out-of-distribution Detection with Likelihood-based "
        "Generative Models, ICLR 2020, arXiv:1909.11480"
    )

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        return elbo_terms(model, x, self.samples).sum(0) - png_nats(x)


def png_nats(x: Tensor) -> Tensor:
    """Size in nats of images `(N, C, H, W)` in [0, 1] as PNG files, `(N,)` float64: 8 ln 2 per byte.

    Images of other than one or three channels count as several gray ones.
    """
    levels = (x * 255).round().to(torch.uint8).cpu()
    if x.shape[1] not in (1, 3):
        return torch.stack([png_nats(x[:, i : i + 1]) for i in range(x.shape[1])]).sum(0)
    sizes = [_png_bytes(one) for one in levels.permute(0, 2, 3, 1).numpy()]
    return torch.tensor(sizes, dtype=torch.float64) * (8 * math.log(2))


def _png_bytes(image) -> int:
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(
        file, "PNG", optimize=True
    )
    return file.tell()
