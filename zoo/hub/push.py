"""A model -> one commit on the Hub with exactly the files of the closed list.

What is pushed is read once, loaded back from those bytes, and compared with what the repo holds:
only what differs travels, and nothing at all if nothing does.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitInfo, constants, get_token, is_offline_mode

from zoo.errors import HubError, OfflineError, SourceError
from zoo.folder.licences import LICENCE, card_licence
from zoo.hub import client
from zoo.hub.changes import Changes, changes_of
from zoo.hub.failures import (
    LOG_IN,
    HubUnavailableError,
    NoRepoError,
    StaleError,
    UnreachableError,
    hub_address,
)
from zoo.hub.listing import Listing
from zoo.hub.prepare import Prepared, prepared
from zoo.models import Autoencoder
from zoo.version import __version__

log = logging.getLogger("zoo")

MOVED_BRANCH_WAITS_S = (1.0, 2.0, 3.0, 4.0)
"""Before a push looks again at a branch that has moved."""


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
        if is_offline_mode():
            raise OfflineError("A push needs the network, and HF_HUB_OFFLINE is set.")
        if token is None and get_token() is None:
            owner = repo_id.partition("/")[0]
            raise HubError(f"A push needs a token that may write to {owner!r}: {LOG_IN}.")
        return _publish(what, repo_id, private, revision, create_pr, token)


def _publish(
    what: Prepared,
    repo: str,
    private: bool | None,
    revision: str | None,
    create_pr: bool,
    token: str | None,
) -> Published:
    """Lists the repo, compares, commits; and again if the branch has moved in the meantime.

    A commit whose answer was lost has moved it too: then nothing differs any more.
    """
    sent: Changes | None = None
    for wait in (*MOVED_BRANCH_WAITS_S, None):
        listing = _listed(repo, private, revision, token)
        changes = changes_of(listing, what)
        if not changes.add and not changes.delete:
            return _published(listing, sent or changes)
        try:
            made = client.commit_files(
                listing,
                changes.add,
                changes.delete,
                message=f"Push {repo.partition('/')[2]} with autoencoder-zoo {__version__}",
                create_pr=create_pr,
            )
            return _published(listing, changes, made)
        except NoRepoError:
            raise
        except SourceError:
            raise SourceError(
                f"{repo!r} has no branch {revision!r}: a tag cannot be pushed to."
            ) from None
        except (HubUnavailableError, UnreachableError) as lost:
            if create_pr:  # whether it was opened only a person sees
                where = f"{hub_address()}/{repo}/discussions"
                raise HubError(f"{lost} The pull request may have been opened: {where}") from None
            raise
        except StaleError:
            if wait is None:
                raise
            sent = changes
        log.warning("%s has moved in the meantime: looking at it again in %g s.", repo, wait)
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _listed(repo: str, private: bool | None, revision: str | None, token: str | None) -> Listing:
    """The repo as it is now, made if it is not there."""
    try:
        listing = client.list_repo(repo, revision, token)
    except NoRepoError as absent:
        if revision not in (None, constants.DEFAULT_REVISION):
            raise SourceError(f"{absent} A new repo begins with main: push there.") from None
        client.create_repo(repo, private, token)
        listing = client.list_repo(repo, revision, token)
    except SourceError as missing:
        make = f" `hf repos branch create {repo} {revision}` makes a branch."
        raise SourceError(f"{missing}{'' if '/' in str(revision) else make}") from None
    if listing.new_name:
        raise HubError(
            f"{repo!r} is now called {listing.new_name!r}. Nothing was pushed: name that."
        )
    if private is not None and listing.private not in (None, private):
        is_, asked = ("private", "public") if listing.private else ("public", "private")
        raise HubError(
            f"{repo!r} is there already and is {is_}, and {asked} was asked for. Nothing "
            f"was pushed: change it on {hub_address()}/{repo}/settings."
        )
    return listing


def _published(listing: Listing, changes: Changes, made: CommitInfo | None = None) -> Published:
    commit = made.oid if made else listing.commit
    return Published(
        listing.repo,
        commit,
        (made and (made.pr_url or made.commit_url))
        or f"{hub_address()}/{listing.repo}/commit/{commit}",
        tuple(sorted(changes.add)),
        changes.delete,
        changes.kept,
        card_licence(changes.card).get(LICENCE),
    )
