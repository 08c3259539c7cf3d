"""What an arm is asked to do, and what it has to be able to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from arms.plain import PlainVAE
from arms.watch import Watch

BATCH, RATE, SEED = 128, 1e-3, 0
SAMPLES = 1000
"""K of the importance-weighted bound."""
INITIAL, TRAINED = "initial.pt", "trained.pt"
"""Weights of a PlainVAE in the work folder: those that all start from, and those of the bare loop."""


@dataclass(frozen=True)
class Job:
    """What a process is to do, as it is told in JSON."""

    arm: str
    do: str
    """What `jobs.do` can do."""
    work: str
    """Folder with the images and weights that the arms share."""
    folder: str = ""
    """The model's own folder, of what saves or loads one."""
    data: str = ""
    """Where MNIST lies in torchvision's layout."""
    epochs: int = 1
    images: int = 60_000
    """Train on the first so many."""
    times: int = 1
    """Loads, or images whose bound is measured."""

    def pixels(self, name: str) -> Tensor:
        """Images of the work folder, `(N, 1, 28, 28)`: `train` and `test` uint8, `binarized` float32."""
        return torch.from_numpy(np.load(Path(self.work, f"{name}.npy")))

    def plain(self, name: str) -> PlainVAE:
        """The PlainVAE with weights of the work folder."""
        model = PlainVAE()
        model.load_state_dict(torch.load(Path(self.work, name), weights_only=True))
        return model


class Arm:
    """One way to train, save, load and measure the same network."""

    def train(self, job: Job, watch: Watch) -> None:
        """Trains from the shared initial weights, in turns of `watch`."""
        raise NotImplementedError

    def save(self, plain: PlainVAE, folder: Path) -> None:
        """Writes a model with these weights as this library saves one."""
        raise NotImplementedError

    def load(self, folder: Path) -> nn.Module:
        """The model of a folder, ready to be used."""
        raise NotImplementedError

    def bound(self, model: nn.Module) -> Callable[[Tensor], float]:
        """What gives minus the importance-weighted bound of one image `(1, 1, 28, 28)`, in nats."""
        raise NotImplementedError

    def plain_weights(self, model: nn.Module) -> list[Tensor]:
        """The weights of a loaded model in a PlainVAE's order."""
        return list(model.parameters())

    def setting_of(self, model: nn.Module) -> object:
        """The value with which a loaded model has the setting that may be misspelled."""
        raise NotImplementedError
