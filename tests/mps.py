"""A device that pretends to be Apple's GPU: computed on the CPU, and strict where that one is.

Its tensors are float64 nowhere, meet no tensor of the CPU but numbers, and give NumPy nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

MPS = torch.device("mps")
CROSSES = {
    "_has_compatible_shallow_copy_type",
    "cpu",
    "to",
    "copy_",
    "_to_copy",
    "__get__",
    "__set__",
    "set_data",
    "tolist",
    "item",
}
"""What may have tensors of both devices."""


class OnMPS(torch.Tensor):
    """A tensor that says that it is there."""

    @property
    def device(self) -> torch.device:
        return MPS

    def __deepcopy__(self, memo: dict) -> OnMPS:
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        copied._is_param = getattr(self, "_is_param", False)
        return memo.setdefault(id(self), copied)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return _called(func, args, kwargs or {})


class _Mode(TorchFunctionMode):
    """What makes a tensor from none makes it there, if it is asked to."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return _called(func, args, kwargs or {})


class Generator(torch.Generator):
    """A generator that says that it is there."""

    def __new__(cls, device: torch.device | str = "cpu") -> Generator:
        made = super().__new__(cls, "cpu")
        made.there = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:
        return self.there


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine has such a GPU, as `device="auto"` finds it."""
    generator = Generator("mps")
    monkeypatch.setattr(torch, "Generator", Generator)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: MPS)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda device=MPS: generator.get_state())
    monkeypatch.setattr(
        torch.mps, "set_rng_state", lambda new, device=MPS: generator.set_state(new)
    )
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *version: True)
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # else they keep their class
    try:
        with _Mode():
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


def _called(func, args, kwargs):
    """One call of torch's, on the CPU: its result is there if a tensor was, or if it is asked for."""
    name = func.__name__
    if name in ("_parse_to", "device"):  # of `module.to` and torch.device: they only read arguments
        return func(*args, **kwargs)
    given = tree_flatten((args, kwargs))[0]
    there = any(isinstance(one, OnMPS) for one in given)
    target = next((torch.device(one) for one in given if _is_device(one)), None)
    if name == "cpu":
        target = torch.device("cpu")
    here = [one for one in given if type(one) in (torch.Tensor, torch.nn.Parameter) and one.dim()]
    if there and here and name not in CROSSES:
        raise RuntimeError(
            f"{name}: all tensors are expected on one device, but some are on the CPU"
        )
    if there and name == "numpy":
        raise TypeError("can't convert mps:0 device type tensor to numpy")
    args, kwargs = tree_map(
        lambda one: torch.device("cpu") if _is_device(one) else one, (args, kwargs)
    )
    with torch._C.DisableTorchFunctionSubclass():
        result = func(*args, **kwargs)
    if isinstance(result, torch.Size):
        return result
    if target is not None and target.type != "mps":
        return tree_map(_here, result)
    if there or target is not None:
        return tree_map(_there, result)
    return result


def _is_device(value: object) -> bool:
    named = isinstance(value, str) and value.partition(":")[0] in ("mps", "cpu")
    return named or isinstance(value, torch.device)


def _here(value):
    return value.as_subclass(torch.Tensor) if isinstance(value, OnMPS) else value


def _there(value):
    if not isinstance(value, torch.Tensor):
        return value
    if value.dtype == torch.float64:
        raise TypeError("the MPS framework doesn't support float64")
    return value if isinstance(value, OnMPS) else value.as_subclass(OnMPS)
