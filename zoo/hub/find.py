"""A source -> the folder of its model, with the wanted files if it is a repo on the Hub."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from zoo.cards import FIGURES
from zoo.folder import layout
from zoo.registry import sources
from zoo.registry.sources import Source

TO_LOAD = (layout.CONFIG, layout.WEIGHTS)
TO_KNOW = layout.TEXTS
TO_SHOW = (*layout.TEXTS, FIGURES)
TO_MEASURE = (layout.CONFIG, layout.WEIGHTS, layout.RECIPE)
EVERYTHING = None


@dataclass(frozen=True)
class Access:
    """How a call uses the network for all that it needs: a model, its recipe, an extractor, a dataset."""

    token: str | None = None
    """For private repos on the Hub."""
    offline: bool = False
    """Whether to stay off the network."""


ONLINE = Access()


def find(
    source: str | Path,
    wanted: Collection[str] | None = TO_LOAD,
    *,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Source:
    """The folder of a source; for a model on the Hub, with the wanted files.

    If the Hub cannot be reached, EVERYTHING means all cached files.
    Raises what `zoo.registry.sources.parse` and `zoo.hub.fetch.fetch` do.
    """
    address = sources.parse(source, revision=revision)
    if isinstance(address, Source):
        return address
    from zoo.hub.fetch import fetch  # imports the Hub's client, which a folder does not need

    return fetch(address, wanted, token, offline)
