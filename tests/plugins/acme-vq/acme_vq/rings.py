"""The dataset `rings`: one ring an image, a little world with four numbers behind every picture."""

from __future__ import annotations

import numpy as np

SIZE = 16
"""Height and width of an image, in pixels."""

SPLITS = {"train": 2000, "validation": 250, "test": 250}


def rings(split: str) -> np.ndarray:
    """One split's images, the same bytes everywhere and every time.

    Args:
        split: `train` (2,000 images), `validation` (250) or `test` (250).

    Returns:
        `(N, 1, 16, 16)` uint8, white rings on black.

    Raises:
        ValueError: for another name.
    """
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}. Splits: {', '.join(SPLITS)}.")
    key = list(SPLITS).index(split)
    raw = np.random.Philox(key=key).random_raw((SPLITS[split], 4))  # (N, 4), stable for ever
    u = ((raw >> np.uint64(11)) * 2.0**-53)[:, :, None, None]  # (N, 4, 1, 1), uniform in [0, 1)
    thickness = 1 + 1.5 * u[:, 0]  # (N, 1, 1), in pixels
    radius = 2 + 4 * u[:, 1]  # (N, 1, 1), to the middle of the line
    outer = radius + thickness / 2  # (N, 1, 1), at most 7.25: every ring fits
    x = outer + (SIZE - 2 * outer) * u[:, 2]  # (N, 1, 1), the ring's center
    y = outer + (SIZE - 2 * outer) * u[:, 3]  # (N, 1, 1)
    places = np.arange(SIZE) + 0.5  # (16,), the pixels' centers
    across, down = places[None, None, :] - x, places[None, :, None] - y  # (N, 1, 16), (N, 16, 1)
    off_the_line = np.abs(np.sqrt(across**2 + down**2) - radius)  # (N, 16, 16), in pixels
    covered = np.clip(thickness / 2 + 0.5 - off_the_line, 0, 1)  # (N, 16, 16), of each pixel
    return np.rint(255 * covered).astype(np.uint8)[:, None]  # (N, 1, 16, 16)
