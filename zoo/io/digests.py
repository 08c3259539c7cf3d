"""What a file must be: its size and its hash, as the Hub records them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.errors import WeightsError
from zoo.io.files import open_regular

BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Digest:
    """Size and hash of a file.

    The Hub keeps large files under their sha256, and the others under the sha1 that git gives a
    blob, which is of `blob <size>`, a zero byte, and the content.
    """

    kind: Literal["sha256", "git-sha1"]
    value: str
    """In hex."""
    size: int | None = None
    """Bytes, where they are known."""

    @classmethod
    def from_etag(cls, etag: str) -> Digest | None:
        """The digest that the Hub's ETag is, by its length; None if it is not one."""
        if not set(etag) <= set("0123456789abcdef"):
            return None
        if len(etag) == 64:
            return cls("sha256", etag)
        return cls("git-sha1", etag) if len(etag) == 40 else None

    @classmethod
    def of_link(cls, path: Path) -> Digest | None:
        """The Hub's record of a file in its client's cache, by the blob that the link leads to."""
        try:
            return cls.from_etag(path.readlink().name)
        except OSError:  # no link, as where the system has none
            return None

    def is_of(self, path: Path) -> bool:
        """Whether a file's content is this one."""
        try:
            return self.of_file(path) == self.value
        except WeightsError:  # it cannot be read
            return False

    def matches(self, data: bytes) -> bool:
        """Whether these bytes are the file's."""
        if self.size is not None and len(data) != self.size:
            return False
        start = hashlib.sha256() if self.kind == "sha256" else _git_sha1(len(data))
        start.update(data)
        return start.hexdigest() == self.value

    def of_file(self, path: Path) -> str:
        """The hash of a file, of this digest's kind. Raises WeightsError if it cannot be read."""
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            found = hashlib.sha256() if self.kind == "sha256" else _git_sha1(size)
            while block := file.read(BLOCK_BYTES):
                found.update(block)
        return found.hexdigest()


def is_sound(path: Path) -> bool:
    """Whether a file in the cache of the Hub's client is what its link says, as far as it says it."""
    record = Digest.of_link(path)
    return record is None or record.is_of(path)


def _git_sha1(size: int):
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
