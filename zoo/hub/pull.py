"""A source -> a copy of its folder: every file on the closed list."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import InputError, OfflineError
from zoo.folder import layout, store
from zoo.folder.authorship import replaced
from zoo.folder.config import read_info
from zoo.hub.find import EVERYTHING, find
from zoo.io.files import copy_regular, with_home


def pull(
    source: str | Path,
    *,
    to: str | Path | None = None,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Path:
    """Fetches a model's whole folder: weights, card, recipe, metrics and pictures.

    Args:
        source: as for `load`.
        to: a new or empty folder, or one with a model to replace; other files in it are kept,
            as is a README.md without the zoo's marker.
            None leaves the files in the Hub's cache.
        revision: a branch, a tag or a commit of a Hub repo.
        token: for a private Hub repo.
        offline: whether to stay off the network.

    Returns:
        `to`, or the folder that the files are in; in a cache they may be links.

    Raises:
        Errors as `load`; InputError if `to` contains anything else.
        ZooError: if the disk is full or read-only; `to` is then unchanged.
    """
    target = None if to is None else with_home(to, InputError)
    if target is not None:
        store.check_target(target)
    found = find(source, EVERYTHING, revision=revision, token=token, offline=offline)
    if found.is_offline and (lacking := layout.lacking(found.folder)):
        raise OfflineError(
            f"{found.origin!r} is not fully cached: {lacking} was not found in "
            f"{str(found.folder)!r}. Once online, `zoo pull {found.origin}` fetches it."
        )
    read_info(found.folder, found.origin)  # checks that it is a model's, and its texts
    if target is None:
        return found.folder
    with replaced(target) as stage:
        for name in layout.files_of(found.folder):
            copy_regular(found.folder / name, stage / name)
    return target
