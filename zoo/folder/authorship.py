"""Which files of a model's folder were written by the zoo, and which by its author."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.cards import FIGURES, MARKER
from zoo.errors import WeightsError
from zoo.folder import layout
from zoo.folder.config import read_text
from zoo.io.files import remove, staged
from zoo.specs.metrics import PICTURES

log = logging.getLogger("zoo")

_DRAWN = {f"{FIGURES}/{picture}.png" for picture in PICTURES}


def is_authors(card: str) -> bool:
    """Whether a card is its author's own: not empty, and without the zoo's marker."""
    return bool(card.strip()) and MARKER not in card


def is_ours(name: str, card: str) -> bool:
    """Whether the zoo wrote a file of a model's folder; for a picture, whether the zoo draws it.

    Args:
        name: a file on the closed list.
        card: the folder's card; if the zoo wrote it, the pictures that it shows are the zoo's too.
    """
    if not name.startswith(FIGURES) or name in _DRAWN:
        return True
    return MARKER in card and f"]({name})" in card


def card_text(target: Path) -> str:
    """A folder's card, "" if it has none; `?`, an author's, if the card cannot be read."""
    if not os.path.isfile(target / layout.CARD):
        return ""
    try:
        return read_text(target / layout.CARD) or ""
    except WeightsError:
        return "?"


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A staging folder whose files replace the model in `target` on exit.

    An author's own card in `target` is kept, as are all other files that the zoo did not write.
    """
    card = card_text(target)
    with staged(target) as stage:
        yield stage
        if is_authors(card):
            log.warning("%s does not have the zoo's marker and was kept.", target / layout.CARD)
            remove(stage / layout.CARD)
        new = layout.files_of(stage)
    for name in set(layout.files_of(target)) - set(new):
        if is_ours(name, card) and not (name == layout.CARD and is_authors(card)):
            remove(target / name)
