"""The Hub client's exceptions -> the zoo's errors, each a sentence that says what to do; and trying again."""

from __future__ import annotations

import errno
import importlib
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from zoo.errors import HubError, OfflineError, SourceError, ZooError
from zoo.io.text import printable

log = logging.getLogger("zoo")
T = TypeVar("T")

_TRANSPORT = HfHubHTTPError.__mro__[1]
_http = importlib.import_module(_TRANSPORT.__module__.partition(".")[0])
"""Whichever HTTP library this version of the client is built on."""
UNREACHABLE = (_http.ConnectError, _http.ProxyError, _http.TimeoutException)
MISADDRESSED = (_http.UnsupportedProtocol, _http.InvalidURL)
DISK = {
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO", "ENOTDIR", "EEXIST"),
        *("EISDIR", "ENAMETOOLONG", "EMFILE", "ELOOP"),
    )
    if hasattr(errno, name)
}
"""What a write to this machine's disk may fail with."""
WAITS_S = (1.0, 3.0)
"""Before the second and the third try, unless the Hub asks for another time."""
LONGEST_WAIT_S = 60.0
"""A Hub that asks to wait for longer is not waited for."""
SLOW_S = 3.0
"""A call that failed after so long was tried again by the client."""
_STATUS_IN_RUST = re.compile(r"\(([45]\d\d) [A-Z]")
"""How the part of the client that speaks Xet says what the Hub answered."""
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

    @property
    def subject(self) -> str:
        """The same, as a sentence begins."""
        return self.doing[:1].upper() + self.doing[1:]

    @property
    def token_in_use(self) -> str | None:
        """The token that the client sends: the one that was given, or the one that is stored."""
        return self.token or stored_token()


def stored_token() -> str | None:
    """The token of `hf auth login` or HF_TOKEN, unless the client is told not to send it."""
    return None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()


def hub_address() -> str:
    """Where the Hub is, without the password that HF_ENDPOINT may hold."""
    return re.sub(r"//[^/@]*@", "//", constants.ENDPOINT)


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
        again: whether a failure that leaves open what happened may be tried again.

    Raises:
        ZooError: whatever went wrong.
    """
    for wait in (*WAITS_S, None):
        begun = time.monotonic()
        try:
            return action()
        except Exception as failure:
            root = _root_of(failure)
            error, asks = as_error(root, asked), retry_after(root)
            passing = isinstance(error, (UnreachableError, HubUnavailableError))
            slow = time.monotonic() - begun > SLOW_S  # the client has tried again by itself
            if not passing or slow or not (again or asks) or (asks or 0) > LONGEST_WAIT_S:
                wait = None
        if wait is None:
            raise error from None  # a traceback must not quote what the client was given
        reason = str(error).partition(" Try again")[0].rstrip(".")
        log.warning("%s. Trying again in %g s.", reason, asks or wait)
        time.sleep(asks or wait)
    raise AssertionError("the last try returns or raises")


def as_error(failure: BaseException, asked: RequestContext) -> ZooError:
    """The error for a failure of the client, with nothing secret in it."""
    said = _said(failure, asked)
    if isinstance(failure, ZooError):
        return failure
    if isinstance(failure, HfHubHTTPError):
        return _answered(failure, asked)
    if type(failure) in (ConnectionError, RuntimeError) and (
        refused := _STATUS_IN_RUST.search(str(failure))
    ):
        return _refused(asked, int(refused.group(1)), said)
    if isinstance(failure, OfflineModeIsEnabled):
        return OfflineError(f"{asked.subject} needs the network, and HF_HUB_OFFLINE is set.")
    if isinstance(failure, UNREACHABLE):
        return UnreachableError(
            f"The Hub at {hub_address()} cannot be reached ({said}). Check the network; on a slow "
            "one, HF_HUB_DOWNLOAD_TIMEOUT=60 waits longer."
        )
    if isinstance(failure, MISADDRESSED):
        return HubError(f"HF_ENDPOINT is {hub_address()!r}, not the address of a Hub: {said}.")
    if isinstance(failure, OSError) and failure.errno in DISK:
        return ZooError(
            f"{asked.subject}: cannot write to {constants.HF_HUB_CACHE!r}: {said}. "
            "Free some space, or set HF_HOME to a folder with enough."
        )
    if isinstance(failure, ValueError):  # the client refuses what it was given
        return HubError(f"{asked.subject}: the Hub's client refuses ({said}).")
    return HubUnavailableError(f"{asked.subject} failed: {said}. Try again later.")


def _answered(failure: HfHubHTTPError, asked: RequestContext) -> ZooError:
    """The error for a request that the Hub answered with a status that is no success."""
    repo, page = repr(asked.repo), f"{hub_address()}/{asked.repo}"
    status = failure.response.status_code
    if isinstance(failure, GatedRepoError):
        return HubError(
            f"{repo} is gated: ask for access on {page}, then {LOG_IN} to a token of that account."
        )
    if isinstance(failure, DisabledRepoError):
        return HubError(f"{repo} was disabled by the Hub: see {page}.")
    if isinstance(failure, RepositoryNotFoundError):
        return NoRepoError(f"There is no model {repo} at {hub_address()}{_or_private(asked)}")
    if isinstance(failure, RevisionNotFoundError):
        return SourceError(
            f"{repo} has no revision {asked.revision or 'main'!r}. {page}/refs lists what there is."
        )
    if isinstance(failure, RemoteEntryNotFoundError):
        return HubUnavailableError(
            f"{asked.subject}: the Hub listed it and has it no more. Try again."
        )
    if status in (409, 412) and asked.is_write:
        return StaleError(
            f"{asked.subject}: the branch has moved in the meantime ({status}), again and again. "
            "Try again when nobody else pushes there."
        )
    return _refused(asked, status, _said(failure, asked), retry_after(failure))


def _refused(asked: RequestContext, status: int, said: str, wait: float | None = None) -> ZooError:
    if status in (401, 403):
        return _not_allowed(asked, status)
    if status < 500 and status not in (408, 429):
        return HubError(f"The Hub refused {asked.doing} ({said}).")
    waits = f" It asks to wait {wait:g} s." if wait else ""
    return HubUnavailableError(
        f"{asked.subject}: the Hub answered {status}.{waits} Try again later."
    )


def _not_allowed(asked: RequestContext, status: int) -> HubError:
    tokens = f"{hub_address()}/settings/tokens"
    if asked.token_in_use is None:
        return HubError(f"{asked.subject} needs a token ({status}): {LOG_IN}.")
    if status == 401:
        return HubError(
            f"The Hub does not accept your token (401, {asked.doing}). Make a new one on {tokens} "
            f"and {LOG_IN}; without a token, public models load."
        )
    right = (
        f"write to {asked.repo.partition('/')[0]!r}" if asked.is_write else f"read {asked.repo!r}"
    )
    return HubError(
        f"Your token has no right to this (403, {asked.doing}). It must be one with the right to "
        f"{right}: {tokens}."
    )


def _or_private(asked: RequestContext) -> str:
    if asked.token_in_use is None:
        return f", or it is private. Check the name; for a private model {LOG_IN}."
    return (
        ", or it is private and your token may not read it. Check the name, and whose token it is."
    )


def _root_of(failure: BaseException) -> BaseException:
    """What lies at the root of a failure: the client wraps some of them, once or twice."""
    while failure.__cause__ is not None and not isinstance(failure, (_TRANSPORT, ZooError)):
        failure = failure.__cause__
    return failure


def retry_after(failure: BaseException) -> float | None:
    """Seconds that the Hub asks to wait; None if it does not say, or says it as a date."""
    if not isinstance(failure, HfHubHTTPError):
        return None
    value = failure.response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() and len(value) < 7 else None


def _said(failure: BaseException, asked: RequestContext) -> str:
    """What a failure says of itself, on one line, shortened, without the token."""
    text = getattr(failure, "server_message", None) or str(failure)
    for secret in (asked.token, get_token(), *re.findall(r"//([^/@]*)@", constants.ENDPOINT)):
        if secret:
            text = text.replace(secret, "***")
    line = " ".join(printable(text).split()).rstrip(".")
    name = type(failure).__name__
    if isinstance(failure, HfHubHTTPError):
        name = str(failure.response.status_code)
    if "Bearer" in line or "hf_" in line:
        return name  # a header was quoted
    return f"{name}: {line[:200]}" if line else name
