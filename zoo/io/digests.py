"""Hashes: of settings, and the expected size and hash of a file as recorded by the Hub."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from zoo.errors import WeightsError
from zoo.io.files import open_regular


def identity_of(settings: object) -> str:
    """Eight hex digits that identify settings: of the sha256 of their JSON, in the order given."""
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Digest:
    """Size and hash of a file.

    The Hub identifies large files by sha256 and others by git's blob sha1, which hashes
    `blob <size>`, a zero byte, and the content.
    """

    kind: Literal["sha256", "git-sha1"]
    value: str
    """In hex."""
    size: int | None = None
    """Bytes, if known."""

    @classmethod
    def from_etag(cls, etag: str) -> Digest | None:
        """The digest in a Hub ETag, its kind inferred from the length; None if it is not a digest."""
        if not set(etag) <= set("0123456789abcdef"):
            return None
        if len(etag) == 64:
            return cls("sha256", etag)
        return cls("git-sha1", etag) if len(etag) == 40 else None

    @classmethod
    def of_link(cls, path: Path) -> Digest | None:
        """The digest of a file in the Hub client's cache, from the name of the blob it links to."""
        try:
            return cls.from_etag(path.readlink().name)
        except OSError:  # not a link
            return None

    def is_of(self, path: Path) -> bool:
        """Whether a file can be read and matches."""
        try:
            with open_regular(path) as file:
                return self._is_of(file)
        except WeightsError:
            return False

    def matches(self, data: bytes) -> bool:
        """Whether these bytes match."""
        return self.size in (None, len(data)) and self._is_of(BytesIO(data))

    def _is_of(self, file: BinaryIO) -> bool:
        size = file.seek(0, 2)
        file.seek(0)
        start = hashlib.sha256()
        if self.kind == "git-sha1":
            start = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        found = hashlib.file_digest(file, lambda: start)  # pyright: ignore[reportArgumentType]  # it has readinto
        return found.hexdigest() == self.value
