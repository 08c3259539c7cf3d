"""A model -> one commit on the Hub with exactly the files of the closed list.

What is pushed is read once, loaded back from those bytes, and compared with what the repo holds:
only what differs travels, and nothing at all if nothing does.
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
    license: str | None
    """What the README.md that is there now names."""


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

    The repo is made if it is not there. Files of it that are not on a model's closed list stay.
    README.md is written anew for the repo, unless the folder's lacks the mark that the zoo leaves
    in a card: then it is pushed as it is. One there that lacks the mark is left alone.

    Args:
        model_or_folder: a model, or the folder of one.
        repo_id: `org/name`.
        private: whether a new repo is private; None is the Hub's default for the namespace.
        revision: the branch to push to; None is `main`.
        create_pr: open a pull request instead.
        license: of the weights, as the Hub calls it, such as `mit`; None is what the README.md of
            the folder says, else that of the repo.
        token: of the Hub; None is the one of `hf auth login` or `HF_TOKEN`.

    Raises:
        InputError, SourceError: for something that is not a model's folder, or holds links.
        WeightsError: for a model that does not load back.
        HubError: where the Hub refuses, or the repo holds something else than a zoo model.
        OfflineError: where the Hub cannot be reached.
    """
    target = Target(repo_id, "model", private, revision, create_pr, token)
    with prepared(model_or_folder, target, license) as what:
        return publish(target, lambda listing: changes_of(listing, what))


def publish(target: Target, changes_to: Callable[[Listing], Changes]) -> Published:
    """Lists the repo, made if it is not there, compares, and commits; and again if the branch has
    moved in the meantime.

    A commit whose answer was lost has moved it too: then nothing differs any more.

    Args:
        target: where to.
        changes_to: what a commit must do to a repo as it is now.

    Raises HubError, OfflineError as `push` does, and what `changes_to` does.
    """
    target.check_can_be_asked()
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
            if target.create_pr:  # whether it was opened only a person sees
                where = f"{target.page}/discussions"
                raise HubError(f"{lost} The pull request may have been opened: {where}") from None
            raise
        except StaleError:
            if wait is None:
                raise
            sent = changes
        log.warning("%s has moved in the meantime: looking at it again in %g s.", target.repo, wait)
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _listed(target: Target) -> Listing:
    """The repo as it is now, made if it is not there."""
    repo, kind, revision, token = target.repo, target.kind, target.revision, target.token
    try:
        listing = client.list_repo(repo, revision, token, kind=kind)
    except NoRepoError as absent:
        if not target.is_main:
            raise SourceError(f"{absent} A new repo begins with main: push there.") from None
        client.create_repo(repo, target.private, token, kind)
        listing = client.list_repo(repo, revision, token, kind=kind)
    except SourceError as missing:
        typed = "" if kind == "model" else f" --type {kind}"
        make = f" `hf repos branch create {repo} {revision}{typed}` makes a branch."
        raise SourceError(f"{missing}{'' if '/' in str(revision) else make}") from None
    if listing.new_name:
        raise HubError(
            f"{repo!r} is now called {listing.new_name!r}. Nothing was pushed: name that."
        )
    if target.private is not None and listing.private not in (None, target.private):
        is_, asked = ("private", "public") if listing.private else ("public", "private")
        raise HubError(
            f"{repo!r} is there already and is {is_}, and {asked} was asked for. Nothing "
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
