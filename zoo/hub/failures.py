"""The Hub client's exceptions -> the zoo's errors, which say what to do; and retries."""

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
"""The HTTP library that the installed version of the client uses."""
UNREACHABLE = (ConnectionError, _http.TransportError)
"""Raised by the Hub's client if a server does not answer."""
FAILURES = (OSError, _http.HTTPError, _http.InvalidURL, ValueError, RuntimeError, ZooError)
"""Raised by the client if the Hub, the network or the disk fails: ValueError for invalid arguments, and
RuntimeError by its Xet transfers. Any other exception is a bug, and is not translated."""
RETRY_WAITS_S = (1.0, 3.0)
"""Waits before the second and third try after a transient failure."""
SLOW_S = 3.0
"""A call that took longer than this to fail is not retried."""
Kind = Literal["model", "space"]
"""The Hub's type of a repo."""
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


class UnreachableError(OfflineError):
    """The Hub did not answer at all."""


class HubUnavailableError(HubError):
    """The Hub is temporarily unavailable, or the connection broke."""


class StaleError(HubError):
    """The branch has moved since its files were listed."""


class NoRepoError(SourceError):
    """The repo does not exist, or the token cannot read it."""


@dataclass(frozen=True)
class RequestContext:
    """A request to the Hub, for error messages."""

    doing: str
    """Such as `fetching config.json of acme/vae`."""
    repo: str
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    is_write: bool = False
    kind: Kind = "model"

    @property
    def has_token(self) -> bool:
        """Whether the client sends a token, given or stored."""
        return (self.token or get_token()) is not None


def hub_address() -> str:
    """The Hub's address, without the password that HF_ENDPOINT may contain."""
    return re.sub(r"//[^/@]*@", "//", constants.ENDPOINT)


def page_of(repo: str, kind: Kind) -> str:
    """The address of a repo's page."""
    return f"{hub_address()}/{constants.REPO_TYPES_URL_PREFIXES.get(kind, '')}{repo}"


def first_sentence(error: ZooError) -> str:
    """What happened, without what to do."""
    return str(error).partition(". ")[0].rstrip(".")


def attempt(request: RequestContext, action: Callable[[], T], *, again: bool = True) -> T:
    """Calls the client, up to three times if failures are transient, and returns its result.

    The client limits the wait for each response (HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_ETAG_TIMEOUT) and
    retries some requests itself. The total time of a slow or endless response is not limited.

    Args:
        request: its description, for error messages.
        action: calls the client.
        again: whether it may be retried.

    Raises:
        ZooError: if the Hub, the network or the disk fails. Other exceptions are bugs and pass through.
    """
    for wait in (*RETRY_WAITS_S, None):
        begun = time.monotonic()
        try:
            return action()
        except FAILURES as failure:
            error = as_error(_root_of(failure), request)
        passing = isinstance(error, (UnreachableError, HubUnavailableError))
        waited = time.monotonic() - begun > SLOW_S  # the client has waited or retried
        if wait is None or not again or not passing or waited:
            raise error from None  # a traceback must not show the client's arguments
        log.warning("%s. Retrying in %g s.", first_sentence(error), wait)
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


Classes = type[Exception] | tuple[type[Exception], ...]

KINDS: tuple[tuple[Classes, type[ZooError], str], ...] = (
    (
        errors.GatedRepoError,
        HubError,
        "{repo!r} is gated: request access on {page}, then {log_in} to a token of that account.",
    ),
    (errors.DisabledRepoError, HubError, "{repo!r} was disabled by the Hub: see {page}."),
    (
        errors.RepositoryNotFoundError,
        NoRepoError,
        "No {kind} named {repo!r} at {hub}, or it is private{or_private}",
    ),
    (
        errors.RevisionNotFoundError,
        SourceError,
        "{repo!r} has no revision {revision!r}. {page}/refs lists all revisions.",
    ),
    (
        (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError),
        OfflineError,
        "{subject}: it is not cached.",
    ),
    (
        (_http.ConnectError, _http.ProxyError, _http.TimeoutException),
        UnreachableError,
        "The Hub at {hub} cannot be reached ({detail}). Check the network; on a slow one, "
        "HF_HUB_DOWNLOAD_TIMEOUT=60 waits longer.",
    ),
    (
        (_http.UnsupportedProtocol, _http.InvalidURL),
        HubError,
        "HF_ENDPOINT is {hub!r}, not the address of a Hub: {detail}.",
    ),
)
"""Exceptions of the client whose class determines the error, subclasses first."""


def as_error(failure: BaseException, request: RequestContext) -> ZooError:
    """The error for a failure of the client, without secrets."""
    if isinstance(failure, ZooError):
        return failure
    detail, subject = _detail(failure, request), request.doing[:1].upper() + request.doing[1:]
    for classes, error, sentence in KINDS:
        if isinstance(failure, classes):
            text = sentence.format(
                repo=request.repo,
                revision=request.revision or constants.DEFAULT_REVISION,
                hub=hub_address(),
                page=page_of(request.repo, request.kind),
                kind="Space" if request.kind == "space" else request.kind,
                log_in=LOG_IN,
                or_private=" and your token cannot read it. Check the name and the token's account."
                if request.has_token
                else f". Check the name; for a private one {LOG_IN}.",
                subject=subject,
                detail=detail,
            )
            return error(text)
    if status := _status_of(failure):
        return _answered(status, request, detail, subject)
    of_network = isinstance(failure, (ConnectionError, TimeoutError))
    if isinstance(failure, OSError) and failure.errno is not None and not of_network:
        return ZooError(
            f"{subject}: cannot write to {constants.HF_HUB_CACHE!r}: {detail}. "
            "Free some space, or set HF_HOME to a folder with enough."
        )
    if isinstance(failure, ValueError):  # the client refuses its arguments
        return HubError(f"{subject}: the Hub's client refused ({detail}).")
    return HubUnavailableError(f"{subject} failed: {detail}. Try again later.")


def _answered(status: int, request: RequestContext, detail: str, subject: str) -> ZooError:
    """The error for an HTTP error status."""
    tokens = f"{hub_address()}/settings/tokens"
    if status in (401, 403) and not request.has_token:
        return HubError(f"{subject} needs a token ({status}): {LOG_IN}.")
    if status == 401:
        return HubError(
            f"The Hub does not accept your token (401, {request.doing}). Create a new one on {tokens} "
            f"and {LOG_IN}; without a token, public models load."
        )
    if status == 403:
        owner = repr(request.repo.partition("/")[0])
        right = f"write to {owner}" if request.is_write else f"read {request.repo!r}"
        return HubError(
            f"Your token does not permit this (403, {request.doing}). It needs permission to "
            f"{right}: {tokens}."
        )
    if status in (409, 412) and request.is_write:
        return StaleError(
            f"{subject}: the branch keeps moving ({status}). "
            "Try again when no other push is running."
        )
    if status < 500 and status not in (408, 429):
        return HubError(f"The Hub refused {request.doing} ({detail}).")
    return HubUnavailableError(f"{subject}: the Hub answered {status}. Try again later.")


def _status_of(failure: BaseException) -> int | None:
    """The HTTP status of a failure, if any; Xet errors have it only in their text, such as `(403 Forbidden)`."""
    if isinstance(failure, errors.HfHubHTTPError):
        return failure.response.status_code
    found = re.search(r"\(([45]\d\d) [A-Z]", str(failure))
    return int(found.group(1)) if found else None


def _root_of(failure: BaseException) -> BaseException:
    """The root cause of a failure: the client wraps some of them, once or twice."""
    cause = failure.__cause__
    is_root = isinstance(failure, (_TRANSPORT, ZooError)) or not isinstance(cause, FAILURES)
    return failure if is_root or cause is None else _root_of(cause)


def _detail(failure: BaseException, request: RequestContext) -> str:
    """A failure's message on one line, shortened, without secrets."""
    text = getattr(failure, "server_message", None) or str(failure)
    for secret in (request.token, get_token(), *re.findall(r"//([^/@]*)@", constants.ENDPOINT)):
        if secret:
            text = text.replace(secret, "***")
    line = " ".join(printable(text).split()).rstrip(".")
    name = type(failure).__name__
    if isinstance(failure, errors.HfHubHTTPError):
        name = str(failure.response.status_code)
    return f"{name}: {line[:200]}" if line else name
