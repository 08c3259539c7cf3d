"""A model -> one commit on the Hub with exactly the files of the closed list.

What is pushed is read once, loaded back from those bytes, and compared with what the repo holds:
only what differs travels, and nothing at all if nothing does.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, get_token, is_offline_mode

from zoo import folder, hub, layout, store
from zoo.card import MARKER, render_card
from zoo.errors import HubError, InputError, OfflineError, SourceError, ZooError
from zoo.files import read_regular, with_home, write_atomically
from zoo.hub import remote
from zoo.hub.failures import LOG_IN, NoRepoError, StaleError, UnreachableError, UnwellError
from zoo.hub.fetch import Place, obtain
from zoo.models import Autoencoder
from zoo.sources import COMMIT, checked_repo, checked_revision, local
from zoo.version import __version__

log = logging.getLogger("zoo")

TRIES = 5
"""Times that a push begins anew on a head that has moved, or after a lost answer."""
ENOUGH_S = 60.0
"""After so long no push begins anew."""
MAX_WEIGHTS_BYTES = 50 * 10**9


@dataclass(frozen=True)
class Published:
    """What a push did."""

    repo: str
    commit: str
    """40 hex digits; of the pull request if one was asked for."""
    url: str
    """The commit's page, or the pull request's."""
    pushed: tuple[str, ...]
    """Names of the files that differed and were sent; none if the repo had them all."""
    deleted: tuple[str, ...]
    """Files of an earlier push that this model does not have."""
    kept: tuple[str, ...]
    """Files of the repo's own that were left alone: a README.md without the zoo's mark."""


def push(
    model_or_folder: Autoencoder | str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    token: str | None = None,
) -> Published:
    """Publishes a model on the Hugging Face Hub, in one commit.

    The repo is made if it is not there. Files of it that are not on a model's closed list stay.
    README.md is written anew for the repo, unless the one there or the one in the folder lacks
    the mark that the zoo leaves in a card.

    Args:
        model_or_folder: a model, or the folder of one.
        repo_id: `org/name`.
        private: whether a new repo is private; None is the Hub's default for the namespace.
        revision: the branch to push to; None is `main`.
        create_pr: open a pull request instead.
        token: of the Hub; None is the one of `hf auth login` or `HF_TOKEN`.

    Raises:
        InputError, SourceError: for something that is not a model's folder, or holds links.
        WeightsError: for a model that does not load back.
        HubError: where the Hub refuses, or the repo holds something else than a zoo model.
        OfflineError: where the Hub cannot be reached.
    """
    checked_repo(repo_id)
    _check_branch(revision, create_pr)
    remote.checked_token(token)
    files = prepare(model_or_folder, repo_id)
    if is_offline_mode():
        raise OfflineError("A push needs the network, and HF_HUB_OFFLINE is set.")
    if token is None and get_token() is None:
        owner = repo_id.partition("/")[0]
        raise HubError(f"A push needs a token that may write to {owner!r}: {LOG_IN}.")
    return _push(files, repo_id, private, revision, create_pr, token)


def prepare(model_or_folder: Autoencoder | str | Path, repo: str) -> dict[str, bytes]:
    """The files that a push sends, by name: read once, and loaded back from what was read.

    Raises as `push`; nothing is asked of the Hub.
    """
    checked_repo(repo)
    with tempfile.TemporaryDirectory(prefix="zoo-push-") as scratch:
        if isinstance(model_or_folder, Autoencoder):
            source = Path(scratch) / "saved"
            hub.complete(model_or_folder)
            store.save(model_or_folder, source)
        else:
            source = _checked_folder(model_or_folder)
        files = {name: _read(source, name) for name in layout.files_of(source)}
        copy = Path(scratch) / "copy"
        for name, content in files.items():
            write_atomically(copy / name, content)
        return {**files, **_card(_load_back(copy, source), files, repo)}


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
    return info


def _card(info: folder.ModelInfo, files: dict[str, bytes], repo: str) -> dict[str, bytes]:
    """README.md for the repo; a card without the zoo's mark is its author's, and stays."""
    if layout.CARD in files and MARKER.encode() not in files[layout.CARD]:
        return {}
    return {layout.CARD: render_card(info, source=repo).encode()}


def _push(
    files: dict[str, bytes],
    repo: str,
    private: bool | None,
    revision: str | None,
    create_pr: bool,
    token: str | None,
) -> Published:
    """Compares, commits, and begins anew if somebody else was faster or the answer was lost."""
    start = time.monotonic()
    for attempt in range(1, TRIES + 1):
        listing = _repo(repo, private, revision, token)
        changes = _changes(listing, files, token)
        if not changes.add and not changes.delete:
            return _published(listing, listing.commit, changes)
        try:
            made = remote.commit_files(
                listing,
                changes.add,
                changes.delete,
                message=f"Push {repo.partition('/')[2]} with autoencoder-zoo {__version__}",
                revision=revision,
                create_pr=create_pr,
                token=token,
            )
            return _published(listing, made.oid, changes, made.pr_url or made.commit_url)
        except StaleError as moved:
            reason, error = "somebody else pushed at the same time", moved
        except (UnwellError, UnreachableError) as lost:
            if create_pr:
                where = f"{constants.ENDPOINT}/{repo}/discussions"
                raise HubError(f"{lost} The pull request may have been opened: {where}") from None
            if isinstance(lost, UnwellError) and lost.is_final:
                raise
            reason, error = str(lost), lost
        if attempt == TRIES or time.monotonic() - start > ENOUGH_S:
            raise error
        log.warning("%s: looking at %s again in %g s.", reason.rstrip("."), repo, attempt)
        time.sleep(attempt)
    raise AssertionError("the last try returns or raises")


def _repo(
    repo: str, private: bool | None, revision: str | None, token: str | None
) -> remote.Listing:
    """The repo as it is now, made if it is not there."""
    try:
        listing = remote.list_repo(repo, revision, token)
    except NoRepoError:
        remote.create_repo(repo, private, token)
        listing = remote.list_repo(repo, revision, token)
    except SourceError as missing:
        raise SourceError(
            f"{missing} `hf repos branch create {repo} {revision}` makes a branch."
        ) from None
    if listing.repo != repo:
        raise HubError(f"{repo!r} is now called {listing.repo!r}. Nothing was pushed: name that.")
    if private is not None and listing.private is not None and listing.private != private:
        is_, asked = ("private", "public") if listing.private else ("public", "private")
        raise HubError(
            f"{repo!r} is there already and is {is_}, and {asked} was asked for. Nothing was "
            f"pushed: change it on {constants.ENDPOINT}/{repo}/settings."
        )
    return listing


@dataclass(frozen=True)
class Changes:
    """What a commit must do to a repo."""

    add: dict[str, bytes]
    delete: tuple[str, ...]
    kept: tuple[str, ...]


def _changes(listing: remote.Listing, files: dict[str, bytes], token: str | None) -> Changes:
    """What differs between the repo and the files. Raises HubError for a repo of another kind."""
    there = {name: digest for name, digest in listing.files.items() if layout.belongs(name)}
    add = {}
    for name, content in files.items():
        digest = there.get(name)
        if digest is None or not digest.matches(content):
            add[name] = content
    ours = there.keys() - {layout.CARD}
    if ours and (layout.CONFIG not in there or layout.CONFIG in add):
        _check_ours(listing, token)
    kept: tuple[str, ...] = ()
    if layout.CARD in add and layout.CARD in there:
        card = _text(listing, layout.CARD, token)
        if card.strip() and MARKER not in card:
            del add[layout.CARD]
            kept = (layout.CARD,)
    return Changes(add, tuple(sorted(ours - files.keys())), kept)


def _check_ours(listing: remote.Listing, token: str | None) -> None:
    """A repo with somebody else's config.json or weights is not written over."""
    text = _text(listing, layout.CONFIG, token) if layout.CONFIG in listing.files else ""
    if f'"{folder.FORMAT.partition("/")[0]}/' not in text:
        raise HubError(
            f"{listing.repo!r} holds files of another kind of model under the names that the zoo "
            "uses. Nothing was pushed: name another repo."
        )


def _text(listing: remote.Listing, name: str, token: str | None) -> str:
    """A small file of the repo as it is now."""
    digest, limit = listing.files[name], layout.limit_of(name) or 0
    if digest is None or (digest.size or 0) > limit:
        raise HubError(
            f"{name} of {listing.repo!r} is too large to be the zoo's. Nothing was pushed."
        )
    place = Place(listing.repo, listing.commit, listing.commit, {name: digest}, token, None)
    return read_regular(obtain(place, name), limit).decode("utf-8", "replace")


def _published(
    listing: remote.Listing, commit: str, changes: Changes, url: str | None = None
) -> Published:
    page = url or f"{constants.ENDPOINT}/{listing.repo}/commit/{commit}"
    return Published(
        listing.repo, commit, page, tuple(sorted(changes.add)), changes.delete, changes.kept
    )
