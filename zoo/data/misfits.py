"""What is said of arrays that are not images of 8-bit levels, and what makes them so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

WANTED = "images are (N, C, H, W) or (N, H, W), uint8, 0 to 255."
ONE_IMAGE = (
    "an image is (C, H, W) or (H, W), uint8, 0 to 255, or Pillow's, alone or the first in a tuple "
    "or dict."
)
CHANNELS = 4
"""A last side of so few is of channels where the others are longer."""
SAMPLED = 2**20
"""Values that are looked at, evenly spread."""


def is_channels_last(shape: Sequence[int]) -> bool:
    """Whether a shape is `(..., H, W, C)`: its last side alone is short."""
    return len(shape) >= 3 and 0 < shape[-1] <= CHANNELS < min(shape[-3:-1])


def misfit(
    given: object, what: str, *, is_one: bool = False, shape: tuple[int, ...] | None = None
) -> str:
    """What an object is, what images are (or an image, if it should be one), and what makes them of it.

    Its `shape` is given where it is the beginning of what is not in memory.
    """
    wanted = ONE_IMAGE if is_one else WANTED
    if not isinstance(given, Tensor | np.ndarray):
        return f"{what} is {type(given).__name__}; {wanted}"
    shape, x = tuple(given.shape) if shape is None else shape, "x"
    found = f"{what} is {shape}, {str(given.dtype).removeprefix('torch.')}"
    if is_channels_last(shape):
        found += ", channels last"
        first = len(shape) - 3
        order = (*range(first), first + 2, first, first + 1)
        x = f"x.{'permute' if isinstance(given, Tensor) else 'transpose'}{order}"
        x += "[None]" if not first and not is_one else ""
    could_fit = len(shape) in ((2, 3) if is_one else (3, 4)) and min(shape) > 0
    return f"{found}; {wanted}{_advice(x, given) if could_fit else ''}"


def _advice(x: str, given: Tensor | np.ndarray) -> str:
    """The expression that makes 8-bit levels of them; nothing where there is none."""
    flat = given.reshape(-1)
    flat = flat[:: max(1, len(flat) // SAMPLED)]
    if isinstance(flat, Tensor):
        name, cast = str(given.dtype).removeprefix("torch."), ".to(torch.uint8)"
        flat = flat.detach().cpu()
    else:
        name, cast = flat.dtype.name, ".astype(np.uint8)"
    if name == "uint8":
        return "" if x == "x" else f" Try {x}."
    if name == "bool":
        return f" Try {x}{cast} * 255."
    if not name.startswith(("float", "bfloat", "int", "uint")):
        return ""
    values = (flat.double().numpy() if isinstance(flat, Tensor) else flat).astype(np.float64)
    low, high = float(values.min()) + 0, float(values.max()) + 0  # -0.0 becomes 0
    is_whole = "int" in name
    if 0 <= low <= high <= 1:
        makes = f"{x}{cast} * 255" if is_whole else f"({x} * 255).round(){cast}"
    elif -1 <= low <= high <= 1:
        makes = f"(({x} + 1) * 127.5).round(){cast}"
    elif low >= 0 and 127 < high <= 255:
        makes = f"{x}{cast}" if is_whole else f"{x}.round(){cast}"
    else:
        return f" Its values go from {low:g} to {high:g}: scale them to 0 to 255, then {cast}."
    return f" Its values go from {low:g} to {high:g}: try {makes}."
