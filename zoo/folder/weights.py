"""Weights <-> the bytes of model.safetensors: strict, finite, byte-reproducible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import safetensors.torch
import torch
from torch import Tensor

from zoo.errors import MismatchError, WeightsError
from zoo.models import Autoencoder
from zoo.models.contract import sharing
from zoo.models.standardization import FLOAT64

SLACK_BYTES = 16 * 2**20
"""Tolerance of the file's size from the Spec's, within which a mismatch is reported by tensor."""

HEADER_BYTES = 4096
"""Maximum bytes per tensor in the header of model.safetensors, including its name."""


def sizes_of(tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    """Minimum and maximum size in bytes of model.safetensors with such tensors."""
    least = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    return least, least + HEADER_BYTES * (len(tensors) + 1)


def assign(model: Autoencoder, tensors: dict[str, Tensor], *, widened: bool = False) -> None:
    """Assigns tensors to the model after checking that each is present, fits and is finite.

    With `widened`, floating-point tensors of any dtype are converted to the model's.
    Raises MismatchError, WeightsError.
    """
    expected = model.state_dict()
    if found := _differences(tensors, expected, widened):
        raise MismatchError(
            f"The tensors do not fit the Spec: {found.description}. Nothing was loaded.",
            missing=found.missing,
            unexpected=found.unexpected,
            misshapen=found.misshapen,
        )
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            too_narrow = " The maximum of float16 is 65,504: ask the author for float32 weights."
            raise WeightsError(
                f"{name} contains values that are not finite. Nothing was loaded."
                + (too_narrow if tensor.dtype == torch.float16 else "")
            )
    scale = tensors.get(FLOAT64[1])
    if model.standardization is not None and scale is not None and not (scale > 0).all():
        raise WeightsError(
            f"{FLOAT64[1]} contains a value that is not positive. Nothing was loaded."
        )
    model.load_state_dict(
        {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}, assign=True
    )


def check_savable(model: Autoencoder, fresh: Autoencoder) -> None:
    """Raises WeightsError for a model that could not be loaded; `fresh` is a new model of its Spec."""
    tensors = {name: _as_saved(name, tensor) for name, tensor in model.state_dict().items()}
    if found := _differences(tensors, fresh.state_dict(), False):
        raise WeightsError(
            f"The model does not match its Spec and could not be loaded: {found.description}. Nothing was "
            "saved. Make pruning and parametrizations permanent (prune.remove, "
            "parametrize.remove_parametrizations), and keep added layers in a separate module."
        )


@dataclass(frozen=True)
class _Differences:
    """Differences from the expected tensors."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: Mapping[str, str]
    """What differs, by name."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)

    @property
    def description(self) -> str:
        """All differences, as a clause."""
        missing = [f"missing {name}" for name in self.missing]
        unexpected = [f"unexpected {name[:80]!r}" for name in self.unexpected]
        other = list(self.misshapen.values())
        return "; ".join(_first(missing) + _first(unexpected) + _first(other))


def _differences(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], widened: bool
) -> _Differences:
    """Missing, unexpected and misshapen tensors."""
    misshapen = {}
    for name in sorted(expected.keys() & tensors.keys()):
        got, wanted = tensors[name], expected[name]
        if got.shape != wanted.shape:
            misshapen[name] = f"{name} is {tuple(got.shape)}, expected {tuple(wanted.shape)}"
        elif got.dtype != wanted.dtype and not (widened and got.is_floating_point()):
            misshapen[name] = f"{name} is {got.dtype}, expected {wanted.dtype}"
    return _Differences(
        tuple(name for name in expected if name not in tensors),
        tuple(name for name in tensors if name not in expected),
        misshapen,
    )


def _is_finite(tensor: Tensor) -> bool:
    """Whether all values are finite; in one pass, without a temporary tensor."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    return all(math.isfinite(end) for end in tensor.aminmax())


def _first(problems: list[str], most: int = 6) -> list[str]:
    more = len(problems) - most
    return sorted(problems)[:most] + ([f"and {more:,} more like it"] if more > 0 else [])


def weights_bytes(model: Autoencoder) -> bytes:
    """`model.safetensors` for a model: floating-point tensors as float32, except a standardization's, in float64.

    Raises WeightsError for weights that are not finite or that share memory.
    """
    tensors, state = {}, model.state_dict()
    if shared := sharing(state):
        raise WeightsError(f"{shared} share memory: nothing was saved. Give each its own tensor.")
    for name, tensor in state.items():
        plain = _as_saved(name, tensor.detach().cpu().contiguous())
        if not _is_finite(plain):
            raise WeightsError(f"{name} contains values that are not finite: nothing was saved.")
        tensors[name] = plain.clone()
    return safetensors.torch.save(tensors, metadata={"format": "pt"})


def _as_saved(name: str, tensor: Tensor) -> Tensor:
    """A floating-point tensor as float32, except a standardization's; other tensors unchanged."""
    return tensor.float() if tensor.is_floating_point() and name not in FLOAT64 else tensor
