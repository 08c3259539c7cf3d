"""Images of 0 and 1 where levels from 0 to 255 are meant: they would be all but black, without a word."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np
from torch import Tensor

from zoo.data.examples import PIECE
from zoo.data.sources.base import InMemory, Named, Source
from zoo.data.transform import as_pixels
from zoo.errors import ZooError

log = logging.getLogger("zoo")

SOME = 64
"""Images of a source that are looked at, evenly spread, where they are not in memory."""


def note_levels(sources: Iterable[Source], what: str) -> None:
    """A line where the highest level is 1. The first image with a higher one ends the search.

    All images in memory are looked at, and some of others.
    """
    highest = 0
    for source in sources:
        for pixels in () if source.is_real else _looked_at(source):
            highest = max(highest, int(pixels.max()))
            if highest > 1:
                return
    if highest == 1:
        log.warning(
            "%s: the highest level is 1 of 255, so its images are all but black. If 1 means white, "
            "multiply them by 255.",
            what,
        )


def _looked_at(source: Source) -> Iterator[Tensor]:
    while isinstance(source, Named):
        source = source.source
    if isinstance(source, InMemory):
        yield from filter(len, source.values.split(PIECE))
        return
    if not len(source):
        return
    for number in np.unique(np.linspace(0, len(source) - 1, SOME, dtype=np.int64)):
        with suppress(ZooError):  # whoever reads all of them says what is wrong
            pixels = as_pixels(source.read(int(number)))
            yield pixels
