"""A model -> the files that a push sends, read once and loaded back from what was read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from huggingface_hub import constants

from zoo import folder, hub, layout, store
from zoo.card import MARKER, render_card
from zoo.errors import InputError, SourceError, ZooError
from zoo.files import read_regular, with_home, write_atomically
from zoo.models import Autoencoder
from zoo.sources import COMMIT, checked_repo, checked_revision, local

MAX_WEIGHTS_BYTES = 50 * 10**9


def prepare(
    model_or_folder: Autoencoder | str | Path,
    repo: str,
    revision: str | None = None,
    create_pr: bool = False,
    token: str | None = None,
) -> dict[str, bytes]:
    """The files that a push sends, by name: read once, and loaded back from what was read.

    Arguments and errors as `push`; nothing is asked of the Hub.
    """
    checked_repo(repo)
    _check_branch(revision, create_pr)
    where = repo if revision in (None, constants.DEFAULT_REVISION) else f"hf://{repo}@{revision}"
    with tempfile.TemporaryDirectory(prefix="zoo-push-") as scratch:
        if isinstance(model_or_folder, Autoencoder):
            source = Path(scratch) / "saved"
            hub.complete(model_or_folder, token)
            store.save(model_or_folder, source)
        else:
            source = _checked_folder(model_or_folder)
        files = {name: _read(source, name) for name in layout.files_of(source)}
        copy = Path(scratch) / "copy"
        for name, content in files.items():
            write_atomically(copy / name, content)
        return {**files, **_card(_load_back(copy, source), files, where)}


def _check_branch(revision: str | None, create_pr: bool) -> None:
    checked_revision(revision)
    if revision is not None and COMMIT.fullmatch(revision):
        raise InputError("A push goes to a branch, and a commit never changes: name a branch.")
    if create_pr and revision not in (None, constants.DEFAULT_REVISION):
        raise InputError("A pull request is opened against main: leave out the revision.")


def _checked_folder(given: str | Path) -> Path:
    if not isinstance(given, (str, Path)) or not str(given).strip():
        raise InputError(f"A push takes a model or its folder; got {str(given)[:60]!r}.")
    source = with_home(given)
    if "://" in str(given) or (str(given).count("/") == 1 and not os.path.lexists(source)):
        raise InputError(
            f"{str(given)!r} is no folder here. The folder comes first, then the repo; a model on "
            f"the Hub becomes a folder by `zoo pull {given} --to FOLDER`."
        )
    inner = source / "model"
    if not os.path.lexists(source / layout.CONFIG) and os.path.lexists(inner / layout.CONFIG):
        raise SourceError(f"{str(source)!r} is a run's folder; its model is {str(inner)!r}.")
    folder.read_config(source)
    if (source / layout.FIGURES).is_symlink():
        raise InputError(f"{str(source / layout.FIGURES)!r} is a link. Links are not pushed.")
    return source


def _read(source: Path, name: str) -> bytes:
    if (source / name).is_symlink():
        raise InputError(
            f"{str(source / name)!r} is a link, and what it leads to may be anybody's: links are "
            "not pushed. `zoo pull ... --to FOLDER` makes copies of a cached model."
        )
    return read_regular(source / name, layout.limit_of(name) or MAX_WEIGHTS_BYTES)


def _load_back(copy: Path, source: Path) -> folder.ModelInfo:
    try:
        info = store.load_source(local(copy)).info
    except ZooError as wrong:
        text = str(wrong).replace(str(copy), str(source))
        raise type(wrong)(f"{text}\nNothing was pushed.") from None
    assert info is not None
    for measured in [{"dataset": info.data}, *(info.metrics or {}).get("measured", [])]:
        if str(measured["dataset"]).startswith(("/", "~")):
            raise InputError(
                f"Its recipe or numbers name {measured['dataset']!r}, a path of this machine, which "
                "everybody would read. Train on a path such as ./images. Nothing was pushed."
            )
    return info


def _card(info: folder.ModelInfo, files: dict[str, bytes], where: str) -> dict[str, bytes]:
    """README.md for the repo; a card without the zoo's mark is its author's, and stays."""
    if layout.CARD in files and MARKER.encode() not in files[layout.CARD]:
        return {}
    return {layout.CARD: render_card(info, source=where).encode()}
