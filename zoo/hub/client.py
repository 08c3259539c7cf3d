"""What the Hub is asked, by way of the official client: a repo's files, a file, a new repo, a commit."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    hf_hub_download,
)
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from zoo.errors import HubError, InputError
from zoo.hub.failures import RequestContext, attempt, hub_address, stored_token
from zoo.io.digests import Digest
from zoo.registry.sources import COMMIT
from zoo.version import __version__

LIBRARY = "autoencoder-zoo"


@dataclass(frozen=True)
class Listing:
    """A repo at one commit."""

    repo: str
    """As the Hub calls it now: a renamed repo answers under its old name too."""
    commit: str
    private: bool | None
    files: Mapping[str, Digest | None]
    """The Hub's record of each file; None where it gives none."""


def checked_token(token: str | None) -> str | None:
    """The token, if it, or else the one that is stored, can be one.

    Raises InputError, which does not show it.
    """
    used = stored_token() if token is None else token
    fits = isinstance(used, str) and used.isascii() and used.isprintable() and " " not in used
    if used is not None and not (fits and used):
        whose = "The one of HF_TOKEN or `hf auth login`" if token is None else "That"
        raise InputError(f"{whose} is no token of the Hub: it is one word, such as hf_....")
    return token


def list_repo(repo: str, revision: str | None, token: str | None) -> Listing:
    """One request: the commit that a revision is now, and the record of each of its files."""
    asked = RequestContext(f"asking for the files of {repo}", repo, revision, token)

    def ask() -> Listing:
        try:
            found = _api(token).model_info(
                repo,
                revision=revision or constants.DEFAULT_REVISION,
                files_metadata=True,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            )
            files = {one.rfilename: _digest(one) for one in found.siblings or ()}
            if not COMMIT.fullmatch(found.sha or ""):
                raise ValueError("no commit")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as strange:
            if isinstance(strange, OSError):  # the client's own errors are both
                raise
            raise HubError(
                f"{hub_address()} answers for {repo!r} with something that is no list of files."
            ) from None
        return Listing(found.id, found.sha or "", found.private, files)

    return attempt(asked, ask)


def _digest(sibling: RepoSibling) -> Digest | None:
    found = Digest.from_etag((sibling.lfs.sha256 if sibling.lfs else sibling.blob_id) or "")
    if found is None:
        return None
    if not isinstance(sibling.size, int) or sibling.size < 0:
        raise ValueError("no size")
    return Digest(found.kind, found.value, sibling.size)


def download(repo: str, revision: str, name: str, token: str | None, *, anew: bool = False) -> Path:
    """A file of a revision, in the client's cache; its content is still to be checked.

    With `anew`, what is cached is replaced.
    """
    asked = RequestContext(f"fetching {name} of {repo}", repo, revision, token)

    def fetch() -> str:
        return hf_hub_download(
            repo,
            name,
            revision=revision,
            token=token,
            force_download=anew,
            library_name=LIBRARY,
            library_version=__version__,
        )

    return Path(attempt(asked, fetch))


def _api(token: str | None) -> HfApi:
    return HfApi(token=token, library_name=LIBRARY, library_version=__version__)


def create_repo(repo: str, private: bool | None, token: str | None) -> None:
    """A new repo of exactly that name. One that was made in the meantime is as good."""
    asked = RequestContext(f"creating {repo}", repo, None, token, is_write=True)
    made = attempt(asked, lambda: _api(token).create_repo(repo, private=private, exist_ok=True))
    if made.repo_id != repo:
        raise HubError(f"The Hub made {made.repo_id!r} when {repo!r} was asked for; see there.")


def commit_files(
    listing: Listing,
    add: Mapping[str, bytes],
    delete: Sequence[str],
    *,
    message: str,
    revision: str | None,
    create_pr: bool,
    token: str | None,
) -> CommitInfo:
    """One commit on top of the listing's, or none at all."""
    asked = RequestContext(f"pushing to {listing.repo}", listing.repo, revision, token, True)

    def commit() -> CommitInfo:
        operations = [
            *(CommitOperationAdd(name, content) for name, content in add.items()),
            *(CommitOperationDelete(name) for name in delete),
        ]
        with _bars_only_on_terminals():
            return _api(token).create_commit(
                listing.repo,
                operations,
                commit_message=message,
                revision=revision,
                create_pr=create_pr,
                parent_commit=listing.commit,
            )

    return attempt(asked, commit, again=False)  # whether it was made is seen from the Hub


@contextmanager
def _bars_only_on_terminals() -> Iterator[None]:
    """The client draws the bars of an upload wherever standard error goes."""
    if sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
