"""Folders that diffusers wrote: which class and settings their config.json means, where their weights are.

They are read as they are. Such a folder records no hash of its weights: on the Hub its record of each
file is checked, as for any other; in a plain folder nothing can be. No torch.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from zoo.errors import SourceError, did_you_mean

CLASS, VERSION = "_class_name", "_diffusers_version"
PIPELINE = "model_index.json"
CLASSES = {
    "AutoencoderKL": "autoencoder-kl",
    "AutoencoderTiny": "autoencoder-tiny",
    "AutoencoderDC": "autoencoder-dc",
    "VQModel": "vq-model",
}
"""Families by the class of diffusers that they are."""
WEIGHTS = re.compile(
    r"diffusion_pytorch_model(?:\.(?P<variant>[a-z0-9_]{1,20}))?"
    r"(?:-(?P<number>\d{5})-of-(?P<count>\d{5}))?\.safetensors"
)
"""What diffusers calls weights: whole or in shards, in full or of a variant such as fp16."""


def is_diffusers(fields: Mapping[str, Any]) -> bool:
    """Whether a config.json is of diffusers."""
    return CLASS in fields


def family_of(fields: Mapping[str, Any], where: str) -> str:
    """The family of a config.json. Raises SourceError for another class than these four."""
    name = str(fields[CLASS])[:100]
    if name not in CLASSES:
        raise SourceError(
            f"{where!r} is of diffusers' {name!r}, for which there is no family. "
            f"There is one for {', '.join(CLASSES)}.{did_you_mean(name, CLASSES)}"
        )
    return CLASSES[name]


def versions(fields: Mapping[str, Any]) -> str:
    """Who wrote a config.json, and what is here, as a clause."""
    try:
        here = f"; here is {version('diffusers')}"
    except PackageNotFoundError:
        here = ""
    return f"written by diffusers {str(fields.get(VERSION, 'of an unknown version'))[:40]}{here}"


def weights_among(names: Collection[str]) -> list[str]:
    """The files of the weights among a folder's files: the full ones before a variant's.

    Empty where there are none, or where shards are missing.
    """
    found: dict[str, list[tuple[str, int, int]]] = {}
    for name in sorted(names):
        if match := WEIGHTS.fullmatch(name):
            number, count = int(match["number"] or 1), int(match["count"] or 1)
            found.setdefault(match["variant"] or "", []).append((name, number, count))
    for variant in sorted(found):
        whole = [name for name, _, count in found[variant] if count == 1]
        if whole:
            return whole[:1]
        shards = found[variant]
        if {number for _, number, _ in shards} == set(range(1, shards[0][2] + 1)):
            return [name for name, _, _ in shards]
    return []
