"""Where numbers stay float32, whatever the networks compute in."""

from __future__ import annotations

import torch


def full_precision(device: torch.device) -> torch.autocast:
    """Turns autocast off: for log-probabilities, KL terms and sums."""
    return torch.autocast(device.type, enabled=False)
