"""Error messages for invalid inputs and codes: what was passed, and what to write instead."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.likelihoods.fitting import accepts_missing, likelihood_of
from zoo.runtime.devices import FLOATS
from zoo.specs.base import Spec

OVERSHOOT = 0.1
"""How far rounding or a bicubic resize may move values outside [0, 1]."""


def invalid_inputs(x: Any, method: str, spec: Spec) -> str:
    """Why `x` is not a valid input, and what to write instead."""
    return (_invalid_images if spec.domain.is_image else _invalid_reals)(x, method, spec)


def _invalid_reals(x: Any, method: str, spec: Spec) -> str:
    sides = ", ".join(map(str, spec.input_shape))
    or_missing = " or NaN, which is missing" if accepts_missing(spec) else ""
    wanted = f"{method} takes (N, {sides}), float32 or float64, finite{or_missing}"
    if not isinstance(x, torch.Tensor):
        hint = " Try torch.as_tensor(x)." if hasattr(x, "__array__") or type(x) is list else ""
        return f"{wanted}; got {type(x).__name__}.{hint}"
    got = f"{wanted}; got {_described(x)}"
    if tuple(x.shape[1:]) == spec.input_shape:
        if x.dtype not in FLOATS:
            return f"{got}. Try x.double()."
        return f"{got}: {_invalid_value(x, spec)}."
    if tuple(x.shape) == spec.input_shape:
        return f"{got}. Try x[None]."
    if x.dim() == 2 and x.shape[1] == spec.input_size:
        return f"{got}. Try x.view(-1, {sides})."
    return f"{got}."


def _invalid_value(x: Tensor, spec: Spec) -> str:
    """The first value of rows or series that is not valid, and what to do."""
    likelihood = likelihood_of(spec)
    wrong = (torch.isinf(x) if accepts_missing(spec) else ~torch.isfinite(x)).nonzero()
    outside = likelihood.invalid(x, spec.input_shape) if likelihood and not len(wrong) else None
    place = outside[0] if outside else tuple(wrong[0].tolist())
    found = f"x[{', '.join(map(str, place))}] is {x[place].item():.9g}"
    if outside:
        return f"{found}, and {outside[1]}"
    advice = f"Drop such {spec.domain.nouns}, or impute values"
    if likelihood and not torch.isinf(x[place]) and "missing" in type(likelihood).model_fields:
        advice += ', or set likelihood.missing = "marginal"'
    return f"{found}. {advice}"


def _invalid_images(x: Any, method: str, spec: Spec) -> str:
    shape, where = spec.input_shape, ""
    sides = ", ".join(map(str, shape))
    if spec.stride:
        sides, where = f"{shape[0]}, H, W", f", H and W multiples of {spec.stride}"
    wanted = f"{method} takes (N, {sides}), float in [0, 1]{where}"
    if not isinstance(x, torch.Tensor):
        return f"{wanted}; got {type(x).__name__}.{_as_tensor(x, spec)}"
    got = f"{wanted}; got {_described(x)}"
    fits = x.dim() == 4 and spec.takes(tuple(x.shape[1:]))
    if fits and x.dtype in FLOATS:
        low, high = float(x.min()), float(x.max())
        return f"{got}, with values from {low:.9g} to {high:.9g}.{_in_range(x, low, high)}"
    return f"{got}.{_conversion(x, spec)}"


def invalid_codes(z: Any, spec: Spec) -> str:
    """Why `z` is not a valid code, and what to write instead."""
    shape = spec.latent_shape
    sides = f"{shape[0]}, h, w" if spec.stride else ", ".join(map(str, shape))
    wanted = f"decode takes (..., {sides}), float"
    if not isinstance(z, torch.Tensor):
        hint = " Try torch.as_tensor(z)." if hasattr(z, "__array__") or type(z) is list else ""
        return f"{wanted}; got {type(z).__name__}.{hint}"
    got = f"{wanted}; got {_described(z)}"
    if z.dim() < len(shape) or not spec.has_codes(tuple(z.shape[-len(shape) :])):
        return f"{got}."
    if z.dtype in FLOATS:
        return f"{got}, with non-finite values."
    return f"{got}. Try z.float()."


def _in_range(x: Tensor, low: float, high: float) -> str:
    """How to map floating-point values of another range to [0, 1]."""
    if not math.isfinite(low + high):
        return ""
    if low >= -OVERSHOOT and high <= 1 + OVERSHOOT:
        return " Try x.clamp(0, 1)."
    if low < 0:
        if low >= -1 - OVERSHOOT and high <= 1 + OVERSHOOT:
            return " For a range of [-1, 1], try (x + 1) / 2."
        return (
            " If they were standardized, undo it: x * std + mean."
            if low > -10 and high < 10
            else ""
        )
    if 8 < high <= 16:
        return " For levels from 0 to 16, try x / 16."
    if 16 < high <= 255:
        return " Try x / 255."
    if 255 < high <= 65535:
        return " For 16-bit levels, try x / 65535."
    return " Divide by the largest possible value."


def _conversion(x: Tensor, spec: Spec, name: str = "x") -> str:
    """An expression that fixes shape or dtype, as ` Try ...`; empty if none is known."""
    found, shape = tuple(x.shape), spec.input_shape
    scale = _scale(x)
    for way, arranged in (
        ("", found[1:] if len(found) == 4 else ()),
        ("[None]", found),
        ("[None, None]", (1, *found)),
        ("[:, None]", (1, *found[1:])),
        (".permute(0, 3, 1, 2)", found[3:] + found[1:3] if len(found) == 4 else ()),
        (".permute(2, 0, 1)[None]", found[2:] + found[:2] if len(found) == 3 else ()),
        (
            f".view(-1, {', '.join(map(str, shape))})",
            shape if found[1:] == (math.prod(shape),) else (),
        ),
    ):
        if arranged and spec.takes(arranged):
            return f" Try {name}{way}{scale}." if way or scale else ""
    if len(found) != 4:
        return ""
    if {found[1], shape[0]} == {1, 3} and spec.takes((shape[0], *found[2:])):
        way = ".mean(1, keepdim=True)" if shape[0] == 1 else ".expand(-1, 3, -1, -1)"
        return f" Try {name}{scale}{way}." if " " not in scale else f" Try ({name}{scale}){way}."
    if found[1] == shape[0] and not spec.stride:
        size = f"size={tuple(shape[1:])}, mode='bilinear', antialias=True"
        return f" Try torch.nn.functional.interpolate({name}{scale}, {size})."
    return ""


def _scale(x: Tensor) -> str:
    """The expression that converts levels, or another dtype, to floats in [0, 1]."""
    if x.dtype in FLOATS:
        return ""
    if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
        return ".float()"
    high = int(x.long().max()) if x.numel() else 0
    if high == 1:
        return ".float()"
    return " / 16" if 8 < high <= 16 else " / 65535" if high > 255 else " / 255"


def _as_tensor(x: Any, spec: Spec) -> str:
    """An expression that converts a non-tensor; empty if none is known."""
    gray = spec.input_shape[0] == 1
    convert = f'convert("{"L" if gray else "RGB"}")'
    if isinstance(x, str | Path):
        opened = f"torchvision.transforms.functional.to_tensor(PIL.Image.open(x).{convert})[None]"
        return f" To read a file: {opened}, resized to fit; `zoo encode` does both."
    if type(x).__module__.startswith("PIL."):
        return f" Try torchvision.transforms.functional.to_tensor(x.{convert})[None]."
    if isinstance(x, list | tuple) and x:
        if isinstance(x[0], torch.Tensor) and x[0].dim() == 4:  # a loader's images and labels
            return " Try x[0]."
        if isinstance(x[0], torch.Tensor):
            return " Try torch.stack(x)."
        if hasattr(x[0], "__array__"):
            return " Convert each image to a tensor (C, H, W), then torch.stack them."
    if not (hasattr(x, "__array__") or isinstance(x, list | tuple)):
        return ""
    try:
        tensor = torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError):
        return " Try torch.as_tensor(x)."
    return _conversion(tensor, spec, "torch.as_tensor(x)") or " Try torch.as_tensor(x)."


def _described(x: Tensor) -> str:
    return f"{tuple(x.shape)}, {str(x.dtype).removeprefix('torch.')}"
