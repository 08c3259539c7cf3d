"""A page -> a static Space on the Hub, in one commit."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import SpaceCardData

from zoo.cards import MARKER
from zoo.errors import HubError, InputError, WeightsError, ZooError
from zoo.folder.layout import CARD
from zoo.hub.changes import Changes
from zoo.hub.client import is_as_made
from zoo.hub.listing import Listing
from zoo.hub.obtain import small_text
from zoo.hub.prepare import check_no_links
from zoo.hub.push import Published, publish
from zoo.hub.target import Target
from zoo.io.files import with_home
from zoo.io.text import printable
from zoo.page.read import CONTENTS, FILES, is_page, read_page, unpacked
from zoo.page.write import common_files
from zoo.registry import sources
from zoo.registry.sources import HubAddress

log = logging.getLogger("zoo")

MARK = f"{MARKER} beside a page; a Space without this line is left alone -->"
GITATTRIBUTES = ".gitattributes"


def push_page(folder: str | Path, target: Target) -> Published:
    """Publishes a page as a static Space, in one commit; other files of the Space stay.

    Args:
        folder: of a page, as `write_page` writes it.
        target: of the kind `space`. It is made if it is not there.

    Raises:
        InputError: for a folder that is no page, or holds links.
        WeightsError: for a page that is not whole, or not of this version of the zoo.
        HubError: where the Hub refuses, or the Space holds something else than such a page.
        OfflineError: where the Hub cannot be reached.
    """
    files = space_files(folder, target)
    return publish(target, lambda listing: _changes(listing, files))


def space_files(folder: str | Path, target: Target) -> dict[str, bytes]:
    """The files that a Space gets: the page's, and a README.md. Errors as of `push_page`."""
    page = with_home(folder, InputError)
    if not is_page(page):
        raise InputError(f"{str(page)!r} is not the folder of a page: `zoo page` writes one.")
    check_no_links(page, FILES, "`zoo page` writes files.")
    try:
        files, held = read_page(page)
        _check_whole(files, held)
    except (WeightsError, AttributeError, TypeError) as torn:
        raise WeightsError(
            f"{str(page)!r} is not a whole page: {str(torn).rstrip('.')}. Nothing was pushed: "
            "write it again with `zoo page`."
        ) from None
    return files | {CARD: _readme(held, target).encode()}


def shown_on(folder: str | Path) -> str:
    """A sentence of the images that whoever sees a page gets."""
    images = read_page(with_home(folder, InputError))[1]["images"]
    count = images.get("count", 0)
    if not count:
        return "The page holds no images."
    return f"The page publishes {count:,} images of {printable(str(images.get('name')))}."


def _check_whole(files: dict[str, bytes], held: dict[str, Any]) -> None:
    """What can be seen without the model; `zoo verify` sees the rest. Raises WeightsError."""
    if not re.fullmatch("[0-9a-f]{64}", str(held["sha256"])):
        raise WeightsError(f"{CONTENTS} has no sha256 of the weights")
    if not files["index.html"].endswith(b"</html>\n"):
        raise WeightsError("index.html has no end")
    for name, content in common_files().items():
        if files[name] != content.encode():
            raise WeightsError(f"{name} is not what this version of the zoo writes")
    for graph in held["networks"].values():
        unpacked(graph)


def _changes(listing: Listing, files: dict[str, bytes]) -> Changes:
    """What differs between a Space and the files. Raises HubError for one of another kind."""
    template = ()
    if not _is_ours(listing, files):
        if not is_as_made(listing):
            raise HubError(
                f"The Space {listing.repo!r} holds something else than a page of the zoo. Nothing "
                "was pushed: name another one."
            )
        template = sorted(listing.files.keys() - files.keys() - {GITATTRIBUTES})
    add = {name: data for name, data in files.items() if not listing.holds(name, data)}
    return Changes(add, tuple(template), (), files[CARD].decode())


def _is_ours(listing: Listing, files: dict[str, bytes]) -> bool:
    if listing.files.keys() <= {GITATTRIBUTES} or listing.holds(CARD, files[CARD]):
        return True
    return CARD in listing.files and MARK in small_text(listing, CARD)


@dataclass(frozen=True)
class _Public:
    """A model whose name always means the same weights: a published one, or a commit on the Hub."""

    title: str
    what: str
    """Markdown."""
    source: str
    """What `zoo.load` takes."""
    repo: str | None = None


def _public(source: object) -> _Public | None:
    """The model that a page names; None where it names none that is pinned."""
    try:
        found = sources.parse(source) if isinstance(source, str) else None
    except ZooError:
        return None
    line = found.line if found else None
    if isinstance(found, HubAddress) and found.is_pinned:
        page = f"https://huggingface.co/{found.repo}/tree/{found.revision}"
        what = f"[{found.repo}]({page}) at commit `{found.revision}`"
        pinned = f"hf://{found.repo}@{found.revision}"
        return _Public(found.repo.partition("/")[2], what, pinned, found.repo)
    if line:
        return _Public(line.name, f"`{line.name}` of {line.registry.distribution}", line.name)
    return None


def _readme(held: dict[str, Any], target: Target) -> str:
    """The Space's front matter, which the Hub reads, and which model it is."""
    model = _public(held["source"])
    if model is None:
        log.warning(
            "The page names no public model: README.md has the sha256 of its weights alone."
        )
    title = model.title if model else target.repo.partition("/")[2]
    data = SpaceCardData(
        title=title,
        sdk="static",
        app_file="index.html",
        models=[model.repo] if model and model.repo else None,
    )
    parts = [
        f"---\n{data.to_yaml()}\n---",
        f"{MARK}\n# {title}",
        f"This page runs {model.what if model else 'a model that is not public'} in the browser: no "
        "image leaves it, and no other server is asked. The sha256 of its `model.safetensors` is "
        f"`{held['sha256']}`.",
    ]
    if model:
        load = f'model = zoo.load("{model.source}")'
        parts.append(f"```python\nimport zoo  # pip install autoencoder-zoo\n{load}\n```")
    return "\n\n".join(parts) + "\n"
