"""A model -> the files to push, read once; what may not be pushed is refused before any request."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch.nn import Module

from zoo.cards import FIGURES, MARKER
from zoo.cards.card import body_of, render_card, source_in
from zoo.cards.licenses import DETAILS, LICENSE
from zoo.errors import InputError, SourceError, ZooError
from zoo.folder import layout, store
from zoo.folder.authorship import is_authors
from zoo.folder.config import read_config
from zoo.hub.find import EVERYTHING, find
from zoo.hub.target import Target
from zoo.io.files import read_regular, with_home, write_atomically
from zoo.models import Autoencoder
from zoo.models.contract import unwrapped
from zoo.registry import sources
from zoo.registry.sources import Source
from zoo.specs.info import ModelInfo

log = logging.getLogger("zoo")

MAX_WEIGHTS_BYTES = 50 * 10**9


@dataclass(frozen=True)
class Prepared:
    """The content of a push."""

    files: dict[str, bytes]
    """By name; its README.md is the model's own, and `card` gives the pushed one."""
    info: ModelInfo
    where: str
    """The source in the card's example."""
    license: str | None = None
    """The Hub's id of the weights' license; None keeps the license of the cards."""

    def card(self, license: Mapping[str, str]) -> bytes:
        """README.md: its author's, else a generated one, with `license` if the model has none of its own."""
        own = self.files.get(layout.CARD)
        if own is not None and is_authors(own.decode("utf-8", "replace")):
            return own
        info = self.info
        if self.license is not None:
            info = replace(info, license=self.license, license_details={})
        elif info.license is None and LICENSE in license:
            details = {name: license[name] for name in DETAILS if name in license}
            info = replace(info, license=license[LICENSE], license_details=details)
        return render_card(info, source=self.where).encode()


@contextmanager
def prepared(
    model_or_folder: Autoencoder | str | Path, target: Target, license: str | None = None
) -> Iterator[Prepared]:
    """The content of a push, read once and verified by loading it back.

    Arguments and errors as `push`; nothing is pushed yet.
    """
    if license is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,99}", license):
        raise InputError(
            f"{license!r:.100} is not a license id of the Hub, such as mit or apache-2.0: see "
            "https://huggingface.co/docs/hub/repositories-licenses."
        )
    where = target.repo if target.is_main else f"hf://{target.repo}@{target.revision}"
    with tempfile.TemporaryDirectory(prefix="zoo-push-") as scratch:
        if isinstance(model_or_folder, Module):
            source = Path(scratch) / "saved"
            _save(unwrapped(model_or_folder), source, target.token)
        else:
            source = _checked_folder(model_or_folder)
        copy, files = Path(scratch) / "copy", {}
        for name in layout.files_of(source):
            limit = layout.limit_of(name) or MAX_WEIGHTS_BYTES
            files[name] = read_regular(source / name, limit)
            write_atomically(copy / name, files[name])
        info = _load_back(copy, source)
        _check_card(files.get(layout.CARD, b"").decode("utf-8", "replace"), info, source, license)
        yield Prepared(files, info, where, license)


def _check_card(card: str, info: ModelInfo, folder: Path, license: str | None) -> None:
    """Warns that an edited card of the zoo is regenerated. Raises InputError for an author's with a license."""
    if is_authors(card):
        if license is not None:
            raise InputError(
                f"{str(folder / layout.CARD)!r} is your own card, which is pushed unchanged: put "
                f"`license: {license}` into its front matter. Nothing was pushed."
            )
        return
    plain = card.removeprefix("\ufeff").replace("\r\n", "\n")
    if plain and body_of(plain) != body_of(render_card(info, source_in(card))):
        log.warning(
            "%s was edited, or written by another version of the zoo, and is regenerated for the "
            "repo. To push it unchanged, delete its line `%s ...`.",
            *(folder / layout.CARD, MARKER),
        )


def _save(model: Autoencoder, folder: Path, token: str | None) -> None:
    """Saves the model's whole folder; files that its load from the Hub left out are fetched if possible."""
    info = model.info
    if info is not None and sources.is_on_hub(info.origin):
        try:
            find(info.origin, EVERYTHING, token=token)
        except ZooError as wrong:
            log.warning(
                "%s: its recipe, metrics and pictures may be missing. %s", info.origin, wrong
            )
    store.save(model, folder)
    model.info = info  # not that of a temporary folder


def _checked_folder(given: str | Path) -> Path:
    source = with_home(given, InputError)
    if "://" in str(given) or (str(given).count("/") == 1 and not os.path.lexists(source)):
        raise InputError(
            f"{str(given)!r} is not a local folder. The folder comes first, then the repo; "
            f"`zoo pull {given} --to FOLDER` copies a model from the Hub."
        )
    inner = source / "model"
    if not os.path.lexists(source / layout.CONFIG) and os.path.lexists(inner / layout.CONFIG):
        raise SourceError(f"{str(source)!r} is a run's folder; its model is {str(inner)!r}.")
    read_config(source)
    check_no_links(
        source,
        (FIGURES, *layout.files_of(source)),
        "`zoo pull ... --to FOLDER` copies a cached model.",
    )
    return source


def check_no_links(folder: Path, names: Iterable[str], instead: str) -> None:
    """Raises InputError for a link among a folder's files."""
    for name in names:
        if (folder / name).is_symlink():
            raise InputError(
                f"{str(folder / name)!r} is a link, and its target may not be yours: links "
                f"are not pushed. {instead}"
            )


def _load_back(copy: Path, source: Path) -> ModelInfo:
    try:
        info = store.load_source(Source(copy, str(copy))).info
    except ZooError as wrong:
        text = str(wrong).replace(str(copy), str(source))
        wrong.args = (f"{text}\nNothing was pushed.",)
        raise
    assert info is not None
    changed = info.metrics.training.overrides.values() if info.metrics else ()
    for text in map(str, (info.data, *changed)):
        if re.match(r"/|~|file:|[A-Za-z]:[\\/]", text):
            raise InputError(
                f"Its recipe or its overrides name {text!r}, a path on this machine, which would be "
                "published. Train on a relative path such as ./images. Nothing was pushed."
            )
    return info
