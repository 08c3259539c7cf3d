"""A repo on the Hub -> a folder of the client's cache with the wanted files.

The commit is resolved and its files are listed; then each wanted file is fetched and checked, once.
config.json comes first: its Spec is validated, and the listed size of the weights compared with the
size that the Spec implies, before any of them is requested.
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
    """The folder with the wanted files of a model; None wants every file on the closed list or, if
    the Hub cannot be reached, every cached one.

    The weights are checked here only if every file is wanted: otherwise loading checks them, once.

    Raises:
        SourceError: for an unknown repo or revision, or a repo without a zoo model.
        UnsafeFormatError: for a repo with pickles only.
        SpecError, WeightsError, PluginError: for a config.json that cannot be used.
        IntegrityError: for content that twice did not match the Hub's record.
        OfflineError: if a file is not cached and the Hub cannot be reached.
        HubError: if the Hub refuses or fails.
    """
    listing = _find_commit(address, wanted, checked_token(token), offline)
    with_weights = wanted is None or layout.WEIGHTS in wanted
    if wanted is None or layout.CONFIG in wanted:
        obtain(listing, layout.CONFIG)
        for index in foreign.index_among(listing.files) if with_weights else ():
            obtain(listing, index)  # which lists the weights
        _check_config(listing, with_weights)
    for name in listing.chosen(wanted):
        if name != layout.CONFIG:
            obtain(listing, name, checked=name not in listing.weights or wanted is None)
    ours = [name for name in listing.files if layout.belongs(name) or name in listing.weights]
    records = {name: one for name in ours if (one := listing.files[name])}
    commit = HubCommit(listing.repo, listing.commit, records, listing.subfolder)

    def fetch_again() -> None:
        for name in listing.weights:
            download(listing, name, force=True)

    origin = address.line.name if address.line else commit.origin
    return Source(
        listing.folder,
        origin,
        address.line,
        commit,
        wanted,
        None if listing.offline else fetch_again,
    )


def _find_commit(
    address: HubAddress, wanted: Collection[str] | None, token: str | None, offline: bool
) -> Listing:
    """The listing of the commit to use: from the Hub, or from the cache if it suffices or the Hub
    cannot be reached."""
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
            log.warning(
                "%s: using %s from the cache, the last known commit of %r.", why, using, revision
            )
        return replace(before, offline=why)
    if address.is_pinned and listing.commit != revision:
        raise IntegrityError(f"The Hub answered with commit {listing.commit}, not {revision}.")
    if listing.new_name:
        log.warning("%s was renamed to %s.", address.repo, listing.new_name)
    has_moved = before is not None and before.commit != listing.commit
    if before and has_moved and address.revision:
        old, new = before.commit[:12], listing.commit[:12]
        moved = "%r of %s has moved from commit %s to %s. To keep a commit, give it as revision."
        log.warning(moved, revision, address.repo, old, new)
    return replace(listing, is_noted=before is not None and not has_moved)


def _check_config(listing: Listing, with_weights: bool) -> None:
    """Checks the Spec, and before the weights are fetched their listed size and hash."""
    config, spec = read_config(listing.folder, "repository")
    records = [record for name in listing.weights if (record := listing.files[name])]
    if not records or not with_weights:
        return
    from zoo.folder.weights import sizes_of  # imports torch, which `zoo.info` does not need

    least, most = sizes_of(families.get(config.family).skeleton(spec).state_dict())
    if not config.weights_sha256:  # diffusers weights, which may be float16
        least //= 2
    size, name = sum(record.size or 0 for record in records), listing.weights[0]
    if all(record.size is not None for record in records) and not least <= size <= most:
        raise MismatchError(
            f"{name} of {listing} is listed with {size:,} bytes; its "
            f"Spec implies {least:,}, or slightly more. It was not fetched."
        )
    first = records[0]
    if first.kind == "sha256" and config.weights_sha256 not in ("", first.value):
        raise IntegrityError(
            f"sha256 of {name} of {listing} is {first.value[:12]}..., expected "
            f"{config.weights_sha256[:12]}... by its config.json: report it to the author."
        )
