"""Detection of images with values 0 and 1 instead of 0 to 255, which would silently be almost black."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np
from torch import Tensor

from zoo.data.examples import PIECE
from zoo.data.sources.base import InMemory, Prefixed, Source
from zoo.data.transform import as_pixels
from zoo.errors import ZooError

log = logging.getLogger("zoo")

SAMPLED = 64
"""Number of evenly spaced images that are checked in a source that is not in memory."""


def note_levels(sources: Iterable[Source], what: str) -> None:
    """Logs a warning if the highest level is 1.

    Images in memory are all checked, others sampled, up to the first one with a higher level.
    """
    highest = 0
    for source in sources:
        for pixels in () if source.is_real else _sampled(source):
            highest = max(highest, int(pixels.max()))
            if highest > 1:
                return
    if highest == 1:
        log.warning(
            "%s: the highest level is 1 of 255, so its images are almost black. If 1 means white, "
            "multiply them by 255.",
            what,
        )


def _sampled(source: Source) -> Iterator[Tensor]:
    while isinstance(source, Prefixed):
        source = source.source
    if isinstance(source, InMemory):
        yield from filter(len, source.values.split(PIECE))
        return
    if not len(source):
        return
    for number in np.unique(np.linspace(0, len(source) - 1, SAMPLED, dtype=np.int64)):
        with suppress(ZooError):  # errors are reported when all images are read
            pixels = as_pixels(source.read(int(number)))
            yield pixels
