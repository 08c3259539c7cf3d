"""A repo at one commit, in the client's cache: each file obtained, and compared with the Hub's record.

The cache is the client's, and written by the client alone. In it a file is a link to a blob that is
named after the Hub's record of it: so what is cached is checked without a request.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name

from zoo.errors import IntegrityError, OfflineError, WeightsError
from zoo.folder import layout
from zoo.hub.client import download
from zoo.hub.failures import UnreachableError, first_sentence
from zoo.io.digests import Digest

log = logging.getLogger("zoo")


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

    def obtain(self, name: str, checked: bool = True) -> Path:
        """One file of the commit, cached, with the content of the Hub's record if it is checked.

        Raises IntegrityError, OfflineError, HubError; WeightsError for a file that is announced too
        large for its name.
        """
        path = self._cached(name) or self.fetch(name)
        record = self.digests.get(name) or Digest.of_link(path)
        if not checked or record is None or record.is_of(path):
            return path
        if not self.away:
            log.warning("%s of %s is damaged: fetching it once more.", name, self.name)
            path = self.fetch(name, anew=True)
            if record.is_of(path):
                return path
        again = f"{self.away}; online it is fetched anew." if self.away else "It was fetched twice."
        raise IntegrityError(
            f"{name} of {self.name} is not what the Hub's record says, {record.kind} "
            f"{record.value[:12]}...: it was altered or damaged, and nothing of it was used. {again}"
        )

    def records(self, folder: Path) -> dict[str, Digest]:
        """The Hub's record of each file, as far as it is known here."""
        links = {name: Digest.of_link(folder / name) for name in layout.files_of(folder)}
        return {name: one for name, one in links.items() if one} | dict(self.digests)

    def fetch(self, name: str, anew: bool = False) -> Path:
        """Fetches a file; config.json by the revision's name, for the client to note its commit."""
        record, limit = self.digests.get(name), layout.limit_of(name)
        if self.away:
            raise not_cached(self.repo, self.revision, name, self.away)
        if limit is not None and record is not None and (record.size or 0) > limit:
            raise WeightsError(
                f"{name} of {self.repo!r} is announced with {record.size:,} bytes; at most "
                f"{limit:,} are right. It was not fetched."
            )
        by_name = (self.revision,) if name == layout.CONFIG else ()
        try:
            for revision in (*by_name, self.commit):
                path = download(self.repo, revision, name, self.token, anew=anew)
                if path.parts[-len(Path(name).parts) - 1] == self.commit:
                    return path
        except UnreachableError as gone:
            why = first_sentence(gone)
            raise not_cached(self.repo, self.revision, name, why) from None
        raise IntegrityError(f"The Hub sent {name} of another commit than {self.commit}.")

    def _cached(self, name: str) -> Path | None:
        """A file of this commit, if it is cached; config.json if the revision is known to be it."""
        by_name = name == layout.CONFIG and not self.away
        path = cached(self.repo, self.revision if by_name else self.commit, name)
        return path if path and (not by_name or path.parent.name == self.commit) else None


def cached(repo: str, revision: str, name: str) -> Path | None:
    """A file of a revision, as it was last, if it is cached."""
    found = try_to_load_from_cache(repo, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def not_cached(repo: str, revision: str, what: str, why: str) -> OfflineError:
    """The error for what would have to be fetched, and cannot be."""
    at = "" if revision == constants.DEFAULT_REVISION else f" --revision {revision}"
    where = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")
    return OfflineError(
        f"{repo!r} is not in the cache: {what} of {revision!r} was looked for in {str(where)!r}. "
        f"{why}. With the Hub in reach, `zoo pull {repo}{at}` fetches it."
    )
