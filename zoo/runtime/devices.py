"""Device and dtype lookup, and the measured speed of bf16."""

from __future__ import annotations

import statistics
import time
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from zoo.errors import DeviceError, InputError
from zoo.runtime import processes

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Dtypes of weights, examples and codes: those with full arithmetic support on every device."""


def find_device(device: str | torch.device) -> torch.device:
    """The device of that name; `"auto"` is the GPU if available, else the CPU.

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
            "available."
        ) from None


def find_rank_device(device: str | torch.device) -> torch.device:
    """The device on which this process computes its share of a training or a measurement.

    Without a launcher, the same as `find_device`. Under a launcher each process gets its own GPU, by
    local rank, and the processes are connected: with gloo on the CPU, else with nccl.

    Raises DeviceError as `find_device`, and for the index of another process's GPU.
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
                f"The device {str(device)!r} belongs to another process: under a launcher each process "
                f"has its own GPU, here {own}. Use 'auto'."
            )
    processes.connect(cpu=own.type in ("cpu", "mps"))  # MPS has no communication backend
    return own


def find_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """A floating dtype from itself or its name, such as `"bfloat16"`; None for None. Raises InputError."""
    names = {str(one).removeprefix("torch."): one for one in FLOATS}
    found = names.get(dtype) if isinstance(dtype, str) else dtype
    if dtype is None or found in FLOATS:
        return found
    raise InputError(
        f"dtype must be one of {', '.join(names)}, as a name or torch dtype; got {dtype!r}."
    )


def fork_rng(device: torch.device) -> AbstractContextManager[None]:
    """Restores the state of torch's global generators, of the CPU and of a device, afterward."""
    devices = [] if device.type == "cpu" else [device]
    return torch.random.fork_rng(devices, device_type=device.type)


def name_of(device: torch.device) -> str:
    """The model name of a CUDA GPU, else the device type, such as `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def bf16_cost(device: torch.device) -> float:
    """Time of a matrix product in bf16 relative to float32; measuring it takes about 50 ms.

    About 0.5 on a CPU or GPU with native bf16 products; 2 to 40 where they are emulated.
    """
    left, right = torch.randn(128, 512, device=device), torch.randn(512, 512, device=device)

    def seconds(a: Tensor, b: Tensor) -> float:
        start = time.perf_counter()
        float((a @ b)[0, 0])  # waits for the device
        return time.perf_counter() - start

    pairs = [(seconds(left.bfloat16(), right.bfloat16()), seconds(left, right)) for _ in range(8)]
    return statistics.median(bf16 / float32 for bf16, float32 in pairs[1:])  # the first warms up
