"""A repo on the Hub -> a folder of the client's cache that holds the files that are wanted.

The commit is found and its files listed once; then it is decided what is needed, and each file is
obtained and checked. config.json comes first: its Spec is validated, and the announced size of the
weights compared with what the Spec implies, before a byte of them is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from huggingface_hub import constants, is_offline_mode

from zoo.errors import (
    IntegrityError,
    MismatchError,
    OfflineError,
    SourceError,
    UnsafeFormatError,
    ZooError,
)
from zoo.folder import layout
from zoo.folder.config import read_config
from zoo.folder.weights import sizes_of
from zoo.hub.client import Listing, checked_token, list_repo
from zoo.hub.failures import HubUnavailableError, UnreachableError, first_sentence
from zoo.hub.snapshot import Snapshot, cached, not_cached
from zoo.registry.sources import HubAddress, HubCommit, Source

log = logging.getLogger("zoo")

REQUIRED = (layout.CONFIG, layout.WEIGHTS)


def fetch(
    address: HubAddress,
    wanted: Collection[str] | None,
    token: str | None,
    offline: bool,
    or_less: bool = False,
) -> Source:
    """The folder with the wanted files of a model; None wants every file on the closed list, the
    folder of figures all in it.

    With `or_less`, texts and pictures that cannot be had offline are left out. The weights are left
    unchecked unless every file is wanted: whoever reads them checks them, once.

    Raises:
        SourceError: for an unknown repo or revision, or a repo that holds no zoo model.
        UnsafeFormatError: for one that holds only pickles.
        SpecError, WeightsError, PluginError: for a config.json that cannot be used.
        IntegrityError: for content that is not what the Hub's record says, twice.
        OfflineError: for what is not cached while the Hub cannot be asked.
        HubError: where the Hub refuses or fails.
    """
    snapshot = _resolve(address, wanted, checked_token(token), offline)
    folder = snapshot.obtain(layout.CONFIG).parent
    names = _chosen(snapshot, folder, wanted, or_less)
    _check_config(snapshot, folder, layout.WEIGHTS in names)
    for name in names:
        try:
            snapshot.obtain(name, checked=name != layout.WEIGHTS or wanted is None)
        except OfflineError as gone:
            if not or_less or name in REQUIRED:
                raise
            snapshot = replace(snapshot, away=snapshot.away or first_sentence(gone))
    commit = HubCommit(snapshot.repo, snapshot.commit, snapshot.records(folder))
    origin = address.line.name if address.line else commit.origin
    again = None if snapshot.away else lambda: snapshot.fetch(layout.WEIGHTS, anew=True)
    return Source(folder, origin, address.line, commit, wanted, again)


def _resolve(
    address: HubAddress, wanted: Collection[str] | None, token: str | None, offline: bool
) -> Snapshot:
    """Which commit, and what its files must be: by the Hub, or by the cache if the Hub need not or
    cannot be asked."""
    repo, revision = address.repo, address.revision or constants.DEFAULT_REVISION
    before = cached(repo, revision, layout.CONFIG)
    complete = before and wanted and all((before.parent / name).exists() for name in wanted)
    if complete and address.is_pinned:
        return Snapshot(repo, revision, revision, token=token)
    if offline or is_offline_mode():
        away, down = "offline=True" if offline else "HF_HUB_OFFLINE is set", None
    else:
        try:
            listing = list_repo(repo, address.revision, token)
            return _listed(address, listing, before, token)
        except (UnreachableError, HubUnavailableError) as failure:
            away, down = first_sentence(failure), failure
    if before is None:
        if isinstance(down, HubUnavailableError):
            raise down
        raise not_cached(repo, revision, layout.CONFIG, away)
    commit = before.parent.name
    if commit != revision:
        using = f"{repo} at commit {commit}"
        log.warning("%s: using %s from the cache, as %r was last.", away, using, revision)
    return Snapshot(repo, revision, commit, away=away)


def _listed(
    address: HubAddress, listing: Listing, before: Path | None, token: str | None
) -> Snapshot:
    """A commit as the Hub lists it, if it holds a model."""
    revision = address.revision or constants.DEFAULT_REVISION
    if address.is_pinned and listing.commit != revision:
        raise IntegrityError(f"The Hub answered with commit {listing.commit}, not {revision}.")
    for name in REQUIRED:
        if name not in listing.files:
            raise _no_model(listing, name)
    digests = {}
    for name, digest in listing.files.items():
        if layout.belongs(name):
            if digest is None:
                raise IntegrityError(f"The Hub has no record of {name} of {listing.repo!r}.")
            digests[name] = digest
    if listing.repo != address.repo:
        log.warning("%s is now called %s.", address.repo, listing.repo)
    if address.revision and before and before.parent.name != listing.commit:
        old, new = before.parent.name[:12], listing.commit[:12]
        moved = "%r of %s has moved from commit %s to %s. A commit as revision stays."
        log.warning(moved, revision, address.repo, old, new)
    return Snapshot(address.repo, revision, listing.commit, digests, token)


def _chosen(
    snapshot: Snapshot, folder: Path, wanted: Collection[str] | None, or_less: bool
) -> list[str]:
    """Which of a repo's files are wanted. Raises OfflineError for a part of all of them."""
    there = [*(snapshot.digests or layout.files_of(folder))]
    if wanted is None:
        if snapshot.away and not or_less and (lacking := layout.lacking(folder)):
            raise not_cached(snapshot.repo, snapshot.revision, lacking, snapshot.away)
        return there
    if not snapshot.digests and layout.WEIGHTS in wanted:
        there.append(layout.WEIGHTS)  # it must be there, or is asked for
    pictures = [n for n in there if layout.FIGURES in wanted and n.startswith(f"{layout.FIGURES}/")]
    return [name for name in wanted if name in there] + pictures


def _check_config(snapshot: Snapshot, folder: Path, with_weights: bool) -> None:
    """A valid Spec, and weights that can be its own, as far as that is known before they are fetched."""
    said, spec = read_config(folder, "repository")
    record = snapshot.digests.get(layout.WEIGHTS)
    if record is None or not with_weights:
        return
    least, most = sizes_of(said.family, spec)
    if record.size is not None and not least <= record.size <= most:
        raise MismatchError(
            f"{layout.WEIGHTS} of {snapshot.name} is announced with {record.size:,} bytes; its "
            f"Spec implies {least:,} and little more. It was not fetched."
        )
    if record.kind == "sha256" and record.value != said.weights_sha256:
        raise IntegrityError(
            f"sha256 of {layout.WEIGHTS} of {snapshot.name} is {record.value[:12]}..., expected "
            f"{said.weights_sha256[:12]}..., as its config.json says: tell its author."
        )


def _no_model(listing: Listing, missing: str) -> ZooError:
    names = sorted(name for name in listing.files if name != ".gitattributes")
    pickles = [name for name in names if Path(name).suffix in layout.PICKLES]
    if pickles:
        return UnsafeFormatError(
            f"{listing.repo!r} has {', '.join(map(repr, pickles[:3]))} and no {missing}. "
            f"{layout.NO_PICKLES}"
        )
    there = f"it holds {', '.join(map(repr, names[:5]))}" if names else "it is empty"
    return SourceError(f"{listing.repo!r} is not a zoo model: it has no {missing}; {there}.")
