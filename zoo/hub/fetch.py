"""A repo on the Hub -> a folder of the client's cache that holds the files that are wanted.

The revision is resolved to a commit once. config.json comes first: its Spec is validated, and the
announced size of the weights compared with what the Spec implies, before a byte of them is asked
for. The content of every file is compared with the Hub's record, in the cache too.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import constants, is_offline_mode

from zoo.errors import (
    IntegrityError,
    MismatchError,
    OfflineError,
    SourceError,
    UnsafeFormatError,
    WeightsError,
    ZooError,
)
from zoo.folder import layout
from zoo.folder.config import read_config
from zoo.hub import cache, remote
from zoo.hub.failures import UnreachableError, UnwellError, mismatch
from zoo.io.digests import Digest
from zoo.registry.sources import HubAddress, HubCommit, Source
from zoo.specs.base import Spec

log = logging.getLogger("zoo")

REQUIRED = (layout.CONFIG, layout.WEIGHTS)


@dataclass(frozen=True)
class Place:
    """A repo at one commit, and whether the Hub may be asked for what is not cached."""

    repo: str
    revision: str
    """As it was asked for."""
    commit: str
    digests: Mapping[str, Digest]
    token: str | None = field(default=None, repr=False)
    offline: str | None = None
    """Why the Hub cannot be asked; None if it can."""

    @property
    def name(self) -> str:
        return f"{self.repo} at commit {self.commit[:12]}"

    @property
    def folder(self) -> Path:
        return cache.snapshot(self.repo, self.commit)

    def has(self, names: Collection[str]) -> bool:
        """Whether all of these files that the repo has are cached."""
        return all(os.path.exists(self.folder / name) for name in names if name in self.digests)


def fetch(
    address: HubAddress,
    wanted: Collection[str] | None,
    token: str | None,
    offline: bool,
    or_less: bool = False,
) -> Source:
    """The folder with the wanted files of a model; None wants every file on the closed list, the
    folder of figures all in it.

    With `or_less`, texts and pictures that cannot be had offline are left out.

    Raises:
        SourceError: for a repo or revision that there is not, or that holds no zoo model.
        UnsafeFormatError: for one that holds only pickles.
        SpecError, WeightsError, PluginError: for a config.json that cannot be used.
        IntegrityError: for content that is not what the Hub's record says, twice.
        OfflineError: for what is not cached while the Hub cannot be asked.
        HubError: where the Hub refuses or fails.
    """
    place = _resolve(address, remote.checked_token(token), wanted, offline, or_less)
    files = _chosen(place.digests, wanted)
    obtain(place, layout.CONFIG)
    config, spec = read_config(place.folder, "repository")
    if layout.WEIGHTS in files and not place.has((layout.WEIGHTS,)):
        _check_announced_weights(place, config.family, spec)
    for name in files:
        if name == layout.CONFIG:
            continue
        try:
            obtain(place, name)
        except OfflineError as away:
            if not or_less or name in REQUIRED:
                raise
            place = replace(place, offline=place.offline or _first_sentence(away))
    commit = HubCommit(place.repo, place.commit, place.digests)
    origin = address.line.name if address.line else commit.origin
    return Source(place.folder, origin, address.line, commit, wanted)


def _chosen(there: Collection[str], wanted: Collection[str] | None) -> list[str]:
    """Which of a repo's files are wanted."""
    if wanted is None:
        return list(there)
    pictures = [n for n in there if layout.FIGURES in wanted and n.startswith(f"{layout.FIGURES}/")]
    return [name for name in wanted if name in there] + pictures


def _resolve(
    address: HubAddress,
    token: str | None,
    wanted: Collection[str] | None,
    offline: bool,
    or_less: bool,
) -> Place:
    """Which commit, and what its files must be: by the cache if it is pinned, else by the Hub."""
    revision = address.revision or constants.DEFAULT_REVISION
    if offline or is_offline_mode():
        why = "offline=True" if offline else "HF_HUB_OFFLINE is set"
        return _from_cache(address.repo, revision, wanted, or_less, OfflineError(why))
    if address.is_pinned and (known := cache.records(address.repo, revision)):
        place = Place(address.repo, revision, revision, known, token)
        if place.has(_chosen(known, wanted)):
            return place
    listing = _listing(address, token)
    if isinstance(listing, ZooError):
        return _from_cache(address.repo, revision, wanted, or_less, listing)
    return _from_listing(address, revision, listing, token)


def _listing(address: HubAddress, token: str | None) -> remote.Listing | ZooError:
    """What the Hub has, or why it cannot be asked now."""
    try:
        return remote.list_repo(address.repo, address.revision, token)
    except (UnreachableError, UnwellError) as down:
        return down.with_traceback(None)


def _from_listing(
    address: HubAddress, revision: str, listing: remote.Listing, token: str | None
) -> Place:
    """What the Hub has now, noted for the next time."""
    if address.is_pinned and listing.commit != revision:
        raise IntegrityError(f"The Hub answered with commit {listing.commit}, not {revision}.")
    digests = _checked_listing(listing)
    if listing.repo != address.repo:
        log.warning("%s is now called %s.", address.repo, listing.repo)
    _say_if_moved(address, listing.commit)
    cache.remember_records(address.repo, listing.commit, digests)
    cache.remember_revision(address.repo, revision, listing.commit)
    return Place(address.repo, revision, listing.commit, digests, token)


def _from_cache(
    repo: str, revision: str, wanted: Collection[str] | None, or_less: bool, down: ZooError
) -> Place:
    """What is cached of a revision that the Hub cannot be asked about. Raises OfflineError."""
    why, commit = _first_sentence(down), cache.commit_of(repo, revision)
    if commit is None:
        if isinstance(down, UnwellError):
            raise down
        raise _not_cached(repo, revision, "what the revision is", why)
    known = cache.records(repo, commit)
    if known is None and wanted is None and not or_less:
        raise _not_cached(repo, revision, "the list of its files", why)
    digests = known or cache.records_from_links(repo, commit)
    for name in REQUIRED if wanted is None else wanted:
        if name in REQUIRED and name not in digests:
            raise _not_cached(repo, revision, f"{name}, as a link into the Hub's cache,", why)
    if commit != revision:
        using = f"{repo} at commit {commit}"
        log.warning("%s: using %s from the cache, as %r was last.", why, using, revision)
    return Place(repo, revision, commit, digests, offline=why)


def _first_sentence(error: ZooError) -> str:
    return str(error).partition(". ")[0].rstrip(".")


def _not_cached(repo: str, revision: str, what: str, why: str) -> OfflineError:
    at = "" if revision == constants.DEFAULT_REVISION else f" --revision {revision}"
    return OfflineError(
        f"{repo!r} is not in the cache: {what} of {revision!r} was looked for in "
        f"{str(cache.folder_of(repo))!r}. {why}. With the Hub in reach, "
        f"`zoo pull {repo}{at}` fetches it."
    )


def _checked_listing(listing: remote.Listing) -> dict[str, Digest]:
    """The Hub's record of the files on the closed list, of a repo that holds a model."""
    for name in REQUIRED:
        if name not in listing.files:
            raise _no_model(listing, name)
    digests = {}
    for name, digest in listing.files.items():
        if layout.belongs(name):
            if digest is None:
                raise IntegrityError(f"The Hub has no record of {name} of {listing.repo!r}.")
            digests[name] = digest
    return digests


def _no_model(listing: remote.Listing, missing: str) -> ZooError:
    names = sorted(name for name in listing.files if name != ".gitattributes")
    pickles = [name for name in names if Path(name).suffix in layout.PICKLES]
    if pickles:
        return UnsafeFormatError(
            f"{listing.repo!r} has {', '.join(map(repr, pickles[:3]))} and no {missing}. "
            f"{layout.NO_PICKLES}"
        )
    there = f"it holds {', '.join(map(repr, names[:5]))}" if names else "it is empty"
    return SourceError(f"{listing.repo!r} is not a zoo model: it has no {missing}; {there}.")


def _say_if_moved(address: HubAddress, commit: str) -> None:
    """A revision that was asked for by name, such as a tag, is expected to stay."""
    before = cache.commit_of(address.repo, address.revision) if address.revision else None
    if before not in (None, commit):
        log.warning(
            "%r of %s has moved from commit %s to %s. A commit as revision stays.",
            address.revision,
            address.repo,
            (before or "")[:12],
            commit[:12],
        )


def _check_announced_weights(place: Place, family: str, spec: Spec) -> None:
    from zoo.folder import store

    announced = place.digests[layout.WEIGHTS].size
    least, most = store.sizes_of(family, spec)
    if announced is not None and not least <= announced <= most:
        raise MismatchError(
            f"{layout.WEIGHTS} of {place.name} is announced with {announced:,} bytes; its Spec "
            f"implies {least:,} and little more. It was not fetched."
        )


def obtain(place: Place, name: str) -> Path:
    """Makes one file of the commit be there, with the content of the Hub's record.

    Raises IntegrityError, OfflineError, HubError; WeightsError for a file that is announced too
    large for its name.
    """
    path, digest = place.folder / name, place.digests[name]
    if os.path.exists(path):
        found = cache.damage(path, digest)
        if found is None:
            return path
        if place.offline:
            wrong = mismatch(f"{name} in the cache", found, digest.value, digest.kind)
            raise IntegrityError(f"{wrong} {place.offline}; online it is fetched anew.")
        log.warning("%s of %s is damaged in the cache: fetching it anew.", name, place.name)
        cache.evict(path)
    if place.offline:
        raise _not_cached(place.repo, place.revision, name, place.offline)
    limit = layout.limit_of(name)
    if limit is not None and (digest.size or 0) > limit:
        raise WeightsError(
            f"{name} of {place.repo!r} is announced with {digest.size:,} bytes; at most "
            f"{limit:,} are right. It was not fetched."
        )
    return _download(place, name, digest)


def _download(place: Place, name: str, digest: Digest) -> Path:
    """Fetches a file, once more if it comes damaged."""
    for last in (False, True):
        try:
            path = remote.download(place.repo, place.commit, name, digest, place.token)
        except UnreachableError as away:
            why = _first_sentence(away)
            raise _not_cached(place.repo, place.revision, name, why) from None
        found = cache.damage(path, digest)
        if found is None:
            return path
        cache.evict(path)
        if last:
            wrong = mismatch(f"{name} of {place.name}", found, digest.value, digest.kind)
            raise IntegrityError(f"{wrong} It was fetched twice: try another network, or later.")
        log.warning("%s of %s came damaged: fetching it once more.", name, place.name)
    raise AssertionError("the last try returns or raises")
