"""Completion of names on a shell's command line. It imports no torch and no plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem


def _of(names: Callable[[], Iterable[str]]):
    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
        folders = [CompletionItem(begun, type="file")] if begun[:1] in (".", "/", "~") else []
        return folders or [CompletionItem(name) for name in names() if name.startswith(begun)]

    return complete


def _models() -> list[str]:
    from zoo.registry.published import list_models

    return list_models()


def _families() -> list[str]:
    from zoo.registry.families import list_families

    return list_families()


def _recipes() -> list[str]:
    from zoo.registry.published import list_recipes

    return list_recipes()


def _datasets() -> list[str]:
    from zoo.folder.front_matter import DATASETS
    from zoo.registry import plugins

    return sorted({*DATASETS, *(plugin.name for plugin in plugins.installed("dataset"))})


models, families, recipes, datasets = map(_of, (_models, _families, _recipes, _datasets))
shown = _of(lambda: [*_models(), *_families(), "recipe"])
