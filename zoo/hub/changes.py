"""A repo as it is, and the files that are pushed -> what a commit must do. Others' files stay."""

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
    """What a commit must do to a repo."""

    add: dict[str, bytes]
    delete: tuple[str, ...]
    kept: tuple[str, ...]
    card: str
    """README.md as it is afterward."""


def changes_of(listing: Listing, what: Prepared) -> Changes:
    """What differs between the repo and the files. Raises HubError for another kind of repo."""
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
            f"{listing.repo!r} holds files of another kind of model under the names that the zoo "
            "uses. Nothing was pushed: name another repo."
        )
    missing = there.keys() - files.keys() - {layout.CARD}
    stale = sorted(name for name in missing if ours and is_ours(name, before or card))
    return Changes(add, tuple(stale), kept, card)


def _is_zoo_model(listing: Listing) -> bool:
    """Whether the repo's config.json is of the zoo. Raises HubError for one of a newer format."""
    try:
        config = parse_json(small_text(listing, layout.CONFIG).encode(), layout.CONFIG)
    except ZooError:
        return False
    kind = config.get("format")
    if not isinstance(kind, str) or not kind.startswith(FORMAT.partition("/")[0] + "/"):
        return False
    if kind != FORMAT:
        raise HubError(
            f"{listing.repo!r} holds a model of the format {kind!r}, and this zoo writes "
            f"{FORMAT!r}. Nothing was pushed: pip install -U autoencoder-zoo."
        )
    return True
