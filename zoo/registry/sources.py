"""A user's source -> the folder or Hub repo that it means. No torch.

In this order: a `Path`, or a string that starts with `./ ../ / ~`: a folder. `hf://...` or a Hub
URL: the Hub. Several slashes, or one at the end: a folder. One slash: `org/repo` on the Hub; if a
folder of that name exists, it is ambiguous and the error gives both spellings. No slash: always a
published name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import InputError, SourceError
from zoo.io.digests import Digest
from zoo.io.files import with_home
from zoo.registry import index, published

COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")


@dataclass(frozen=True)
class HubAddress:
    """A model's repo on the Hub, and its index line if it is a published one."""

    repo: str
    """`org/name`."""
    revision: str | None = None
    """A branch, a tag or a commit; None is the branch `main`."""
    line: index.IndexLine | None = None
    subfolder: str = ""
    """The model's folder in the repo, as in a diffusers pipeline."""

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which cannot move."""
        return COMMIT.fullmatch(self.revision or "") is not None


@dataclass(frozen=True)
class HubCommit:
    """Where a folder of the Hub's cache came from, and what its files must be."""

    repo: str
    commit: str
    """40 hex digits."""
    digests: Mapping[str, Digest] = field(default_factory=dict)
    """The Hub's records of the folder's files, where known."""
    subfolder: str = ""

    @property
    def origin(self) -> str:
        """`hf://org/name@commit`: a source for exactly these bytes."""
        return f"hf://{self.repo}@{self.commit}{'/' * bool(self.subfolder)}{self.subfolder}"


@dataclass(frozen=True)
class Source:
    """A model's folder, its origin, and its index line and Hub commit if it has them."""

    folder: Path
    origin: str
    line: index.IndexLine | None = None
    hub: HubCommit | None = None
    files: Collection[str] | None = None
    """The files requested from a Hub repo, the only ones to read; None is all of them."""
    fetch_again: Callable[[], object] | None = None
    """Replaces damaged weights in the Hub's cache; None if that is not possible."""

    @property
    def is_offline(self) -> bool:
        """Whether it is a Hub repo read from the cache because the Hub could not be reached."""
        return self.hub is not None and self.fetch_again is None


def parse(source: str | Path, *, revision: str | None = None) -> Source | HubAddress:
    """The folder or Hub repo that a source means. Nothing is fetched.

    Raises:
        UnknownNameError: for an unknown published name.
        SourceError: for an ambiguous or invalid source.
    """
    checked_revision(revision)
    if not isinstance(source, (str, Path)) or not str(source).strip():
        raise InputError(f"A source is a name, a folder or a Hub repo; got {str(source)[:60]!r}.")
    name = str(source)
    is_address = name.startswith(("hf://", "https://", "http://"))
    if isinstance(source, Path) or (not is_address and _is_path(name)):
        folder = with_home(source, SourceError)
        if revision is not None:
            raise SourceError(f"{str(folder)!r} is a folder and has no revisions.")
        is_word = len(folder.parts) == 1 and not folder.is_absolute() and name not in (".", "..")
        return Source(folder, f"./{folder}" if is_word else str(folder))  # not a published name
    if is_address:
        return _address(name, revision)
    if "\\" in name or "://" in name:
        raise SourceError(
            f"{name!r} is not a source. A folder is written ./{name}; a repo on the Hub org/name."
        )
    if "/" not in name:
        return _published(name, revision)
    if os.path.isdir(name):
        raise SourceError(
            f"{name!r} is ambiguous: use hf://{name} for the Hub, ./{name} for the folder."
        )
    return HubAddress(checked_repo(name), revision)


def _is_path(name: str) -> bool:
    """Whether a string can only be a folder's path."""
    starts = name in (".", "..") or name.startswith(("./", "../", "/", "~"))
    return starts or ("://" not in name and (name.endswith("/") or name.count("/") > 1))


def is_on_hub(origin: str) -> bool:
    """Whether a model's origin is the Hub: its address, or a published name that is only on the Hub."""
    line = None if origin.startswith("hf://") else published.known(origin)
    return not line.folder.is_dir() if line else origin.startswith("hf://")


def checked_repo(repo: str) -> str:
    """Returns `repo` if it is a valid `org/name` by the Hub's rules. Raises SourceError."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        if not isinstance(repo, str) or repo.count("/") != 1:
            raise HFValidationError
        validate_repo_id(repo)
    except HFValidationError:
        hint = " A revision is written hf://org/name@revision." if "@" in str(repo) else ""
        if str(repo).startswith(("./", "../", "/", "~")):
            hint = " A push takes the folder first, then the repo."
        raise SourceError(
            f"{str(repo)[:200]!r} is not a Hub repo: expected org/name, in letters, digits, "
            f"'-', '_' and '.'.{hint}"
        ) from None
    return repo


def checked_revision(revision: str | None) -> str | None:
    """Returns `revision` if it is a valid name in git. Raises SourceError."""
    if revision is None:
        return None
    if not isinstance(revision, str) or not _REVISION.fullmatch(revision) or ".." in revision:
        raise SourceError(f"A revision is a branch, a tag or a commit; got {str(revision)[:60]!r}.")
    return revision


def _published(name: str, revision: str | None) -> Source | HubAddress:
    line = published.line(name)
    if revision is not None:
        raise SourceError(
            f"{name!r} is a published model, whose weights never change: leave out the revision."
        )
    if line.folder.is_dir():
        return Source(line.folder, name, line)
    package = line.registry.distribution
    repo, _, commit = (line.hub or "").rpartition("@")
    if line.hub and not COMMIT.fullmatch(commit):
        raise SourceError(
            f"{name!r} ({line.bytes / 1e6:.1f} MB) does not ship with {package}, and no commit of "
            f"{line.hub!r} is published on the Hub yet. It is in the source tree of {package}, and "
            f"zoo train {name} trains it."
        )
    if not line.hub:
        raise SourceError(f"{name!r} is missing from its package. Reinstall {package}.")
    return HubAddress(checked_repo(repo), commit, line)


def _address(source: str, revision: str | None) -> HubAddress:
    """Parses `hf://...` or a URL with the Hub client's own parser."""
    from huggingface_hub import parse_hf_uri
    from huggingface_hub.errors import HfUriError

    try:
        uri = parse_hf_uri(source)
    except (HfUriError, ValueError):
        raise SourceError(
            f"{source[:200]!r} is not the address of a model: expected hf://org/name, "
            "hf://org/name@revision, or the URL of its page on the Hub."
        ) from None
    if uri.type != "model" or "." in uri.path_in_repo:
        what = f"a {uri.type}" if uri.type != "model" else f"the file {uri.path_in_repo!r}"
        slash = " Give a revision with a slash as revision=." if "@" in source else ""
        raise SourceError(
            f"{source[:200]!r} is {what} on the Hub. A model is hf://org/name, or in a folder "
            f"hf://org/name/folder.{slash}"
        )
    if revision is not None and uri.revision not in (None, revision):
        raise SourceError(
            f"{source[:200]!r} names the revision {uri.revision!r}, but revision={revision!r} "
            "was given. Give only one."
        )
    revision = checked_revision(revision or uri.revision)
    return HubAddress(checked_repo(uri.id), revision, subfolder=uri.path_in_repo.strip("/"))
