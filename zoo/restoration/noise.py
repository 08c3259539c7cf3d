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
    row = torch.tensor(DETAIL, dtype=torch.float64, device=x.device)
    kernel = (row[:, None] * row)[None, None]
    details = F.conv2d(x.double().flatten(0, 1)[:, None], kernel, stride=2).flatten(1).abs()
    found = [_median(one[one > 1e-12]) / MEDIAN for one in details]
    return torch.stack(found).view(x.shape[:2]).mean(1).cpu()


def _median(values: Tensor) -> Tensor:
    return values.quantile(0.5) if 0 < len(values) < 2**24 else _large_median(values)


def _large_median(values: Tensor) -> Tensor:
    return values.median() if len(values) else values.new_zeros(())
