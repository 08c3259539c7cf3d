"""A model -> one commit on the Hub with exactly the files of the closed list.

What is pushed is read once, loaded back from those bytes, and compared with what the repo holds:
only what differs travels, and nothing at all if nothing does.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import CommitInfo, constants, get_token, is_offline_mode

from zoo.errors import HubError, OfflineError, SourceError, ZooError
from zoo.folder import layout
from zoo.folder.authorship import is_authors, is_ours
from zoo.folder.config import FORMAT
from zoo.folder.licences import LICENCE, card_licence
from zoo.hub import client
from zoo.hub.failures import (
    LOG_IN,
    HubUnavailableError,
    NoRepoError,
    StaleError,
    UnreachableError,
    hub_address,
    stored_token,
)
from zoo.hub.prepare import Prepared, prepared
from zoo.hub.snapshot import Snapshot
from zoo.io.digests import Digest
from zoo.io.files import read_regular
from zoo.models import Autoencoder
from zoo.specs.validation import parse_json
from zoo.version import __version__

log = logging.getLogger("zoo")

TRIES = 5
"""Times that a push begins anew on a head that has moved, or after a lost answer."""
ENOUGH_S = 20.0
"""After so long no push begins anew."""


@dataclass(frozen=True)
class Published:
    """What a push did."""

    repo: str
    commit: str
    """40 hex digits; of the pull request if one was asked for."""
    url: str
    """The commit's page, or the pull request's."""
    pushed: tuple[str, ...]
    """Names of the files that differed and were sent; none if the repo had them all."""
    deleted: tuple[str, ...]
    """Files of the model that was there before which this one does not have."""
    kept: tuple[str, ...]
    """Files that differ and were left alone: a README.md there without the zoo's mark."""
    licence: str | None
    """What the README.md that is there now names."""


def push(
    model_or_folder: Autoencoder | str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    token: str | None = None,
) -> Published:
    """Publishes a model on the Hugging Face Hub, in one commit.

    The repo is made if it is not there. Files of it that are not on a model's closed list stay.
    README.md is written anew for the repo, unless the folder's lacks the mark that the zoo leaves
    in a card: then it is pushed as it is. One there that lacks the mark is left alone.

    Args:
        model_or_folder: a model, or the folder of one.
        repo_id: `org/name`.
        private: whether a new repo is private; None is the Hub's default for the namespace.
        revision: the branch to push to; None is `main`.
        create_pr: open a pull request instead.
        token: of the Hub; None is the one of `hf auth login` or `HF_TOKEN`.

    Raises:
        InputError, SourceError: for something that is not a model's folder, or holds links.
        WeightsError: for a model that does not load back.
        HubError: where the Hub refuses, or the repo holds something else than a zoo model.
        OfflineError: where the Hub cannot be reached.
    """
    client.checked_token(token)
    with prepared(model_or_folder, repo_id, revision, create_pr, token) as what:
        _check_may_ask(repo_id, token)
        return _Push(repo_id, what, private, revision, create_pr, token).run()


def _check_may_ask(repo: str, token: str | None) -> None:
    if is_offline_mode():
        raise OfflineError("A push needs the network, and HF_HUB_OFFLINE is set.")
    if token is None and stored_token() is None:
        owner = repo.partition("/")[0]
        raise HubError(f"A push needs a token that may write to {owner!r}: {LOG_IN}{_untold()}.")


def _untold() -> str:
    told_not_to = constants.HF_HUB_DISABLE_IMPLICIT_TOKEN and get_token()
    return (
        " (there is one, and HF_HUB_DISABLE_IMPLICIT_TOKEN keeps it unsent)" if told_not_to else ""
    )


@dataclass(frozen=True)
class Changes:
    """What a commit must do to a repo."""

    add: dict[str, bytes]
    delete: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    card: str = ""
    """README.md as it is afterwards."""


@dataclass(frozen=True)
class _Push:
    """One push, as it was asked for."""

    repo: str
    what: Prepared
    private: bool | None
    revision: str | None
    create_pr: bool
    token: str | None = field(repr=False)

    def run(self) -> Published:
        """Compares, commits, and begins anew if somebody else was faster or an answer was lost."""
        start, sent, error = time.monotonic(), None, None
        for attempt in itertools.count(1):
            listing = self._listing()
            changes = self._changes(listing)
            if not changes.add and not changes.delete:
                return self._published(listing.commit, sent or changes)
            if error and (attempt > TRIES or time.monotonic() - start > ENOUGH_S):
                raise error
            try:
                made = self._commit(listing, changes)
                return self._published(made.oid, changes, made.pr_url or made.commit_url)
            except StaleError as moved:
                reason, error = "Somebody else pushed at the same time", moved
            except (HubUnavailableError, UnreachableError) as lost:
                sent = changes  # perhaps it was made: the next look tells
                self._check_pull_request(lost)
                reason, error = str(lost).partition(" Try again")[0], lost
            log.warning("%s: looking at %s again in %g s.", reason.rstrip("."), self.repo, attempt)
            time.sleep(attempt)
        raise AssertionError("the last try returns or raises")

    def _check_pull_request(self, lost: ZooError) -> None:
        """A pull request is not opened twice: whether it was opened only a person sees."""
        if self.create_pr:
            where = f"{hub_address()}/{self.repo}/discussions"
            raise HubError(f"{lost} The pull request may have been opened: {where}") from None

    def _commit(self, listing: client.Listing, changes: Changes) -> CommitInfo:
        try:
            return client.commit_files(
                listing,
                changes.add,
                changes.delete,
                message=f"Push {self.repo.partition('/')[2]} with autoencoder-zoo {__version__}",
                revision=self.revision,
                create_pr=self.create_pr,
                token=self.token,
            )
        except NoRepoError:
            raise
        except SourceError:
            raise SourceError(
                f"{self.repo!r} has no branch {self.revision!r}: a tag cannot be pushed to."
            ) from None

    def _listing(self) -> client.Listing:
        """The repo as it is now, made if it is not there."""
        try:
            listing = client.list_repo(self.repo, self.revision, self.token)
        except NoRepoError as absent:
            if self.revision not in (None, constants.DEFAULT_REVISION):
                raise SourceError(f"{absent} A new repo begins with main: push there.") from None
            client.create_repo(self.repo, self.private, self.token)
            listing = client.list_repo(self.repo, self.revision, self.token)
        except SourceError as missing:
            make = f" `hf repos branch create {self.repo} {self.revision}` makes a branch."
            raise SourceError(f"{missing}{'' if '/' in str(self.revision) else make}") from None
        if listing.repo != self.repo:
            raise HubError(
                f"{self.repo!r} is now called {listing.repo!r}. Nothing was pushed: name that."
            )
        if self.private is not None and listing.private not in (None, self.private):
            is_, asked = ("private", "public") if listing.private else ("public", "private")
            raise HubError(
                f"{self.repo!r} is there already and is {is_}, and {asked} was asked for. Nothing "
                f"was pushed: change it on {hub_address()}/{self.repo}/settings."
            )
        return listing

    def _changes(self, listing: client.Listing) -> Changes:
        """What differs between the repo and the files. Raises HubError for another kind of repo."""
        there = {name: digest for name, digest in listing.files.items() if layout.belongs(name)}
        files = dict(self.what.files)
        before, kept = "", ()
        files[layout.CARD] = self.what.card({})
        if layout.CARD in there and not _is(there[layout.CARD], files[layout.CARD]):
            before = self._text(listing, layout.CARD)
            files[layout.CARD] = self.what.card(card_licence(before))
        card = files[layout.CARD].decode("utf-8", "replace")
        if is_authors(before):
            del files[layout.CARD]
            card, kept = before, (layout.CARD,)
        add = {name: data for name, data in files.items() if not _is(there.get(name), data)}
        if layout.CONFIG in there and layout.CONFIG not in add:
            ours = True
        else:
            ours = self._is_ours(listing, there.keys() & ({*layout.TEXTS, *files} - {layout.CARD}))
        missing = there.keys() - files.keys() - {layout.CARD}
        stale = sorted(name for name in missing if ours and is_ours(name, before or card))
        return Changes(add, tuple(stale), kept, card)

    def _is_ours(self, listing: client.Listing, taken: Collection[str]) -> bool:
        """Whether the repo holds a model of the zoo's.

        Raises HubError if it holds somebody else's files under names that would be written over.
        """
        text = self._text(listing, layout.CONFIG) if layout.CONFIG in listing.files else ""
        kind = _format(text)
        if kind is None and (taken or layout.WEIGHTS in listing.files):
            raise HubError(
                f"{self.repo!r} holds files of another kind of model under the names that the zoo "
                "uses. Nothing was pushed: name another repo."
            )
        if kind not in (None, FORMAT):
            raise HubError(
                f"{self.repo!r} holds a model of the format {kind!r}, and this zoo writes "
                f"{FORMAT!r}. Nothing was pushed: pip install -U autoencoder-zoo."
            )
        return kind is not None

    def _text(self, listing: client.Listing, name: str) -> str:
        """A small file of the repo as it is now; one that is too large to be ours reads as `?`."""
        digest, limit = listing.files[name], layout.limit_of(name) or 0
        if digest is None or (digest.size or 0) > limit:
            return "?"
        there = Snapshot(listing.repo, listing.commit, listing.commit, {name: digest}, self.token)
        return read_regular(there.obtain(name), limit).decode("utf-8", "replace")

    def _published(self, commit: str, changes: Changes, url: str | None = None) -> Published:
        return Published(
            self.repo,
            commit,
            url or f"{hub_address()}/{self.repo}/commit/{commit}",
            tuple(sorted(changes.add)),
            changes.delete,
            changes.kept,
            card_licence(changes.card).get(LICENCE),
        )


def _is(digest: Digest | None, data: bytes) -> bool:
    return digest is not None and digest.matches(data)


def _format(config: str) -> str | None:
    """The `format` of a zoo model's config.json; None for anybody else's."""
    try:
        name = parse_json(config.encode(), layout.CONFIG).get("format")
    except ZooError:
        return None
    is_ours = isinstance(name, str) and name.startswith(FORMAT.partition("/")[0] + "/")
    return name if is_ours else None
