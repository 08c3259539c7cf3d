"""Datasets of installed packages: a callable that returns images, rows or series for each split."""

from __future__ import annotations

from collections.abc import Callable

from zoo.data.splits import PARTS
from zoo.errors import PluginError
from zoo.plugins.entry_points import Plugin
from zoo.plugins.guards import plugin_errors


def read_plugin(plugin: Plugin) -> dict[str, object]:
    """The data of each split from a package, without validation if that is None.

    Raises PluginError if the package fails.
    """
    images_of = load(plugin)
    found = {}
    for split in PARTS:
        with plugin_errors(str(plugin), f"failed to return its {split} split"):
            found[split] = images_of(split)
    if found["validation"] is None:
        del found["validation"]
    return found


def load(plugin: Plugin) -> Callable[[str], object]:
    """The callable that a plugin provides. Raises PluginError."""
    images_of = plugin.load()
    if not callable(images_of):
        raise PluginError(f"{plugin} is {type(images_of).__name__}, not a function of a split.")
    return images_of
