"""What the shell completes: names of models, recipes, families and datasets, and paths beside them.

No torch and no package is imported for it; a person waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def models(context: click.Context, argument: click.Parameter, word: str) -> list[CompletionItem]:
    """Published models, or folders."""
    from zoo.registry import published

    return _completed(word, published.list_models(), path="dir")


def shown(context: click.Context, argument: click.Parameter, word: str) -> list[CompletionItem]:
    """What `zoo show` takes: models, families and the word `recipe`."""
    from zoo.registry import families, published

    names = [*published.list_models(), *families.list_families(), "recipe"]
    return _completed(word, names, path="dir")


def recipes(context: click.Context, argument: click.Parameter, word: str) -> list[CompletionItem]:
    """Published recipes, or files."""
    from zoo.registry import published

    return _completed(word, published.list_recipes(), path="file")


def families(context: click.Context, argument: click.Parameter, word: str) -> list[CompletionItem]:
    """Families that can be built."""
    from zoo.registry.families import list_families

    return _completed(word, list_families())


def datasets(context: click.Context, argument: click.Parameter, word: str) -> list[CompletionItem]:
    """The zoo's datasets and those of installed packages, or files."""
    from zoo.registry import plugins

    installed = [plugin.name for plugin in plugins.installed("dataset") if not plugin.problem]
    return _completed(word, [*plugins.RESERVED["dataset"], *installed], path="file")


def _completed(word: str, names: Iterable[str], path: str = "") -> list[CompletionItem]:
    """The names that a word may become; where it becomes none, the shell offers paths."""
    from click.shell_completion import CompletionItem

    found = [CompletionItem(name) for name in names if name.startswith(word)]
    return found or ([CompletionItem(word, type=path)] if path else [])
