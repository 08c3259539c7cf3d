"""Which files of a model's folder the zoo wrote, and which its author did."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from zoo.errors import WeightsError
from zoo.folder import layout
from zoo.folder.config import read_text
from zoo.folder.layout import FIGURES
from zoo.io.files import remove
from zoo.specs.metrics import PICTURES

MARKER = "<!-- written by autoencoder-zoo"
"""What stands in every card of the zoo's. One without it is its author's, and left alone."""
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


def drop_stale(target: Path, kept: Collection[str], card: str) -> None:
    """Removes the files of an earlier model of the zoo's, whose card this was.

    Nothing is removed through a link to a figures folder.
    """
    is_linked = (target / layout.FIGURES).is_symlink()
    for name in set(layout.files_of(target)) - set(kept):
        if is_ours(name, card) and not (is_linked and name.startswith(layout.FIGURES)):
            remove(target / name)
