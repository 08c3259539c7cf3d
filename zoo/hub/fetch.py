"""A repo on the Hub -> a folder of the client's cache that holds the files that are wanted.

The commit is found and its files listed once; then it is decided what is needed, and each file is
obtained and compared with the Hub's record. config.json comes first: its Spec is validated, and the
announced size of the weights compared with what the Spec implies, before a byte of them is asked for.

The cache is the client's, and written by the client alone. In it a file is a link to a blob that is
named after the Hub's record of it: so what is cached is checked without a request.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import constants, is_offline_mode, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name

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
from zoo.folder.config import Config, read_config
from zoo.folder.weights import sizes_of
from zoo.hub.client import Listing, checked_token, download, list_repo
from zoo.hub.failures import HubUnavailableError, UnreachableError
from zoo.io.digests import Digest
from zoo.registry.sources import HubAddress, HubCommit, Source
from zoo.specs.base import Spec

log = logging.getLogger("zoo")

REQUIRED = (layout.CONFIG, layout.WEIGHTS)


@dataclass(frozen=True)
class Snapshot:
    """A repo at one commit, and whether the Hub may be asked for what is not cached."""

    repo: str
    revision: str
    """As it was asked for."""
    commit: str
    digests: Mapping[str, Digest] = field(default_factory=dict)
    """The Hub's record of every file of a model; empty where the Hub was not asked."""
    token: str | None = field(default=None, repr=False)
    away: str = ""
    """Why the Hub cannot be asked; empty if it can."""

    @property
    def name(self) -> str:
        return f"{self.repo} at commit {self.commit[:12]}"

    def cached(self, name: str) -> Path | None:
        """A file of this commit, if it is cached."""
        return _cached(self.repo, self.commit, name)

    def record_of(self, name: str) -> Digest | None:
        """What the Hub says that a file must be, as far as it is known here."""
        path = self.cached(name)
        return self.digests.get(name) or (Digest.of_link(path) if path else None)


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
    config = obtain(snapshot, layout.CONFIG)
    names = _chosen(snapshot, config.parent, wanted, or_less)
    said, spec = read_config(config.parent, "repository")
    if layout.WEIGHTS in names:
        _check_announced_weights(snapshot, said, spec)
    for name in names:
        try:
            obtain(snapshot, name, checked=name != layout.WEIGHTS or wanted is None)
        except OfflineError as gone:
            if not or_less or name in REQUIRED:
                raise
            snapshot = replace(snapshot, away=snapshot.away or _first_sentence(gone))
    there = layout.files_of(config.parent)
    known = {name: digest for name in there if (digest := snapshot.record_of(name))}
    commit = HubCommit(snapshot.repo, snapshot.commit, {**known, **snapshot.digests})
    return Source(
        config.parent,
        address.line.name if address.line else commit.origin,
        address.line,
        commit,
        wanted,
        None if snapshot.away else lambda: _download(snapshot, layout.WEIGHTS, anew=True),
    )


def _resolve(
    address: HubAddress, wanted: Collection[str] | None, token: str | None, offline: bool
) -> Snapshot:
    """Which commit, and what its files must be: by the Hub, or by the cache if the Hub need not or
    cannot be asked."""
    repo, revision = address.repo, address.revision or constants.DEFAULT_REVISION
    if address.is_pinned and wanted and all(_cached(repo, revision, name) for name in wanted):
        return Snapshot(repo, revision, revision, token=token)
    down: ZooError | None = None
    if offline or is_offline_mode():
        away = "offline=True" if offline else "HF_HUB_OFFLINE is set"
    else:
        try:
            return _listed(address, revision, list_repo(repo, address.revision, token), token)
        except (UnreachableError, HubUnavailableError) as failure:
            down, away = failure, _first_sentence(failure)
    config = _cached(repo, revision, layout.CONFIG)
    if config is None:
        if isinstance(down, HubUnavailableError):
            raise down
        raise _not_cached(repo, revision, layout.CONFIG, away)
    commit = config.parent.name
    if commit != revision:
        using = f"{repo} at commit {commit}"
        log.warning("%s: using %s from the cache, as %r was last.", away, using, revision)
    return Snapshot(repo, revision, commit, away=away)


def _listed(address: HubAddress, revision: str, listing: Listing, token: str | None) -> Snapshot:
    """A commit as the Hub lists it, if it holds a model."""
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
    before = _cached(address.repo, revision, layout.CONFIG)
    if address.revision and before and before.parent.name != listing.commit:
        old, new = before.parent.name[:12], listing.commit[:12]
        moved = "%r of %s has moved from commit %s to %s. A commit as revision stays."
        log.warning(moved, revision, address.repo, old, new)
    return Snapshot(address.repo, revision, listing.commit, digests, token)


def _chosen(
    snapshot: Snapshot, folder: Path, wanted: Collection[str] | None, or_less: bool
) -> list[str]:
    """Which of a repo's files are wanted. Raises OfflineError for a part of all of them."""
    there = list(snapshot.digests) or layout.files_of(folder)
    if wanted is None:
        if snapshot.away and not or_less and (lacking := layout.lacking(folder)):
            raise _not_cached(snapshot.repo, snapshot.revision, lacking, snapshot.away)
        return there
    if not snapshot.digests and layout.WEIGHTS in wanted:
        there = [*there, layout.WEIGHTS]  # it must be there, or is asked for
    pictures = [n for n in there if layout.FIGURES in wanted and n.startswith(f"{layout.FIGURES}/")]
    return [name for name in wanted if name in there] + pictures


def _check_announced_weights(snapshot: Snapshot, said: Config, spec: Spec) -> None:
    """What can be known of the weights before they are fetched, or read."""
    record = snapshot.digests.get(layout.WEIGHTS)
    if record is None:
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


def obtain(snapshot: Snapshot, name: str, checked: bool = True) -> Path:
    """One file of the commit, cached, with the content of the Hub's record if it is checked.

    Raises IntegrityError, OfflineError, HubError; WeightsError for a file that is announced too
    large for its name.
    """
    path = snapshot.cached(name)
    if path is None or (name == layout.CONFIG and not snapshot.away):
        path = _download(snapshot, name)
    record = snapshot.record_of(name)
    if not checked or record is None or record.is_of(path):
        return path
    if not snapshot.away:
        log.warning("%s of %s is damaged: fetching it once more.", name, snapshot.name)
        path = _download(snapshot, name, anew=True)
        if record.is_of(path):
            return path
    raise IntegrityError(
        f"{name} of {snapshot.name} is not what the Hub's record says, {record.kind} "
        f"{record.value[:12]}...: it was altered or damaged, and nothing of it was used. "
        + (
            f"{snapshot.away}; online it is fetched anew."
            if snapshot.away
            else "It was fetched twice."
        )
    )


def _download(snapshot: Snapshot, name: str, anew: bool = False) -> Path:
    """Fetches a file; config.json by the revision's name, for the client to note which commit it is."""
    record, limit = snapshot.digests.get(name), layout.limit_of(name)
    if name == layout.CONFIG and not anew:
        noted = _cached(snapshot.repo, snapshot.revision, name)
        if noted and noted.parent.name == snapshot.commit:
            return noted
    if snapshot.away:
        raise _not_cached(snapshot.repo, snapshot.revision, name, snapshot.away)
    if limit is not None and record is not None and (record.size or 0) > limit:
        raise WeightsError(
            f"{name} of {snapshot.repo!r} is announced with {record.size:,} bytes; at most "
            f"{limit:,} are right. It was not fetched."
        )
    by_name = (snapshot.revision,) if name == layout.CONFIG else ()
    try:
        for revision in (*by_name, snapshot.commit):
            path = download(snapshot.repo, revision, name, snapshot.token, anew=anew)
            if path.parts[-len(Path(name).parts) - 1] == snapshot.commit:
                return path
    except UnreachableError as gone:
        why = _first_sentence(gone)
        raise _not_cached(snapshot.repo, snapshot.revision, name, why) from None
    raise IntegrityError(f"The Hub sent {name} of another commit than {snapshot.commit}.")


def _cached(repo: str, revision: str, name: str) -> Path | None:
    if name == layout.FIGURES:
        return None
    found = try_to_load_from_cache(repo, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


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


def _not_cached(repo: str, revision: str, what: str, why: str) -> OfflineError:
    at = "" if revision == constants.DEFAULT_REVISION else f" --revision {revision}"
    where = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")
    return OfflineError(
        f"{repo!r} is not in the cache: {what} of {revision!r} was looked for in {str(where)!r}. "
        f"{why}. With the Hub in reach, `zoo pull {repo}{at}` fetches it."
    )


def _first_sentence(error: ZooError) -> str:
    return str(error).partition(". ")[0].rstrip(".")
