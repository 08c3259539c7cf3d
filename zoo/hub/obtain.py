"""One file of a repo at a commit: fetched unless cached, and checked against the Hub's record."""

from __future__ import annotations

import logging
from pathlib import Path

from zoo.errors import IntegrityError, WeightsError
from zoo.families.diffusers import format as foreign
from zoo.folder import layout
from zoo.folder.config import missing_file
from zoo.hub.client import download
from zoo.hub.listing import Listing
from zoo.io.files import read_regular

log = logging.getLogger("zoo")


def obtain(listing: Listing, name: str, *, checked: bool = True) -> Path:
    """A file of the commit in the client's cache; if `checked`, it matches the Hub's record.

    Raises IntegrityError, OfflineError, HubError; SourceError for a repo without the file,
    UnsafeFormatError for one with pickles instead, WeightsError for a file that is listed as too
    large.
    """
    if name not in listing.files and not listing.offline:
        theirs = listing.folder if foreign.has_any(listing.files) else None
        raise missing_file(name, listing.repo, listing.files, theirs)
    record, limit = listing.files.get(name), layout.limit_of(name)
    if limit is not None and record is not None and (record.size or 0) > limit:
        raise WeightsError(
            f"{name} of {listing.repo!r} is listed with {record.size:,} bytes; the limit is "
            f"{limit:,}. It was not fetched."
        )
    path = download(listing, name)
    if not checked or record is None or record.is_of(path):
        return path
    again = f"{listing.offline}; once online, it is fetched again."
    if not listing.offline:
        log.warning("%s of %s is damaged: fetching it once more.", name, listing)
        path = download(listing, name, force=True)
        if record.is_of(path):
            return path
        again = "It was fetched twice."
    raise IntegrityError(
        f"{name} of {listing} does not match the Hub's record, {record.kind} "
        f"{record.value[:12]}...: it was altered or damaged, and was not used. {again}"
    )


def small_text(listing: Listing, name: str) -> str:
    """The text of a small file of the repo; `?` if it is too large to be the zoo's."""
    digest, limit = listing.files[name], layout.limit_of(name) or 0
    if digest is None or (digest.size or 0) > limit:
        return "?"
    return read_regular(obtain(listing, name), limit).decode("utf-8", "replace")
