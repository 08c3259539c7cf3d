"""A registry's index and cards, written from the files of its models."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

from zoo.cards.card import render_card
from zoo.errors import IntegrityError
from zoo.folder import layout
from zoo.folder.config import read_info
from zoo.io.digests import Digest
from zoo.io.files import open_regular, write_atomically
from zoo.registry import index


def render_cards(registry: index.Registry) -> None:
    """Writes the card of every model of a registry again, and the hashes of all its files into the index.

    For after a change of what cards say, of metrics.json or of a figure. Raises IntegrityError for
    another config.json or other weights than the index has: those of a name never change.
    """
    for name, line in index.read_index(registry).items():
        if not line.folder.is_dir():
            continue  # on the Hub alone
        for file in (layout.CONFIG, layout.WEIGHTS):
            if not Digest("sha256", line.sha256[file]).is_of(line.folder / file):
                raise IntegrityError(
                    f"{file} of {name} is not what the index says, and the weights of a name never "
                    f"change. Give these a new tag: a recipe called {name}.2."
                )
        card = render_card(read_info(line.folder, name, line))
        write_atomically(line.folder / layout.CARD, card)
        write_line(registry, name, {index.HASHES: hashes_of(line.folder)})


def hashes_of(folder: Path) -> dict[str, str]:
    """The sha256 of every file of a model's folder, by name."""
    hashes = {}
    for name in sorted(layout.files_of(folder)):
        with open_regular(folder / name) as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]  # it has readinto
    return hashes


def write_line(registry: index.Registry, name: str, fields: dict[str, Any]) -> None:
    """Sets fields of a model's index line; the others stay."""
    import tomli_w

    path = registry.models / index.INDEX
    lines = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    lines[name] = lines.get(name, {}) | fields
    write_atomically(path, tomli_w.dumps(dict(sorted(lines.items()))))
