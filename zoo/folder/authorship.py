"""Which files of a model's folder the zoo wrote, and which its author did."""

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
    """Whether a card is its author's own: there is one, and it lacks the zoo's mark."""
    return bool(card.strip()) and MARKER not in card


def is_ours(name: str, card: str) -> bool:
    """Whether the zoo wrote a file of a model's folder: a picture only if the zoo draws it.

    Args:
        name: of a file on the closed list.
        card: the folder's; pictures that a card of the zoo's shows are the zoo's too.
    """
    if not name.startswith(FIGURES) or name in _DRAWN:
        return True
    return MARKER in card and f"]({name})" in card


def card_text(target: Path) -> str:
    """A folder's card; one that cannot be read counts as its author's."""
    if not os.path.isfile(target / layout.CARD):
        return ""
    try:
        return read_text(target / layout.CARD) or ""
    except WeightsError:
        return "?"


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A new folder whose files become the model in `target` in place of an earlier one's.

    A card there of its author's own stays, and so does what else the zoo did not write.
    """
    card = card_text(target)
    with staged(target) as stage:
        yield stage
        if is_authors(card):
            log.warning("%s lacks the zoo's mark and was left as it is.", target / layout.CARD)
            remove(stage / layout.CARD)
        new = layout.files_of(stage)
    for name in set(layout.files_of(target)) - set(new):
        if is_ours(name, card) and not (name == layout.CARD and is_authors(card)):
            remove(target / name)
