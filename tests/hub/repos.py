"""What a loopback Hub holds: accounts, and repos with commits, branches, tags and large files."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import cached_property
from itertools import count

MAIN = "refs/heads/main"
GITATTRIBUTES = ".gitattributes"
LARGE_BYTES = 10 * 2**20
"""A larger file is a large file (LFS) whatever its name."""
LARGE_NAMES = (
    "7z arrow bin bz2 ckpt gz h5 npy npz onnx parquet pickle pkl pt pth safetensors tar zip"
)
INITIAL_GITATTRIBUTES = "".join(
    f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE_NAMES.split()
).encode()


SPACES = "spaces/"
"""How the name of a Space begins here."""
SPACE_FILES = {
    "README.md": b"---\ntitle: New\nsdk: static\n---\n",
    "index.html": b"<p>Welcome to your static Space!</p>\n",
    "style.css": b"body { padding: 2rem; }\n",
}
"""What the Hub puts into a new static Space."""


def git_sha1(data: bytes) -> str:
    """The name that git gives a blob with these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class Blob:
    """A file's bytes, in git itself or beside it as a large file (LFS)."""

    data: bytes
    large: bool

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        """What git holds in place of a large file."""
        lines = ("version https://git-lfs.github.com/spec/v1", f"oid sha256:{self.sha256}")
        return "\n".join((*lines, f"size {len(self.data)}", "")).encode()

    @cached_property
    def blob_id(self) -> str:
        return git_sha1(self.pointer if self.large else self.data)

    @property
    def etag(self) -> str:
        """sha256 of a large file, git's sha1 of any other."""
        return self.sha256 if self.large else self.blob_id


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: Commit | None
    files: dict[str, Blob]
    title: str
    date: datetime

    @property
    def history(self) -> list[Commit]:
        """This commit and all before it, oldest first."""
        commits: list[Commit] = []
        commit: Commit | None = self
        while commit is not None:
            commits.append(commit)
            commit = commit.parent
        return commits[::-1]


@dataclass(frozen=True)
class Account:
    """Who a token speaks for, and what it may do."""

    user: str
    orgs: dict[str, str]
    """Role by organization: admin, write, contributor or read."""
    role: str
    """The token's own: write or read."""

    def belongs_to(self, namespace: str) -> bool:
        return namespace == self.user or namespace in self.orgs

    def may_write(self, namespace: str) -> bool:
        allowed = namespace == self.user or self.orgs.get(namespace) in ("admin", "write")
        return allowed and self.role == "write"


@dataclass
class Repo:
    name: str
    private: bool = False
    gated: bool = False
    disabled: bool = False
    refs: dict[str, Commit] = field(default_factory=dict)
    """By full name: refs/heads/main, refs/tags/v1, refs/pr/1."""
    commits: dict[str, Commit] = field(default_factory=dict)
    uploaded: dict[str, Blob] = field(default_factory=dict)
    """Large files by sha256, committed or not yet."""
    _number: count = field(default_factory=count)

    def __post_init__(self) -> None:
        files = {GITATTRIBUTES: INITIAL_GITATTRIBUTES, **(SPACE_FILES if self.is_space else {})}
        blobs = {name: Blob(data, large=False) for name, data in files.items()}
        self.refs[MAIN] = self.write(blobs, None, "initial commit")

    @property
    def is_space(self) -> bool:
        return self.name.startswith(SPACES)

    @property
    def namespace(self) -> str:
        return self.name.removeprefix(SPACES).split("/")[0]

    @property
    def main(self) -> Commit:
        return self.refs[MAIN]

    def find(self, revision: str) -> Commit | None:
        """The commit that a branch, tag, refs/pr/N, or (short) commit hash means."""
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in self.refs:
                return self.refs[name]
        if re.fullmatch("[0-9a-f]{7,40}", revision):
            return next(
                (self.commits[sha] for sha in self.commits if sha.startswith(revision)), None
            )
        return None

    def branch_ref(self, revision: str) -> str | None:
        """The full name of what can be committed to: a branch or a pull request."""
        names = (f"refs/heads/{revision}", revision if revision.startswith("refs/pr/") else "")
        return next((name for name in names if name in self.refs), None)

    def write(self, files: dict[str, Blob], parent: Commit | None, title: str) -> Commit:
        """A new commit with exactly these files; no branch moves."""
        tree = "".join(f"{path} {blob.blob_id}\n" for path, blob in sorted(files.items()))
        unique = f"{self.name} {parent and parent.sha} {title} {next(self._number)}\n{tree}"
        sha = hashlib.sha1(unique.encode()).hexdigest()
        commit = Commit(sha, parent, dict(files), title, datetime.now(UTC))
        self.commits[sha] = commit
        self.uploaded.update({blob.sha256: blob for blob in files.values() if blob.large})
        return commit

    def stores_as_large(self, path: str, size: int, commit: Commit) -> bool:
        """Whether a file of this name and size goes beside git, as .gitattributes says."""
        lines = commit.files.get(GITATTRIBUTES, Blob(b"", False)).data.decode().splitlines()
        patterns = [line.split()[0] for line in lines if "filter=lfs" in line]
        name = path.rsplit("/", 1)[-1]
        by_name = any(fnmatch(path if "/" in glob else name, glob) for glob in patterns)
        return size > 0 and (by_name or path.endswith(".safetensors") or size > LARGE_BYTES)


@dataclass(frozen=True)
class Term:
    """A part of a file that was uploaded over Xet: some chunks of a xorb."""

    xorb: str
    start: int
    end: int
    """The number of the first chunk that is not part of it."""
    size: int


@dataclass
class State:
    """All that a Hub remembers. Hold `lock` while reading or changing it."""

    repos: dict[str, Repo] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    xet: bool = False
    """Whether large files can be had and sent over Xet."""
    xorbs: dict[str, bytes] = field(default_factory=dict)
    recipes: dict[str, tuple[Term, ...]] = field(default_factory=dict)
    """What files consist of, by Xet's name of the file."""
    xet_names: dict[str, str] = field(default_factory=dict)
    """By sha256."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, repo: Repo) -> Repo:
        self.renamed.pop(repo.name, None)
        return self.repos.setdefault(repo.name, repo)

    def clear(self) -> None:
        held = (self.repos, self.renamed, self.accounts, self.xorbs, self.recipes, self.xet_names)
        for things in held:
            things.clear()
        self.xet = False

    def name_now(self, name: str) -> str:
        """What a repo is called after all its renamings."""
        while name in self.renamed:
            name = self.renamed[name]
        return name
