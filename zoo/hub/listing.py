"""A repo at one commit: which commit it is, and what is in it, as the Hub or the cache knows it.

The cache is the client's, and written by the client alone. In it a file is a link to a blob that is
named after the Hub's record of it: so what is cached is checked without a request.
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
    """As it was asked for."""
    revision: str
    """As it was asked for; `main` if none was."""
    commit: str
    """40 hex digits; the revision where nothing is known of the repo."""
    files: Mapping[str, Digest | None] = field(default_factory=dict)
    """The Hub's record of each file; where it is not known, None. Of a cache, what is cached."""
    token: str | None = field(default=None, repr=False)
    new_name: str | None = None
    """As the Hub calls the repo now: a renamed one answers under its old name too."""
    private: bool | None = None
    is_noted: bool = False
    """Whether the cache has this commit as the revision's."""
    subfolder: str = ""
    """Where in the repo the model's files are; `files` are named from there."""
    offline: str = ""
    """Why the Hub cannot be asked for what is not cached; empty if it can."""
    kind: Kind = "model"

    def __str__(self) -> str:
        return f"{self.repo} at commit {self.commit[:12]}"

    def path_of(self, name: str) -> str:
        """A file's place in the repo."""
        return f"{self.subfolder}/{name}" if self.subfolder else name

    @property
    def weights(self) -> list[str]:
        """The files of the weights, by the repo's own names."""
        return layout.weights_of(self.files, self.folder)

    @property
    def folder(self) -> Path:
        """Where the client's cache has the commit's files."""
        repo = repo_folder_name(repo_id=self.repo, repo_type=self.kind)
        return Path(constants.HF_HUB_CACHE) / repo / "snapshots" / self.commit / self.subfolder

    def has(self, wanted: Collection[str]) -> bool:
        """Whether every one of these files and folders is there."""
        there = {*self.files, *[layout.WEIGHTS][: len(self.weights)]}
        return all(any(_is_in(name, one) for name in there) for one in wanted)

    def holds(self, name: str, data: bytes) -> bool:
        """Whether a file is there with this very content."""
        digest = self.files.get(name)
        return digest is not None and digest.matches(data)

    def chosen(self, wanted: Collection[str] | None) -> list[str]:
        """The files of a model that are wanted, config.json first; None wants all of them."""
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
    """What the cache has of a repo's revision, as it was last; None if it has no config.json."""
    revision = address.revision or constants.DEFAULT_REVISION
    name = f"{address.subfolder}/{layout.CONFIG}".lstrip("/")
    config = try_to_load_from_cache(address.repo, name, revision=revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    files = {name: Digest.of_link(folder / name) for name in layout.files_of(folder)}
    commit = Path(config).parents[name.count("/")].name
    return Listing(address.repo, revision, commit, files, token, subfolder=address.subfolder)
