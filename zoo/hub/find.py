"""A source -> the folder of its model, with the files that are wanted of a repo on the Hub."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ZooError
from zoo.folder import layout
from zoo.folder.config import read_info
from zoo.registry import published, sources
from zoo.registry.sources import Source
from zoo.specs.info import ModelInfo

if TYPE_CHECKING:
    from zoo.models import Autoencoder

log = logging.getLogger("zoo")

TO_LOAD = (layout.CONFIG, layout.WEIGHTS)
TO_KNOW = layout.TEXTS
TO_SHOW = (*layout.TEXTS, layout.FIGURES)
TO_MEASURE = (layout.CONFIG, layout.WEIGHTS, layout.RECIPE)
EVERYTHING = None


def find(
    source: str | Path,
    wanted: Collection[str] | None = TO_LOAD,
    *,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
    or_less: bool = False,
) -> Source:
    """The folder that a source means, with the wanted files of a model on the Hub in it.

    With `or_less`, texts and pictures that are not cached while the Hub is away are left out.
    Raises what `zoo.registry.sources.parse` and `zoo.hub.fetch.fetch` do.
    """
    address = sources.parse(source, revision=revision)
    if isinstance(address, Source):
        return address
    from zoo.hub.fetch import fetch  # the Hub's client is imported when a model there is meant

    return fetch(address, wanted, token, offline, or_less)


def complete(model: Autoencoder, token: str | None = None) -> None:
    """Fetches the recipe, numbers and pictures of a model that was loaded from the Hub.

    `zoo.load` fetches only what it needs; afterwards the model's info knows the rest too. A model
    whose weights have changed since is left alone; what cannot be had is left out, and said.
    """
    from zoo.folder import store

    info = model.info
    if info is None or not _came_from_the_hub(info) or not store.has_weights_of(model, info):
        return
    try:
        found = find(info.origin, EVERYTHING, token=token, or_less=True)
        whole = read_info(found.folder, found.origin, found.licence)
    except ZooError as wrong:
        log.warning("%s: its recipe, numbers and pictures are left out. %s", info.origin, wrong)
        return
    if found.hub is None or whole.sha256 != info.sha256:
        return
    lacking = sorted(found.hub.digests.keys() - set(layout.files_of(found.folder)))
    if lacking:
        log.warning("%s: left out, for they are not cached: %s", info.origin, ", ".join(lacking))
    model.info = whole


def _came_from_the_hub(info: ModelInfo) -> bool:
    line = published.known(info.origin)
    return not line.folder.is_dir() if line else info.origin.startswith("hf://")
