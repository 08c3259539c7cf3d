"""Requests to the Hub through the official client: a repo's files, a file, a new repo, a commit."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_token,
    hf_hub_download,
)
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from zoo.errors import (
    HubError,
    InputError,
    IntegrityError,
    OfflineError,
    SourceError,
    did_you_mean,
)
from zoo.folder import layout
from zoo.hub.failures import Kind, RequestContext, attempt, first_sentence, hub_address
from zoo.hub.listing import Listing
from zoo.io.digests import Digest
from zoo.registry.sources import COMMIT
from zoo.version import __version__

LIBRARY = "autoencoder-zoo"


def checked_token(token: str | None) -> str | None:
    """Returns `token` after checking its form; if it is None, the form of the stored token.

    Raises InputError, without showing the token.
    """
    used = get_token() if token is None else token
    if used is not None and not (isinstance(used, str) and re.fullmatch(r"[!-~]+", used)):
        which = "The token from HF_TOKEN or `hf auth login`" if token is None else "The given token"
        raise InputError(f"{which} is not a Hub token: expected one word, such as hf_....")
    return token


def list_repo(
    repo: str,
    revision: str | None,
    token: str | None,
    subfolder: str = "",
    kind: Kind = "model",
) -> Listing:
    """The current commit of a revision and the Hub's record of each of its files, in one request.

    Raises SourceError for a repo without that subfolder.
    """
    revision = revision or constants.DEFAULT_REVISION

    def ask() -> Listing:
        try:
            api = _api(token)
            found = (api.space_info if kind == "space" else api.model_info)(
                repo,
                revision=revision,
                files_metadata=True,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            )
            files = {one.rfilename: _digest(one) for one in found.siblings or ()}
            if not COMMIT.fullmatch(found.sha or ""):
                raise ValueError("no commit")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as strange:
            if isinstance(strange, OSError):  # the client's own errors may be both
                raise
            raise HubError(
                f"{hub_address()} returned an invalid list of files for {repo!r}."
            ) from None
        new_name = found.id if found.id != repo else None
        here = Listing(
            repo, revision, found.sha or "", files, token, new_name, found.private, kind=kind
        )
        return within(here, subfolder) if subfolder else here

    request = RequestContext(f"listing the files of {repo}", repo, revision, token, kind=kind)
    return attempt(request, ask)


def within(listing: Listing, subfolder: str) -> Listing:
    """A listing of a repo's subfolder. Raises SourceError if it does not exist."""
    start = f"{subfolder}/"
    inside = {n.removeprefix(start): d for n, d in listing.files.items() if n.startswith(start)}
    if not inside:
        folders = sorted({name.partition("/")[0] for name in listing.files if "/" in name})
        has = f"it has {', '.join(folders[:10])}" if folders else "it has none"
        raise SourceError(
            f"{listing.repo!r} has no folder {subfolder[:100]!r}; {has}."
            f"{did_you_mean(subfolder, folders)}"
        )
    return replace(listing, files=inside, subfolder=subfolder)


def _digest(sibling: RepoSibling) -> Digest | None:
    found = Digest.from_etag((sibling.lfs.sha256 if sibling.lfs else sibling.blob_id) or "")
    sized = isinstance(sibling.size, int) and sibling.size >= 0
    if found and sized:
        return Digest(found.kind, found.value, sibling.size)
    if found or layout.belongs(sibling.rfilename):
        raise ValueError("no record")
    return None


def download(listing: Listing, name: str, *, force: bool = False) -> Path:
    """A file of the commit, in the client's cache; its content is not checked yet.

    A cached file is not requested again, unless `force` is set. config.json is requested by the
    revision's name if the cache does not map it to this commit, so that the client records it.
    Raises OfflineError if the file is not cached and the Hub cannot be reached.
    """
    repo, token, path_in_repo = listing.repo, listing.token, listing.path_of(name)
    by_name = name == layout.CONFIG and not listing.offline and not listing.is_noted
    for revision in (listing.revision, listing.commit)[not by_name :]:
        request = RequestContext(
            f"fetching {name} of {repo}", repo, revision, token, kind=listing.kind
        )
        fetch = partial(
            hf_hub_download,
            repo,
            path_in_repo,
            repo_type=listing.kind,
            revision=revision,
            token=token,
            force_download=force,
            local_files_only=bool(listing.offline),
            library_name=LIBRARY,
            library_version=__version__,
        )
        try:
            path = Path(attempt(request, fetch))
        except OfflineError as gone:
            at = "" if listing.revision == "main" else f" --revision {listing.revision}"
            raise OfflineError(
                f"{repo!r} is not in the cache: {name} of {listing.revision!r} was not found in "
                f"{str(listing.folder.parent.parent)!r}. {listing.offline or first_sentence(gone)}. "
                f"Once online, `zoo pull {repo}{at}` fetches it."
            ) from None
        if path.parts[-len(Path(path_in_repo).parts) - 1] == listing.commit:
            return path
    raise IntegrityError(f"The Hub sent {name} of a commit other than {listing.commit}.")


def _api(token: str | None) -> HfApi:
    return HfApi(token=token, library_name=LIBRARY, library_version=__version__)


def create_repo(repo: str, private: bool | None, token: str | None, kind: Kind = "model") -> None:
    """Creates a model repo or a static Space of exactly that name, unless it was created in the meantime."""
    request = RequestContext(f"creating {repo}", repo, None, token, is_write=True, kind=kind)
    create = partial(
        _api(token).create_repo,
        repo,
        repo_type=kind,
        space_sdk="static" if kind == "space" else None,
        private=private,
        exist_ok=True,
    )
    made = attempt(request, create)
    if made.repo_id != repo:
        raise HubError(f"The Hub created {made.repo_id!r} instead of {repo!r}: check it there.")


def is_as_made(listing: Listing) -> bool:
    """Whether the repo has only the commit that the Hub created it with."""
    request = RequestContext(
        f"listing the commits of {listing.repo}",
        listing.repo,
        listing.revision,
        listing.token,
        kind=listing.kind,
    )
    list_commits = partial(
        _api(listing.token).list_repo_commits,
        listing.repo,
        repo_type=listing.kind,
        revision=listing.commit,
    )
    return [commit.title for commit in attempt(request, list_commits)] == ["initial commit"]


def commit_files(
    listing: Listing,
    add: Mapping[str, bytes],
    delete: Sequence[str],
    *,
    message: str,
    create_pr: bool,
) -> CommitInfo:
    """Makes one commit on top of the listing's. A retry cannot commit twice: the branch has then moved."""
    request = RequestContext(
        f"pushing to {listing.repo}",
        listing.repo,
        listing.revision,
        listing.token,
        is_write=True,
        kind=listing.kind,
    )

    def commit() -> CommitInfo:
        operations = [
            *(CommitOperationAdd(name, content) for name, content in add.items()),
            *(CommitOperationDelete(name) for name in delete),
        ]
        hides_bars = not sys.stderr.isatty() and not are_progress_bars_disabled()
        if hides_bars:  # the client shows upload bars even if stderr is not a terminal
            disable_progress_bars()
        try:
            return _api(listing.token).create_commit(
                listing.repo,
                operations,
                repo_type=listing.kind,
                commit_message=message,
                revision=listing.revision,
                create_pr=create_pr,
                parent_commit=listing.commit,
            )
        finally:
            if hides_bars:
                enable_progress_bars()

    return attempt(request, commit, again=not create_pr)  # a pull request is not opened twice
