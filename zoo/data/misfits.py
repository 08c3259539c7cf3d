"""Error messages for arrays that are not images, rows or series, with the conversion to use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

IMAGES = "images are (N, C, H, W) or (N, H, W), uint8, 0 to 255"
ONE_IMAGE = (
    "an image is (C, H, W) or (H, W), uint8, 0 to 255, or a Pillow image, alone or the first in a tuple "
    "or dict"
)
REAL = {
    1: ("rows are (N, D), float32 or float64", "a row is (D,), float32 or float64"),
    2: ("series are (N, C, L), float32 or float64", "a series is (C, L), float32 or float64"),
}
"""By rank: the expected form of several examples and of one."""
CHANNELS = 4
"""A last dimension up to this size is taken as channels if the two before it are larger."""
SAMPLED = 2**20
"""Number of evenly spaced values that are checked."""


def is_channels_last(shape: Sequence[int]) -> bool:
    """Whether a shape looks like `(..., H, W, C)`: only its last dimension is short."""
    return len(shape) >= 3 and 0 < shape[-1] <= CHANNELS < min(shape[-3:-1])


def misfit(
    given: object,
    what: str,
    *,
    is_one: bool = False,
    shape: tuple[int, ...] | None = None,
    wanted: tuple[int, ...] | None = None,
) -> str:
    """Error message with what was given, what is expected, and the expression that converts it.

    Args:
        given: the object, or the first values of an array that is not in memory.
        what: name of the object in the message.
        is_one: whether a single example is expected.
        shape: shape of the whole array, if `given` is only its beginning.
        wanted: the model's input shape, if known.
    """
    if not isinstance(given, Tensor | np.ndarray):
        return f"{what} is {type(given).__name__}; {_expected(wanted, is_one)}."
    shape = tuple(given.shape) if shape is None else shape
    name = str(given.dtype).removeprefix("torch.")
    found = f"{what} is {shape}, {name}"
    rank = len(shape) - (not is_one)
    is_float = given.dtype.kind == "f" if isinstance(given, np.ndarray) else name.find("float") >= 0
    means_series = len(wanted) < 3 if wanted else is_float
    if (rank == 1 and min(shape) > 0) or (rank == 2 and means_series and min(shape) > 0):
        return f"{found}; {REAL[rank][is_one]}.{_real_advice(given)}"
    if rank not in (2, 3):
        column = " One column is x[:, None]." if rank == 0 and is_float and not is_one else ""
        return f"{found}; {_expected(wanted, is_one)}.{column}"
    x = "x"
    if is_channels_last(shape):
        found += ", channels last"
        first = len(shape) - 3
        order = (*range(first), first + 2, first, first + 1)
        x = f"x.{'permute' if isinstance(given, Tensor) else 'transpose'}{order}"
        x += "[None]" if not first and not is_one else ""
    advice = _advice(x, given) if min(shape) > 0 else ""
    return f"{found}; {ONE_IMAGE if is_one else IMAGES}.{advice}"


def _expected(wanted: tuple[int, ...] | None, is_one: bool) -> str:
    """The expected forms: that of the model's rank, or all if it is unknown."""
    if wanted is None:
        return "; ".join(
            [ONE_IMAGE if is_one else IMAGES, *(forms[is_one] for forms in REAL.values())]
        )
    return REAL[len(wanted)][is_one] if len(wanted) in REAL else ONE_IMAGE if is_one else IMAGES


def _real_advice(given: Tensor | np.ndarray) -> str:
    """The expression that converts to float32 or float64, or "" if there is none."""
    name = (
        str(given.dtype).removeprefix("torch.") if isinstance(given, Tensor) else given.dtype.name
    )
    if isinstance(given, np.ndarray) and given.dtype.kind in "OUS":
        return " Encode categories as numbers (for example one-hot), then x.astype(np.float64)."
    if not name.startswith(("float", "bfloat", "int", "uint", "bool")):
        return ""
    exact = ("int64", "uint64", "int32", "uint32", "float64", "float128", "longdouble")
    real = "float64" if name in exact else "float32"
    return f" Try x.{f'to(torch.{real})' if isinstance(given, Tensor) else f'astype(np.{real})'}."


def _advice(x: str, given: Tensor | np.ndarray) -> str:
    """The expression that converts to 8-bit levels, or "" if there is none."""
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
        return f" Its values range from {low:g} to {high:g}: scale them to 0 to 255, then {cast}."
    return f" Its values range from {low:g} to {high:g}: try {makes}."
