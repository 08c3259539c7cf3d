"""A device's name -> the device, if it is there."""

from __future__ import annotations

import torch

from zoo.errors import DeviceError


def find_device(device: str | torch.device) -> torch.device:
    """The device of that name; `"auto"` is a GPU where there is one.

    Raises DeviceError for a name that is no device and for a device that is not here.
    """
    if device == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as unknown:
        first = str(unknown).splitlines()[0]
        raise DeviceError(f"{device!r} is not a device: {first}. Try 'cpu' or 'cuda'.") from None
    if found.type == "cpu" or found.type == "meta":
        return found
    try:
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as absent:
        first = str(absent).splitlines()[0][:120]
        raise DeviceError(
            f"The device {device!r} is not here ({first}). Use 'cpu', or 'auto' for the best there is."
        ) from None
    return found
