"""A model -> one commit on the Hub with exactly the files on the closed list.

Files are read once, verified by loading them back, and compared with those in the repo: only
differing files are sent, and nothing is committed if none differ.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitInfo

from zoo.cards.licenses import LICENSE, card_license
from zoo.errors import HubError, SourceError
from zoo.hub import client
from zoo.hub.changes import Changes, changes_of
from zoo.hub.failures import (
    HubUnavailableError,
    NoRepoError,
    StaleError,
    UnreachableError,
    page_of,
)
from zoo.hub.listing import Listing
from zoo.hub.prepare import prepared
from zoo.hub.target import Target
from zoo.models import Autoencoder
from zoo.version import __version__

log = logging.getLogger("zoo")

MOVED_BRANCH_WAITS_S = (1.0, 2.0, 3.0, 4.0)
"""Waits before a push lists a moved branch again."""


@dataclass(frozen=True)
class Published:
    """The result of a push."""

    repo: str
    commit: str
    """40 hex digits; the pull request's if `create_pr` was set."""
    url: str
    """The commit's page, or the pull request's."""
    pushed: tuple[str, ...]
    """Names of the files that were sent; empty if the repo had all of them."""
    deleted: tuple[str, ...]
    """Files of the previous model that this one does not have."""
    kept: tuple[str, ...]
    """Differing files that were kept: a README.md in the repo without the zoo's marker."""
    license: str | None
    """The license in the repo's README.md after the push."""


def push(
    model_or_folder: Autoencoder | str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    license: str | None = None,
    token: str | None = None,
) -> Published:
    """Publishes a model on the Hugging Face Hub, in one commit.

    The repo is created if it does not exist. Its files that are not on a model's closed list are kept.
    README.md is generated for the repo, unless the folder's lacks the zoo's marker: then it is
    pushed unchanged. A README.md in the repo without the marker is kept.

    Args:
        model_or_folder: a model, or a model's folder.
        repo_id: `org/name`.
        private: whether a new repo is private; None is the Hub's default for the namespace.
        revision: the branch to push to; None is `main`.
        create_pr: open a pull request instead.
        license: the Hub's id of the weights' license, such as `mit`; None is the license in the
            folder's README.md, else in the repo's.
        token: for the Hub; None is the token from `hf auth login` or `HF_TOKEN`.

    Raises:
        InputError, SourceError: for something that is not a model's folder, or contains links.
        WeightsError: for a model that does not load back.
        HubError: if the Hub refuses, or the repo contains something other than a zoo model.
        OfflineError: if the Hub cannot be reached.
    """
    target = Target(repo_id, "model", private, revision, create_pr, token)
    with prepared(model_or_folder, target, license) as what:
        return publish(target, lambda listing: changes_of(listing, what))


def publish(target: Target, changes_to: Callable[[Listing], Changes]) -> Published:
    """Lists the repo, created if needed, and commits the changes; retries if the branch has moved.

    A commit whose response was lost has moved the branch too: then no changes are left.

    Args:
        target: the branch.
        changes_to: the changes to commit to a repo with the given listing.

    Raises HubError, OfflineError as `push`, and any error of `changes_to`.
    """
    target.check_can_push()
    sent: Changes | None = None
    for wait in (*MOVED_BRANCH_WAITS_S, None):
        listing = _listed(target)
        changes = changes_to(listing)
        if not changes.add and not changes.delete:
            return _published(listing, sent or changes)
        try:
            made = client.commit_files(
                listing,
                changes.add,
                changes.delete,
                message=f"Push {target.repo.partition('/')[2]} with autoencoder-zoo {__version__}",
                create_pr=target.create_pr,
            )
            return _published(listing, changes, made)
        except NoRepoError:
            raise
        except SourceError:
            raise SourceError(
                f"{target.repo!r} has no branch {target.revision!r}: a tag cannot be pushed to."
            ) from None
        except (HubUnavailableError, UnreachableError) as lost:
            if target.create_pr:  # the zoo cannot tell whether it was opened
                where = f"{target.page}/discussions"
                raise HubError(f"{lost} The pull request may have been opened: {where}") from None
            raise
        except StaleError:
            if wait is None:
                raise
            sent = changes
        log.warning("%s has moved in the meantime: retrying in %g s.", target.repo, wait)
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _listed(target: Target) -> Listing:
    """The repo's current files; the repo is created if it does not exist."""
    repo, kind, revision, token = target.repo, target.kind, target.revision, target.token
    try:
        listing = client.list_repo(repo, revision, token, kind=kind)
    except NoRepoError as absent:
        if not target.is_main:
            raise SourceError(f"{absent} A new repo starts with main: push to main.") from None
        client.create_repo(repo, target.private, token, kind)
        listing = client.list_repo(repo, revision, token, kind=kind)
    except SourceError as missing:
        typed = "" if kind == "model" else f" --type {kind}"
        make = f" `hf repos branch create {repo} {revision}{typed}` creates a branch."
        raise SourceError(f"{missing}{'' if '/' in str(revision) else make}") from None
    if listing.new_name:
        raise HubError(
            f"{repo!r} was renamed to {listing.new_name!r}. Nothing was pushed: use the new name."
        )
    if target.private is not None and listing.private not in (None, target.private):
        is_, requested = ("private", "public") if listing.private else ("public", "private")
        raise HubError(
            f"{repo!r} already exists and is {is_}, but {requested} was requested. Nothing "
            f"was pushed: change it on {target.page}/settings."
        )
    return listing


def _published(listing: Listing, changes: Changes, made: CommitInfo | None = None) -> Published:
    commit = made.oid if made else listing.commit
    return Published(
        listing.repo,
        commit,
        (made and (made.pr_url or made.commit_url))
        or f"{page_of(listing.repo, listing.kind)}/commit/{commit}",
        tuple(sorted(changes.add)),
        changes.delete,
        changes.kept,
        card_license(changes.card).get(LICENSE),
    )
