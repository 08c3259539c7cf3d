"""The files of a repo at one commit, as listed by the Hub or the cache.

The cache is the client's, and only the client writes it. A file in it is a link to a blob named
after the Hub's record of the file, so cached files are checked without a request.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name

from zoo.folder import layout
from zoo.hub.failures import Kind
from zoo.io.digests import Digest
from zoo.registry.sources import HubAddress


@dataclass(frozen=True)
class Listing:
    """A repo at one commit."""

    repo: str
    """As requested."""
    revision: str
    """As requested; `main` by default."""
    commit: str
    """40 hex digits; the revision if nothing is known of the repo."""
    files: Mapping[str, Digest | None] = field(default_factory=dict)
    """The Hub's record of each file, None if unknown; from the cache, cached files only."""
    token: str | None = field(default=None, repr=False)
    new_name: str | None = None
    """The current name of a renamed repo, which the Hub also finds by its old name."""
    private: bool | None = None
    is_noted: bool = False
    """Whether the cache maps the revision to this commit."""
    subfolder: str = ""
    """The model's folder in the repo; names in `files` are relative to it."""
    offline: str = ""
    """Why files that are not cached cannot be fetched; empty if they can."""
    kind: Kind = "model"

    def __str__(self) -> str:
        return f"{self.repo} at commit {self.commit[:12]}"

    def path_of(self, name: str) -> str:
        """A file's path in the repo."""
        return f"{self.subfolder}/{name}" if self.subfolder else name

    @property
    def weights(self) -> list[str]:
        """The names of the weights files in the repo."""
        return layout.weights_of(self.files, self.folder)

    @property
    def folder(self) -> Path:
        """The folder of the commit's files in the client's cache."""
        repo = repo_folder_name(repo_id=self.repo, repo_type=self.kind)
        return Path(constants.HF_HUB_CACHE) / repo / "snapshots" / self.commit / self.subfolder

    def has(self, wanted: Collection[str]) -> bool:
        """Whether all of these files and folders exist."""
        there = {*self.files, *[layout.WEIGHTS][: len(self.weights)]}
        return all(any(_is_in(name, one) for name in there) for one in wanted)

    def holds(self, name: str, data: bytes) -> bool:
        """Whether a file exists with exactly this content."""
        digest = self.files.get(name)
        return digest is not None and digest.matches(data)

    def chosen(self, wanted: Collection[str] | None) -> list[str]:
        """The wanted files of a model, config.json first; None wants all of them."""
        there = [
            name
            for name in self.files
            if layout.belongs(name) and (wanted is None or any(_is_in(name, w) for w in wanted))
        ]
        weights = self.weights or [layout.WEIGHTS]
        required = {layout.CONFIG: [layout.CONFIG], layout.WEIGHTS: weights}
        must = [
            one for name in required if wanted is None or name in wanted for one in required[name]
        ]
        return list(dict.fromkeys((*must, *there)))


def _is_in(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}/")


def cached_listing(address: HubAddress, token: str | None) -> Listing | None:
    """The cached files of a revision's last known commit; None without config.json."""
    revision = address.revision or constants.DEFAULT_REVISION
    name = f"{address.subfolder}/{layout.CONFIG}".lstrip("/")
    config = try_to_load_from_cache(address.repo, name, revision=revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    files = {name: Digest.of_link(folder / name) for name in layout.files_of(folder)}
    commit = Path(config).parents[name.count("/")].name
    return Listing(address.repo, revision, commit, files, token, subfolder=address.subfolder)
