"""Files of an extractor's weights, drawn at random, and how their sha256 is declared."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file

BACKBONES = {"lpips-alex": "alexnet", "lpips-squeeze": "squeezenet1_1", "lpips-vgg": "vgg16"}


def declared(path: Path) -> str:
    """A file as `--extractor` takes it."""
    return f"{path}@{hashlib.sha256(path.read_bytes()).hexdigest()}"


def backbone(name: str, folder: Path) -> tuple[Path, torch.nn.Module]:
    """A file of a backbone's weights, drawn, by torchvision's names; the classifier is left out."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = getattr(torchvision.models, BACKBONES[name])(weights=None).features
    path = folder / f"{name}.safetensors"
    save_file({f"features.{n}": t for n, t in network.state_dict().items()}, path)
    return path, network
