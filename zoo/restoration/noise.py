"""The noise of an image, estimated from itself."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

DETAIL = tuple(
    n / (4 * math.sqrt(2))
    for n in (1 - math.sqrt(3), math.sqrt(3) - 3, 3 + math.sqrt(3), -1 - math.sqrt(3))
)
"""The high-pass filter of the wavelet of Daubechies with two vanishing moments."""
MEDIAN = 0.6744897501960817
"""Median of |x| for a standard normal x."""
LEAST_SIDE = 16
"""Pixels of an image's shorter side from which noise is estimated."""


def estimate_sigma(x: Tensor) -> Tensor:
    """Standard deviation of the Gaussian noise of images `(N, C, H, W)`: `(N,)` float64.

    The median absolute diagonal detail coefficient of a wavelet, over 0.6745, averaged over the channels
    (Donoho & Johnstone 1994). Coefficients that are 0, as of clipped or flat areas, are left out. Fine
    texture counts as noise, so that it is an upper estimate for clean images.

    NaN for images of less than 16 pixels a side.
    """
    if min(x.shape[-2:]) < LEAST_SIDE:
        return torch.full((len(x),), math.nan, dtype=torch.float64)
    row = torch.tensor(DETAIL, device=x.device)
    kernel = (row[:, None] * row)[None, None]
    found = [_of_plane(plane, kernel) for plane in x.float().flatten(0, 1).split(1)]
    return torch.tensor(found, dtype=torch.float64).view(x.shape[:2]).mean(1)


def _of_plane(plane: Tensor, kernel: Tensor) -> float:
    """Sigma of one channel of one image, `(1, H, W)`."""
    details = F.conv2d(plane, kernel, stride=2).abs()
    details = details[details > 1e-6]
    return details.median().item() / MEDIAN if len(details) else 0.0
