"""What the Hub is asked, by way of the official client: a repo's files, a file, a repo, a commit."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    hf_hub_download,
)
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    build_hf_headers,
    disable_progress_bars,
    enable_progress_bars,
    get_session,
    hf_raise_for_status,
    tqdm,
)

from zoo.errors import HubError, InputError, IntegrityError
from zoo.hub.failures import Asked, TooLongError, hub_address, stored_token
from zoo.hub.patience import patiently
from zoo.io.digests import Digest
from zoo.registry.sources import COMMIT
from zoo.version import __version__

LIBRARY = "autoencoder-zoo"
MAX_LISTING_BYTES = 16 * 2**20
HEADERS_OF_ERRORS = ("x-error-code", "x-error-message", "retry-after", "x-request-id")


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
    asked = Asked(f"asking for the files of {repo}", repo, revision, token)
    data = patiently(asked, lambda: _listing(repo, revision or constants.DEFAULT_REVISION, token))
    try:
        commit, files = data["sha"], {s["rfilename"]: _digest(s) for s in data["siblings"]}
        if not COMMIT.fullmatch(commit):
            raise ValueError
        return Listing(str(data.get("id", repo)), commit, data.get("private"), files)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise HubError(
            f"{hub_address()} answered for {repo!r} with something that is no list of files."
        ) from None


def _listing(repo: str, revision: str, token: str | None) -> Any:
    """JSON of bounded size; the client's own calls read whatever comes."""
    url = f"{constants.ENDPOINT}/api/models/{repo}/revision/{quote(revision, safe='')}"
    body = bytearray()
    with get_session().stream(
        "GET",
        url,
        params={"blobs": "true"},
        headers=build_hf_headers(token=token, library_name=LIBRARY, library_version=__version__),
        timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        follow_redirects=True,
    ) as response:
        if response.status_code >= 400:
            _raise_without_body(response)
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_LISTING_BYTES:
                raise HubError(
                    f"{hub_address()} answers for {repo!r} with more than "
                    f"{MAX_LISTING_BYTES:,} bytes."
                )
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise HubError(
            f"{hub_address()} answers for {repo!r} with something that is not JSON."
        ) from None


def _raise_without_body(response: Any) -> None:
    """Raises the client's error for a status, from the headers alone."""
    headers = {
        name: response.headers[name] for name in HEADERS_OF_ERRORS if name in response.headers
    }
    bare = type(response)(response.status_code, headers=headers, request=response.request)
    hf_raise_for_status(bare)


def _digest(sibling: Mapping[str, Any]) -> Digest | None:
    lfs, size = sibling.get("lfs") or {}, sibling.get("size")
    found = Digest.from_etag(lfs.get("sha256") or sibling.get("blobId") or "")
    if found is None:
        return None
    if not isinstance(size, int) or size < 0:
        raise ValueError
    return Digest(found.kind, found.value, size)


def download(repo: str, commit: str, name: str, digest: Digest, token: str | None) -> Path:
    """A file of a commit, in the client's cache; its content is still to be checked."""
    asked = Asked(f"fetching {name} of {repo}", repo, commit, token)
    size = digest.size or 0

    def fetch() -> str:
        return hf_hub_download(
            repo,
            name,
            revision=commit,
            token=token,
            tqdm_class=_bounded(name, size),
            library_name=LIBRARY,
            library_version=__version__,
        )

    path = Path(patiently(asked, fetch, size=size))
    if f"/snapshots/{commit}/" not in path.as_posix():
        raise IntegrityError(f"The Hub sent {name} of another commit than {commit}.")
    return path


def _bounded(name: str, size: int) -> type[tqdm]:
    """The client's progress bar, which ends a body that is longer than was announced.

    Over Xet it counts what is moved, compressed or not, and ends nothing.
    """

    class Bounded(tqdm):
        moved = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.is_body = kwargs.get("name") == "huggingface_hub.http_get"
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            self.moved += n or 0
            if self.is_body and self.moved > size:
                raise TooLongError(f"{name} was announced with {size:,} bytes, and more came")
            return super().update(n)

    return Bounded


def _api(token: str | None) -> HfApi:
    return HfApi(token=token, library_name=LIBRARY, library_version=__version__)


def create_repo(repo: str, private: bool | None, token: str | None) -> None:
    """A new repo of exactly that name. One that was made in the meantime is as good."""
    asked = Asked(f"creating {repo}", repo, None, token, is_write=True)
    made = patiently(
        asked,
        lambda: _api(token).create_repo(repo, private=private, exist_ok=True),
    )
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
    operations = [
        *(CommitOperationAdd(name, content) for name, content in add.items()),
        *(CommitOperationDelete(name) for name in delete),
    ]
    asked = Asked(f"pushing to {listing.repo}", listing.repo, revision, token, is_write=True)

    def commit() -> CommitInfo:
        with _bars_only_on_terminals():
            return _api(token).create_commit(
                listing.repo,
                operations,
                commit_message=message,
                revision=revision,
                create_pr=create_pr,
                parent_commit=listing.commit,
            )

    return patiently(
        asked,
        commit,
        size=sum(map(len, add.values())),
        again=False,  # whether it was made is seen from the Hub, not guessed
    )


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
