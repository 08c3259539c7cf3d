"""What the numbers were taken on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

BF16 = ("avx512_bf16", "amx_bf16")
"""The processor's flags that mean products in bf16."""


def describe_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """The kind of processor, whether it has bf16 products, how many there are, and the system.

    `cpuinfo` is Linux's list of processors; elsewhere Python's own word is taken.
    """
    kind, bf16 = platform.processor() or platform.machine(), "not known"
    if cpuinfo.exists():
        lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        facts = {key.strip(): value.strip() for key, _, value in lines}
        kind = facts.get("model name", kind)
        flags = facts.get("flags", facts.get("Features", "")).split()
        bf16 = ", ".join(flag for flag in BF16 if flag in flags) or "no"
    return {
        "processor": kind,
        "bf16 products": bf16,
        "processors": str(os.cpu_count()),
        "threads of each arm": "1",
        "system": f"{platform.system()} {platform.machine()}",
    }
