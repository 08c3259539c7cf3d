"""Datasets that installed packages provide: a callable that gives uint8 images for each split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data.images import tenth_held_out
from zoo.errors import DataError, PluginError
from zoo.registry import plugins
from zoo.registry.guards import blamed
from zoo.registry.plugins import Plugin

PARTS = ("train", "validation", "test")


def plugin_names() -> list[str]:
    """Names of the datasets that installed packages provide, sorted. Imports none."""
    return sorted({plugin.name for plugin in plugins.installed("dataset") if not plugin.problem})


def read_plugin(name: str) -> dict[str, Tensor] | None:
    """Every split of a package's dataset, uint8; None if no package has one of that name.

    A package that gives None for validation has the last tenth of its training images held out.
    Raises PluginError for a package that fails, DataError for anything but images.
    """
    plugin = plugins.named("dataset", name)
    if plugin is None:
        return None
    images_of = load(plugin)
    parts = {}
    for split in PARTS:
        with blamed(str(plugin), f"failed to give its {split} images"):
            given = images_of(split)
            if given is not None or split != "validation":
                parts[split] = _as_tensor(given, f"{plugin}: its {split} split")
    return tenth_held_out(parts)


def load(plugin: Plugin) -> Callable[[str], Any]:
    """The callable that a plugin names. Raises PluginError."""
    images_of = plugin.load()
    if not callable(images_of):
        raise PluginError(f"{plugin} is {type(images_of).__name__}, not a function of a split.")
    return images_of


def _as_tensor(given: Any, what: str) -> Tensor:
    """What a package gave, as a uint8 tensor of images. Raises DataError."""
    if isinstance(given, np.ndarray) and given.dtype == np.uint8:
        given = torch.from_numpy(np.ascontiguousarray(given))
    if isinstance(given, Tensor) and given.dtype == torch.uint8 and given.dim() in (3, 4):
        return given.cpu()
    found = str(getattr(given, "dtype", type(given).__name__))
    found += f" {tuple(given.shape)}" if hasattr(given, "shape") else ""
    raise DataError(f"{what} is {found}, not a uint8 tensor or array (N, C, H, W) or (N, H, W).")
