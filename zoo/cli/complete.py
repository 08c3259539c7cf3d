"""What the shell completes: names of models, recipes, families and datasets, and paths beside them.

No torch and no package is imported for it; a person waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _names(kind: str) -> list[str]:
    """Names of a kind that are known here; a word that is no kind stands for itself."""
    from zoo.datasets import NAMED
    from zoo.plugins import entry_points as plugins
    from zoo.registry import published

    if kind == "families":
        from zoo.registry.families import list_families

        return list_families()
    if kind == "datasets":
        installed = [plugin.name for plugin in plugins.installed("dataset") if not plugin.problem]
        return [*NAMED, *installed]
    listed = {"models": published.list_models, "recipes": published.list_recipes}
    return listed[kind]() if kind in listed else [kind]


def _completion(*kinds: str, path: str = "") -> Callable[..., list[CompletionItem]]:
    """The names that a word may become; where it becomes none, the shell offers paths."""

    def complete(
        context: click.Context, argument: click.Parameter, word: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [name for kind in kinds for name in _names(kind) if name.startswith(word)]
        found = [CompletionItem(name) for name in names]
        return found or ([CompletionItem(word, type=path)] if path else [])

    return complete


models = _completion("models", path="dir")
shown = _completion("models", "families", "recipe", path="dir")
recipes = _completion("recipes", path="file")
families = _completion("families")
datasets = _completion("datasets", path="file")
folders = _completion(path="dir")
