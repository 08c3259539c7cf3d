"""Names of devices and dtypes -> the device if it is available, the dtype; and what bf16 costs there."""

from __future__ import annotations

import statistics
import time
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from zoo.errors import DeviceError, InputError
from zoo.runtime import processes

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Dtypes of weights, images and codes: those that can be compared and added everywhere."""


def find_device(device: str | torch.device) -> torch.device:
    """The device of that name, whoever asks; `"auto"` is a GPU where there is one.

    Raises DeviceError for an unknown name and for a device that is not available.
    """
    if device == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.zeros(1, device=torch.device(device)).device
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as absent:
        first = str(absent).splitlines()[0][:120]
        raise DeviceError(
            f"The device {device!r} is not available ({first}). Use 'cpu', or 'auto' for the best "
            "there is."
        ) from None


def find_rank_device(device: str | torch.device) -> torch.device:
    """Where this process computes its share of a training or a measurement.

    Alone, what `find_device` gives. Under a launcher every process has a GPU of its own, by its number
    on this machine, and all are connected: by gloo if they compute on the CPU, else by nccl.

    Raises DeviceError as `find_device`, and for the number of another process's GPU.
    """
    if not processes.are_many():
        return find_device(device)
    gpu = torch.accelerator.current_accelerator(check_available=True)
    kind, colon, number = str(gpu.type if gpu and device == "auto" else device).partition(":")
    if gpu is None or kind != gpu.type:
        own = find_device(device)
    else:
        own = torch.device(kind, processes.index_here() % torch.accelerator.device_count())
        if colon and number != str(own.index):
            raise DeviceError(
                f"The device {str(device)!r} is another process's: under a launcher each has a GPU of "
                f"its own, and this one's is {own}. Use 'auto'."
            )
    processes.connect(cpu=own.type in ("cpu", "mps"))  # MPS connects no processes
    return own


def find_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """The floating dtype, or the one of that name, such as `"bfloat16"`. Raises InputError."""
    names = {str(one).removeprefix("torch."): one for one in FLOATS}
    found = names.get(dtype) if isinstance(dtype, str) else dtype
    if dtype is None or found in FLOATS:
        return found
    raise InputError(f"dtype is one of {', '.join(names)}, by name or torch's own; got {dtype!r}.")


def fork_rng(device: torch.device) -> AbstractContextManager[None]:
    """Gives torch's global generators, of the CPU and of a device, their state back afterward."""
    devices = [] if device.type == "cpu" else [device]
    return torch.random.fork_rng(devices, device_type=device.type)


def name_of(device: torch.device) -> str:
    """`cpu`, or what a GPU calls itself."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def bf16_cost(device: torch.device) -> float:
    """Seconds of a matrix product in bf16 over those in float32, measured now, in some 50 ms.

    About 0.5 on a processor or GPU with bf16 products. One without them imitates them: 2 to 40.
    """
    left, right = torch.randn(128, 512, device=device), torch.randn(512, 512, device=device)

    def seconds(a: Tensor, b: Tensor) -> float:
        begun = time.perf_counter()
        float((a @ b)[0, 0])  # waits for the device
        return time.perf_counter() - begun

    pairs = [(seconds(left.bfloat16(), right.bfloat16()), seconds(left, right)) for _ in range(8)]
    return statistics.median(bf16 / float32 for bf16, float32 in pairs[1:])  # the first warms up
