"""A source -> a folder of one's own, with copies of every file on the closed list."""

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
    """Fetches a model's whole folder: weights, card, recipe, numbers and pictures.

    Args:
        source: what `load` takes.
        to: a new or empty folder, or one with a model that is replaced; other files in it stay,
            and so does a README.md that lacks the zoo's mark.
            None leaves the files in the Hub's cache.
        revision: a branch, a tag or a commit of a Hub repo.
        token: for a private Hub repo.
        offline: whether to stay off the network.

    Returns:
        The folder: `to`, or where the files are. Those in a cache may be links.

    Raises:
        What `load` does; InputError where `to` holds something else.
        ZooError: where the disk is full or read-only. `to` is as it was.
    """
    target = None if to is None else with_home(to, InputError)
    if target is not None:
        store.check_target(target)
    found = find(source, EVERYTHING, revision=revision, token=token, offline=offline)
    if found.is_offline and (lacking := layout.lacking(found.folder)):
        raise OfflineError(
            f"{found.origin!r} is not in the cache as a whole: {lacking} was looked for in "
            f"{str(found.folder)!r}. Online, `zoo pull {found.origin}` fetches it."
        )
    read_info(found.folder, found.origin)  # a model's, and its texts are sound
    if target is None:
        return found.folder
    with replaced(target) as stage:
        for name in layout.files_of(found.folder):
            copy_regular(found.folder / name, stage / name)
    return target
