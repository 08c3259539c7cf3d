"""What lies in the Hub client's cache, and whether it is sound.

The cache's layout is the client's own and documented: `refs/<revision>` holds a commit,
`snapshots/<commit>/<file>` is a link to `blobs/<hash by the Hub's record>`. Beside them the zoo
keeps `autoencoder-zoo/<commit>.json`: the Hub's record of a model's files, so that a pinned model
is checked against it without a request.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from zoo.errors import WeightsError, ZooError
from zoo.folder import layout
from zoo.io.digests import Digest
from zoo.io.files import write_atomically
from zoo.registry.sources import COMMIT

RECORDS = "autoencoder-zoo"


def folder_of(repo: str) -> Path:
    """Where the client keeps a repo."""
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")


def snapshot(repo: str, commit: str) -> Path:
    """The folder of a repo's files at a commit, of which some may be there."""
    return folder_of(repo) / "snapshots" / commit


def commit_of(repo: str, revision: str) -> str | None:
    """The commit that a revision was when it was last asked for; None if it never was."""
    if COMMIT.fullmatch(revision):
        return revision
    with suppress(OSError, UnicodeDecodeError):
        commit = (folder_of(repo) / "refs" / revision).read_text(encoding="ascii").strip()
        return commit if COMMIT.fullmatch(commit) else None
    return None


def remember_revision(repo: str, revision: str, commit: str) -> None:
    """Notes which commit a revision is. A cache that cannot be written to stays as it is."""
    if not COMMIT.fullmatch(revision) and commit_of(repo, revision) != commit:
        with suppress(ZooError):
            write_atomically(folder_of(repo) / "refs" / revision, commit)


def records(repo: str, commit: str) -> dict[str, Digest] | None:
    """The Hub's record of every file of a model at a commit.

    None if it was never asked for, or if what was noted is damaged.
    """
    try:
        text = (folder_of(repo) / RECORDS / f"{commit}.json").read_text(encoding="ascii")
        found = {name: _digest(fields) for name, fields in json.loads(text).items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    is_a_models = layout.CONFIG in found and layout.WEIGHTS in found
    return found if is_a_models and all(map(layout.belongs, found)) else None


def _digest(fields: dict[str, Any]) -> Digest:
    """Raises ValueError, TypeError, KeyError or AttributeError for what is none."""
    digest, size = Digest.from_etag(fields["value"]), fields["size"]
    if digest is None or digest.kind != fields["kind"] or not isinstance(size, int) or size < 0:
        raise ValueError
    return Digest(digest.kind, digest.value, size)


def remember_records(repo: str, commit: str, digests: Mapping[str, Digest]) -> None:
    """Notes the Hub's record. A cache that cannot be written to stays as it is."""
    if records(repo, commit) != digests:
        text = json.dumps({name: asdict(digest) for name, digest in digests.items()}, indent=1)
        with suppress(ZooError):
            write_atomically(folder_of(repo) / RECORDS / f"{commit}.json", text)


def records_from_links(repo: str, commit: str) -> dict[str, Digest]:
    """The record of those files that another program fetched: a blob is named after its hash."""
    found = {}
    for name in layout.files_of(snapshot(repo, commit)):
        with suppress(OSError):  # no link, as where the system has none
            digest = Digest.from_etag(os.path.basename(os.readlink(snapshot(repo, commit) / name)))
            if digest is not None:
                found[name] = digest
    return found


def damage(path: Path, digest: Digest) -> str | None:
    """The hash of a file that is not what the record says; None if it is sound."""
    try:
        found = digest.of_file(path)
    except WeightsError:
        return "unreadable"
    return None if found == digest.value else found


def evict(path: Path) -> None:
    """Removes a file from the cache: the link, and the content that it leads to.

    Raises ZooError if the cache cannot be written to.
    """
    content = Path(os.path.realpath(path))
    for place in (path, content):
        try:
            place.unlink(missing_ok=True)
        except OSError as failure:
            raise ZooError(
                f"{str(place)!r} is damaged and cannot be removed: {failure.strerror}."
            ) from None
