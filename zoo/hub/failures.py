"""The Hub client's exceptions -> the zoo's errors, each a sentence that says what to do; and how often it is tried again."""

from __future__ import annotations

import importlib
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from huggingface_hub import constants, errors, get_token

from zoo.errors import HubError, OfflineError, SourceError, ZooError
from zoo.io.text import printable

log = logging.getLogger("zoo")
T = TypeVar("T")

_TRANSPORT = errors.HfHubHTTPError.__mro__[1]
_http = importlib.import_module(_TRANSPORT.__module__.partition(".")[0])
"""Whichever HTTP library this version of the client is built on."""
UNREACHABLE = (ConnectionError, _http.TransportError)
"""What the Hub's client raises where a server does not answer."""
FAILURES = (OSError, _http.HTTPError, _http.InvalidURL, ValueError, RuntimeError, ZooError)
"""What the client raises where the Hub, the network or the disk fails: it refuses what it was given by
ValueError, and its part for Xet raises RuntimeError. Anything else is a mistake in a program, and stays it."""
RETRY_WAITS_S = (1.0, 3.0)
"""Before the second and the third try of what may pass."""
SLOW_S = 3.0
"""A call that failed after so long is not tried again."""
Kind = Literal["model", "space"]
"""Of a repo, as the Hub calls it."""
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


class UnreachableError(OfflineError):
    """The Hub did not answer at all."""


class HubUnavailableError(HubError):
    """The Hub answered that it cannot serve now, or broke off."""


class StaleError(HubError):
    """The branch has moved since the Hub was asked what is on it."""


class NoRepoError(SourceError):
    """There is no such repo, as far as this token sees."""


@dataclass(frozen=True)
class RequestContext:
    """What is asked of the Hub, for the sentences about its failure."""

    doing: str
    """Such as `fetching config.json of acme/vae`."""
    repo: str
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    is_write: bool = False
    kind: Kind = "model"

    @property
    def has_token(self) -> bool:
        """Whether the client sends one: the one that was given, or the one that is stored."""
        return (self.token or get_token()) is not None


def hub_address() -> str:
    """Where the Hub is, without the password that HF_ENDPOINT may hold."""
    return re.sub(r"//[^/@]*@", "//", constants.ENDPOINT)


def page_of(repo: str, kind: Kind) -> str:
    """The address of a repo's page."""
    return f"{hub_address()}/{constants.REPO_TYPES_URL_PREFIXES.get(kind, '')}{repo}"


def first_sentence(error: ZooError) -> str:
    """What happened, without what to do."""
    return str(error).partition(". ")[0].rstrip(".")


def attempt(asked: RequestContext, action: Callable[[], T], *, again: bool = True) -> T:
    """What a call of the client returns; tried up to three times where that may help.

    The client bounds the wait for each answer (HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_ETAG_TIMEOUT) and
    retries some requests itself. A body that drips, or never ends, is not bounded.

    Args:
        asked: what it asks of the Hub, for the messages.
        action: calls the client.
        again: whether it may be called again.

    Raises:
        ZooError: where the Hub, the network or the disk fails. A mistake in a program stays what it is.
    """
    for wait in (*RETRY_WAITS_S, None):
        begun = time.monotonic()
        try:
            return action()
        except FAILURES as failure:
            error = as_error(_root_of(failure), asked)
        passing = isinstance(error, (UnreachableError, HubUnavailableError))
        waited = time.monotonic() - begun > SLOW_S  # the client has waited, or tried again
        if wait is None or not again or not passing or waited:
            raise error from None  # a traceback must not quote what the client was given
        log.warning("%s. Trying again in %g s.", first_sentence(error), wait)
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


Classes = type[Exception] | tuple[type[Exception], ...]

KINDS: tuple[tuple[Classes, type[ZooError], str], ...] = (
    (
        errors.GatedRepoError,
        HubError,
        "{repo!r} is gated: ask for access on {page}, then {log_in} to a token of that account.",
    ),
    (errors.DisabledRepoError, HubError, "{repo!r} was disabled by the Hub: see {page}."),
    (
        errors.RepositoryNotFoundError,
        NoRepoError,
        "There is no {kind} {repo!r} at {hub}, or it is private{or_private}",
    ),
    (
        errors.RevisionNotFoundError,
        SourceError,
        "{repo!r} has no revision {revision!r}. {page}/refs lists what there is.",
    ),
    (
        (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError),
        OfflineError,
        "{subject}: it is not cached.",
    ),
    (
        (_http.ConnectError, _http.ProxyError, _http.TimeoutException),
        UnreachableError,
        "The Hub at {hub} cannot be reached ({said}). Check the network; on a slow one, "
        "HF_HUB_DOWNLOAD_TIMEOUT=60 waits longer.",
    ),
    (
        (_http.UnsupportedProtocol, _http.InvalidURL),
        HubError,
        "HF_ENDPOINT is {hub!r}, not the address of a Hub: {said}.",
    ),
)
"""Exceptions of the client whose class says it all, the more special ones first."""


def as_error(failure: BaseException, asked: RequestContext) -> ZooError:
    """The error for a failure of the client, with nothing secret in it."""
    if isinstance(failure, ZooError):
        return failure
    said, subject = _said(failure, asked), asked.doing[:1].upper() + asked.doing[1:]
    for classes, error, sentence in KINDS:
        if isinstance(failure, classes):
            told = sentence.format(
                repo=asked.repo,
                revision=asked.revision or constants.DEFAULT_REVISION,
                hub=hub_address(),
                page=page_of(asked.repo, asked.kind),
                kind="Space" if asked.kind == "space" else asked.kind,
                log_in=LOG_IN,
                or_private=" and your token may not read it. Check the name, and whose token it is."
                if asked.has_token
                else f". Check the name; for a private one {LOG_IN}.",
                subject=subject,
                said=said,
            )
            return error(told)
    if status := _status_of(failure):
        return _answered(status, asked, said, subject)
    of_network = isinstance(failure, (ConnectionError, TimeoutError))
    if isinstance(failure, OSError) and failure.errno is not None and not of_network:
        return ZooError(
            f"{subject}: cannot write to {constants.HF_HUB_CACHE!r}: {said}. "
            "Free some space, or set HF_HOME to a folder with enough."
        )
    if isinstance(failure, ValueError):  # the client refuses what it was given
        return HubError(f"{subject}: the Hub's client refused ({said}).")
    return HubUnavailableError(f"{subject} failed: {said}. Try again later.")


def _answered(status: int, asked: RequestContext, said: str, subject: str) -> ZooError:
    """The error for an answer with a status that is not a success."""
    tokens = f"{hub_address()}/settings/tokens"
    if status in (401, 403) and not asked.has_token:
        return HubError(f"{subject} needs a token ({status}): {LOG_IN}.")
    if status == 401:
        return HubError(
            f"The Hub does not accept your token (401, {asked.doing}). Make a new one on {tokens} "
            f"and {LOG_IN}; without a token, public models load."
        )
    if status == 403:
        owner = repr(asked.repo.partition("/")[0])
        right = f"write to {owner}" if asked.is_write else f"read {asked.repo!r}"
        return HubError(
            f"Your token has no right to this (403, {asked.doing}). It must be one with the right "
            f"to {right}: {tokens}."
        )
    if status in (409, 412) and asked.is_write:
        return StaleError(
            f"{subject}: the branch has moved in the meantime ({status}), again and again. "
            "Try again when no other push is running."
        )
    if status < 500 and status not in (408, 429):
        return HubError(f"The Hub refused {asked.doing} ({said}).")
    return HubUnavailableError(f"{subject}: the Hub answered {status}. Try again later.")


def _status_of(failure: BaseException) -> int | None:
    """What the Hub answered. Of Xet's part of the client only the words `(403 Forbidden)` say it."""
    if isinstance(failure, errors.HfHubHTTPError):
        return failure.response.status_code
    found = re.search(r"\(([45]\d\d) [A-Z]", str(failure))
    return int(found.group(1)) if found else None


def _root_of(failure: BaseException) -> BaseException:
    """What lies at the root of a failure: the client wraps some of them, once or twice."""
    cause = failure.__cause__
    is_root = isinstance(failure, (_TRANSPORT, ZooError)) or not isinstance(cause, FAILURES)
    return failure if is_root or cause is None else _root_of(cause)


def _said(failure: BaseException, asked: RequestContext) -> str:
    """What a failure says of itself, on one line, shortened, without the token."""
    text = getattr(failure, "server_message", None) or str(failure)
    for secret in (asked.token, get_token(), *re.findall(r"//([^/@]*)@", constants.ENDPOINT)):
        if secret:
            text = text.replace(secret, "***")
    line = " ".join(printable(text).split()).rstrip(".")
    name = type(failure).__name__
    if isinstance(failure, errors.HfHubHTTPError):
        name = str(failure.response.status_code)
    return f"{name}: {line[:200]}" if line else name
