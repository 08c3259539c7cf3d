"""What a user may write for a model -> which model is meant. No torch here.

In this order: a `Path`, or a string that starts with `./ ../ / ~`: a folder. A string with
`hf://` or a Hub web address: the Hub. One slash: `org/repo` on the Hub, unless such a folder is
here: then it is refused with both spellings. No slash: a published name, always.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zoo import published
from zoo.errors import HubError, InputError, SourceError
from zoo.files import with_home


@dataclass(frozen=True)
class Source:
    """A model's folder, what to call it, and its index line if it is a published one."""

    folder: Path
    origin: str
    line: published.IndexLine | None = None

    @property
    def licence(self) -> str | None:
        """What the index says; None for a folder that is not a published model's."""
        return self.line.licence if self.line else None


def find(source: str | Path, *, revision: str | None = None, offline: bool = False) -> Source:
    """The folder that a source means.

    Raises:
        UnknownNameError: for a published name that there is not.
        SourceError: for what could mean two things, or nothing.
        HubError: for a model on the Hub, which this version does not reach.
    """
    if isinstance(source, Path):
        return _local(source, revision)
    if not isinstance(source, str) or not source.strip():
        raise InputError(f"A source is a name, a folder or a Hub repo; got {str(source)[:60]!r}.")
    if source.startswith(("./", "../", "/", "~")) or source in (".", ".."):
        return _local(with_home(source, SourceError), revision)
    if source.startswith(("hf://", "https://", "http://")):
        raise _not_yet(source)
    if source.count("/") == 1:
        if os.path.isdir(source):
            raise SourceError(
                f"{source!r} is ambiguous: hf://{source} is the Hub, ./{source} the folder."
            )
        raise _not_yet(source)
    if "/" in source or "\\" in source:
        raise SourceError(f"{source!r} is no source. A folder is written ./{source}.")
    return _published(source, revision)


def _local(folder: Path, revision: str | None) -> Source:
    if revision is not None:
        raise SourceError(f"{str(folder)!r} is a folder and has no revisions.")
    return Source(folder, str(folder))


def _published(name: str, revision: str | None) -> Source:
    line = published.line(name)
    if revision is not None:
        raise SourceError(f"{name!r} is a published name, whose weights never change: no revision.")
    folder = published.folder(name)
    if not folder.is_dir():
        where = f" It lives on the Hub at {line.hub}." if line.hub else ""
        raise SourceError(f"{name!r} is not in this package.{where}")
    return Source(folder, name, line)


def _not_yet(source: str) -> HubError:
    return HubError(
        f"{source!r} is on the Hugging Face Hub, which this version of the zoo does not reach yet. "
        "Download the folder and load it as ./folder."
    )
