"""A repo on the Hub -> a folder of the client's cache that holds the files that are wanted.

In this order, each once: the commit is found and its files listed; it is decided which are needed;
each is obtained and checked. config.json comes first: its Spec is validated, and the announced size
of the weights compared with what the Spec implies, before a byte of them is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

from huggingface_hub import constants, is_offline_mode

from zoo.errors import IntegrityError, MismatchError
from zoo.families.diffusers import format as foreign
from zoo.folder import layout
from zoo.folder.config import read_config
from zoo.hub.client import checked_token, download, list_repo
from zoo.hub.failures import HubUnavailableError, UnreachableError, first_sentence
from zoo.hub.listing import Listing, cached_listing
from zoo.hub.obtain import obtain
from zoo.registry import families
from zoo.registry.sources import HubAddress, HubCommit, Source

log = logging.getLogger("zoo")


def fetch(
    address: HubAddress, wanted: Collection[str] | None, token: str | None, offline: bool
) -> Source:
    """The folder with the wanted files of a model; None wants every file on the closed list, or,
    where the Hub cannot be asked, all that are cached.

    The weights are left unchecked unless every file is wanted: whoever reads them checks them, once.

    Raises:
        SourceError: for an unknown repo or revision, or a repo that holds no zoo model.
        UnsafeFormatError: for one that holds only pickles.
        SpecError, WeightsError, PluginError: for a config.json that cannot be used.
        IntegrityError: for content that is not what the Hub's record says, twice.
        OfflineError: for what is not cached while the Hub cannot be asked.
        HubError: where the Hub refuses or fails.
    """
    listing = _find_commit(address, wanted, checked_token(token), offline)
    with_weights = wanted is None or layout.WEIGHTS in wanted
    if wanted is None or layout.CONFIG in wanted:
        obtain(listing, layout.CONFIG)
        for index in foreign.index_among(listing.files) if with_weights else ():
            obtain(listing, index)  # which says what the weights are
        _check_config(listing, with_weights)
    for name in listing.chosen(wanted):
        if name != layout.CONFIG:
            obtain(listing, name, checked=name not in listing.weights or wanted is None)
    ours = [name for name in listing.files if layout.belongs(name) or name in listing.weights]
    records = {name: one for name in ours if (one := listing.files[name])}
    commit = HubCommit(listing.repo, listing.commit, records, listing.subfolder)

    def again() -> None:
        for name in listing.weights:
            download(listing, name, anew=True)

    origin = address.line.name if address.line else commit.origin
    anew = None if listing.offline else again
    return Source(listing.folder, origin, address.line, commit, wanted, anew)


def _find_commit(
    address: HubAddress, wanted: Collection[str] | None, token: str | None, offline: bool
) -> Listing:
    """Which commit, and what its files must be: by the Hub, or by the cache if the Hub need not or
    cannot be asked."""
    revision = address.revision or constants.DEFAULT_REVISION
    before = cached_listing(address, token)
    if before and address.is_pinned and wanted is not None and before.has(wanted):
        return before
    why = "offline=True" if offline else "HF_HUB_OFFLINE is set" if is_offline_mode() else ""
    listing = None
    if not why:
        try:
            listing = list_repo(address.repo, address.revision, token, address.subfolder)
        except (UnreachableError, HubUnavailableError) as failure:
            if before is None and isinstance(failure, HubUnavailableError):
                raise
            why = first_sentence(failure)
    if listing is None:
        if before is None:
            nothing = Listing(address.repo, revision, revision, subfolder=address.subfolder)
            return replace(nothing, offline=why)
        if before.commit != revision:
            using = f"{before.repo} at commit {before.commit}"
            log.warning("%s: using %s from the cache, as %r was last.", why, using, revision)
        return replace(before, offline=why)
    if address.is_pinned and listing.commit != revision:
        raise IntegrityError(f"The Hub answered with commit {listing.commit}, not {revision}.")
    if listing.new_name:
        log.warning("%s is now called %s.", address.repo, listing.new_name)
    has_moved = before is not None and before.commit != listing.commit
    if before and has_moved and address.revision:
        old, new = before.commit[:12], listing.commit[:12]
        moved = "%r of %s has moved from commit %s to %s. A commit as revision stays."
        log.warning(moved, revision, address.repo, old, new)
    return replace(listing, is_noted=before is not None and not has_moved)


def _check_config(listing: Listing, with_weights: bool) -> None:
    """A valid Spec, and weights that can be its own, as far as that is known before they are fetched."""
    said, spec = read_config(listing.folder, "repository")
    records = [record for name in listing.weights if (record := listing.files[name])]
    if not records or not with_weights:
        return
    from zoo.folder.weights import sizes_of  # torch: `zoo.info` does without

    least, most = sizes_of(families.get(said.family).skeleton(spec).state_dict())
    if not said.weights_sha256:  # diffusers', which may be float16
        least //= 2
    size, name = sum(record.size or 0 for record in records), listing.weights[0]
    if all(record.size is not None for record in records) and not least <= size <= most:
        raise MismatchError(
            f"{name} of {listing} is announced with {size:,} bytes; its "
            f"Spec implies {least:,} and little more. It was not fetched."
        )
    first = records[0]
    if first.kind == "sha256" and said.weights_sha256 not in ("", first.value):
        raise IntegrityError(
            f"sha256 of {name} of {listing} is {first.value[:12]}..., expected "
            f"{said.weights_sha256[:12]}..., as its config.json says: tell its author."
        )
