"""The arms of `peers.py`: a module each, run in a process apart by the Python that has its library."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arms.arm import Arm

ZOO, OWN, PYTHAE, TUTORIAL, BARE, UNCHECKED = (
    "zoo",
    "zoo, its own recipe",
    "pythae",
    "tutorial",
    "bare",
    "unchecked",
)
_CLASS_OF = {
    ZOO: ("arms.with_zoo", "Zoo"),
    OWN: ("arms.with_zoo", "OwnRecipe"),
    PYTHAE: ("arms.with_pythae", "Pythae"),
    TUTORIAL: ("arms.tutorial", "Tutorial"),
    BARE: ("arms.bare", "Bare"),
    UNCHECKED: ("arms.bare", "Unchecked"),
}
TRAINED = (TUTORIAL, BARE, PYTHAE, ZOO, OWN)
LOADED = (BARE, PYTHAE, ZOO)
"""Those that load a model and measure its bound; the tutorial's would be the bare one's."""
ATTEMPTED = (ZOO, PYTHAE, BARE, UNCHECKED)


def find_arm(name: str) -> Arm:
    """An arm; imports its library."""
    module, cls = _CLASS_OF[name]
    return getattr(importlib.import_module(module), cls)()


def is_zoos(name: str) -> bool:
    """Whether an arm runs in the zoo's own environment, and not in the peers'."""
    return _CLASS_OF[name][0] == "arms.with_zoo"
