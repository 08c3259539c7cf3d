"""A repo and the files to push -> the changes to commit. Files that are not the zoo's are kept."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.cards.licenses import card_license
from zoo.errors import HubError, ZooError
from zoo.folder import layout
from zoo.folder.authorship import is_authors, is_ours
from zoo.folder.config import FORMAT
from zoo.hub.listing import Listing
from zoo.hub.obtain import small_text
from zoo.hub.prepare import Prepared
from zoo.specs.validation import parse_json


@dataclass(frozen=True)
class Changes:
    """The changes to commit to a repo."""

    add: dict[str, bytes]
    delete: tuple[str, ...]
    kept: tuple[str, ...]
    card: str
    """README.md after the commit."""


def changes_of(listing: Listing, what: Prepared) -> Changes:
    """The changes from the repo to the files. Raises HubError for a repo with another kind of model."""
    there = {name: digest for name, digest in listing.files.items() if layout.belongs(name)}
    files = dict(what.files)
    before, kept = "", ()
    files[layout.CARD] = what.card({})
    if layout.CARD in there and not listing.holds(layout.CARD, files[layout.CARD]):
        before = small_text(listing, layout.CARD)
        files[layout.CARD] = what.card(card_license(before))
    card = files[layout.CARD].decode("utf-8", "replace")
    if is_authors(before):
        del files[layout.CARD]
        card, kept = before, (layout.CARD,)
    add = {name: data for name, data in files.items() if not listing.holds(name, data)}
    ours = layout.CONFIG in there and (layout.CONFIG not in add or _is_zoo_model(listing))
    if not ours and there.keys() & ({*layout.TEXTS, layout.WEIGHTS, *files} - {layout.CARD}):
        raise HubError(
            f"{listing.repo!r} contains another kind of model, with files of the names that the "
            "zoo uses. Nothing was pushed: choose another repo."
        )
    missing = there.keys() - files.keys() - {layout.CARD}
    stale = sorted(name for name in missing if ours and is_ours(name, before or card))
    return Changes(add, tuple(stale), kept, card)


def _is_zoo_model(listing: Listing) -> bool:
    """Whether the repo's config.json is a zoo model's. Raises HubError for a newer format."""
    try:
        config = parse_json(small_text(listing, layout.CONFIG).encode(), layout.CONFIG)
    except ZooError:
        return False
    kind = config.get("format")
    if not isinstance(kind, str) or not kind.startswith(FORMAT.partition("/")[0] + "/"):
        return False
    if kind != FORMAT:
        raise HubError(
            f"{listing.repo!r} contains a model of format {kind!r}, but this version writes "
            f"{FORMAT!r}. Nothing was pushed: pip install -U autoencoder-zoo."
        )
    return True
