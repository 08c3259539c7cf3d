"""What is done to a model's folder before somebody loads it."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from arms import BARE, PYTHAE, UNCHECKED, ZOO


@dataclass(frozen=True)
class Layout:
    """What lies in a folder that an arm saves."""

    weights: str
    config: str | None = None
    """File with the settings, as JSON."""
    setting: str | None = None
    """A setting in it, to be misspelled."""
    pickle: str | None = None
    """File that is, or might be taken for, a pickle of the encoder."""


LAYOUTS = {
    ZOO: Layout("model.safetensors", "config.json", "log_variance_bound", "encoder.pkl"),
    PYTHAE: Layout("model.pt", "model_config.json", "reconstruction_loss", "encoder.pkl"),
    BARE: Layout("model.pt"),
    UNCHECKED: Layout("model.pt"),
}


class Runs:
    """Its pickle makes an empty file, as it could do anything else."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.marker, "w")


def flip_byte(layout: Layout, folder: Path, marker: Path) -> None:
    """Inverts sign and exponent of a weight in the middle of the file: one byte.

    Both formats align float32 to four bytes, of which the last is the one.
    """
    path = folder / layout.weights
    data = bytearray(path.read_bytes())
    data[len(data) // 8 * 4 + 3] ^= 0xFF
    path.write_bytes(data)


def misspell(layout: Layout, folder: Path, marker: Path) -> None:
    """Leaves out a letter of the name of a setting."""
    assert layout.config is not None
    assert layout.setting is not None
    path = folder / layout.config
    wrong = layout.setting[:-2] + layout.setting[-1]
    path.write_text(path.read_text().replace(f'"{layout.setting}"', f'"{wrong}"'))


def pickle_weights(layout: Layout, folder: Path, marker: Path) -> None:
    """Puts a pickle in the weights' place, in torch's format; a hash in the config becomes its own."""
    path = folder / layout.weights
    saved = io.BytesIO()
    torch.save({"model_state_dict": Runs(marker)}, saved)
    path.write_bytes(saved.getvalue())
    if layout.config:
        settings = json.loads((folder / layout.config).read_text())
        if "weights_sha256" in settings:
            settings["weights_sha256"] = hashlib.sha256(saved.getvalue()).hexdigest()
            (folder / layout.config).write_text(json.dumps(settings, indent=2) + "\n")


def pickle_beside(layout: Layout, folder: Path, marker: Path) -> None:
    """Puts a pickle in the place of an encoder's, whether there was one or not."""
    assert layout.pickle is not None
    (folder / layout.pickle).write_bytes(pickle.dumps(Runs(marker)))


@dataclass(frozen=True)
class Damage:
    """One thing that is done to a folder."""

    what: str
    spoil: Callable[[Layout, Path, Path], None]
    """Given the layout, the folder, and the file that running code would make."""
    applies: Callable[[Layout], bool] = lambda layout: True
    """Whether a folder of this layout has what is damaged."""


DAMAGES = (
    Damage("a byte of the weights is flipped", flip_byte),
    Damage("a setting is misspelled", misspell, lambda layout: layout.setting is not None),
    Damage("the weights are a pickle that runs code", pickle_weights),
    Damage(
        "such a pickle lies where an encoder's would",
        pickle_beside,
        lambda layout: layout.pickle is not None,
    ),
)
