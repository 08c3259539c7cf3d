"""The Hugging Face Hub: models fetched from it and pushed to it, checked on the way.

The official client moves every byte. This room adds what it leaves open: the content of each
file is compared with the Hub's own record, every action ends in bounded time, transient failures
are tried again, and whatever goes wrong is a `ZooError` that says what to do.

    fetch.py      a repo -> a folder of the cache with the files that are wanted
    pull.py       a source -> a copy of its folder
    prepare.py    a model -> the files that a push sends
    push.py       those files -> one commit
    cache.py      what lies in the client's cache, and whether it is sound
    remote.py     what the Hub is asked: a repo's files, a file, a new repo, a commit
    patience.py   an action is bounded in time and tried again where that may help
    failures.py   the client's exceptions -> the zoo's
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import folder, layout, published, sources
from zoo.errors import ZooError
from zoo.sources import Source

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
    Raises what `zoo.sources.parse` and `zoo.hub.fetch.fetch` do.
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
    from zoo import store

    info = model.info
    if info is None or not _came_from_the_hub(info) or not store.has_weights_of(model, info):
        return
    try:
        found = find(info.origin, EVERYTHING, token=token, or_less=True)
        whole = folder.read_info(found.folder, found.origin, found.licence)
    except ZooError as wrong:
        log.warning("%s: its recipe, numbers and pictures are left out. %s", info.origin, wrong)
        return
    if found.hub is None or whole.sha256 != info.sha256:
        return
    lacking = sorted(found.hub.digests.keys() - set(layout.files_of(found.folder)))
    if lacking:
        log.warning("%s: left out, for they are not cached: %s", info.origin, ", ".join(lacking))
    model.info = whole


def _came_from_the_hub(info: folder.ModelInfo) -> bool:
    line = published.known(info.origin)
    return not line.folder.is_dir() if line else info.origin.startswith("hf://")
