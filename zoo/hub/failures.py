"""The Hub client's exceptions -> the zoo's errors, each a sentence that says what to do."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field

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

from zoo.errors import HubError, IntegrityError, OfflineError, SourceError, ZooError
from zoo.io.text import printable

DISK = {
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO", "ENOTDIR", "EEXIST"),
        *("EISDIR", "ENAMETOOLONG", "EMFILE", "ELOOP"),
    )
    if hasattr(errno, name)
}
"""What a write to this machine's disk may fail with."""
TRANSPORT = HfHubHTTPError.__mro__[1]
"""The HTTPError of whichever HTTP library this version of the client is built on."""
_STATUS_IN_RUST = re.compile(r"\(([45]\d\d) [A-Z]")
LONGEST_WAIT_S = 60.0
"""A Hub that asks to wait for longer is not waited for."""
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


class UnreachableError(OfflineError):
    """The Hub did not answer at all."""


class UnwellError(HubError):
    """The Hub answered that it cannot serve now, or broke off."""

    def __init__(self, message: str, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
        """Whether it was waited for as long as it is, or asks for longer than that."""


class StaleError(HubError):
    """The branch has moved since the Hub was asked what is on it."""


class NoRepoError(SourceError):
    """There is no such repo, as far as this token sees."""


class TooSlowError(Exception):
    """An action that was given up because it took too long."""


class TooLongError(Exception):
    """A body that goes on after its announced end."""


@dataclass(frozen=True)
class Asked:
    """What was asked of the Hub, for the sentences about its failure."""

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


def root_of(failure: BaseException) -> BaseException:
    """What lies at the root of a failure: the client wraps some of them, once or twice."""
    while failure.__cause__ is not None and not isinstance(failure, TRANSPORT):
        failure = failure.__cause__
    return failure


def status_of(failure: BaseException) -> int | None:
    """The HTTP status that a failure is about, or None."""
    if isinstance(failure, HfHubHTTPError):
        return failure.response.status_code
    if type(failure) in (ConnectionError, RuntimeError):  # of the client's Rust part
        found = _STATUS_IN_RUST.search(str(failure))
        return int(found.group(1)) if found else None
    return None


def is_timeout(failure: BaseException) -> bool:
    """Whether the Hub was waited for as long as the client waits."""
    return isinstance(failure, TRANSPORT) and type(failure).__name__.endswith("Timeout")


def is_unreachable(failure: BaseException) -> bool:
    """Whether no connection came about, or nothing came over it."""
    if isinstance(failure, TRANSPORT):
        return type(failure).__name__ in ("ConnectError", "ProxyError") or is_timeout(failure)
    refused = isinstance(failure, ConnectionError) and status_of(failure) is None
    return refused and not isinstance(failure, OfflineModeIsEnabled)


def is_misaddressed(failure: BaseException) -> bool:
    """Whether HF_ENDPOINT is no address of a server."""
    return type(failure).__name__ in ("UnsupportedProtocol", "InvalidURL")


def is_disk(failure: BaseException) -> bool:
    """Whether this machine's disk is at fault."""
    return type(failure).__module__ == "builtins" and getattr(failure, "errno", 0) in DISK


def is_lasting(failure: BaseException) -> bool:
    """Whether trying again cannot help."""
    status = status_of(failure)
    if status is not None:
        return status not in (408, 429) and status < 500
    if isinstance(failure, (OfflineModeIsEnabled, ZooError, TooSlowError, ValueError)):
        return True  # a ValueError: the client refuses what it was given
    return is_disk(failure) or is_misaddressed(failure)


def as_error(failure: BaseException, asked: Asked, tries: int) -> ZooError:
    """The error for a failure of the client, with nothing secret in it."""
    if isinstance(failure, ZooError):
        return failure
    status, said = status_of(failure), _said(failure, asked)
    if status is not None:
        return _answered(failure, asked, status, tries)
    if isinstance(failure, OfflineModeIsEnabled):
        return OfflineError(f"{asked.subject} needs the network, and HF_HUB_OFFLINE is set.")
    if isinstance(failure, TooLongError):
        return IntegrityError(f"{asked.subject}: {failure}. It was not kept.")
    if isinstance(failure, TooSlowError):
        return UnwellError(
            f"{asked.subject}: gave up after {failure}. Try again later, or on a slow network "
            "with HF_HUB_DOWNLOAD_TIMEOUT=60.",
            is_final=True,
        )
    if is_unreachable(failure):
        return UnreachableError(
            f"The Hub at {hub_address()} cannot be reached ({said}). Check the network."
        )
    if is_misaddressed(failure):
        return HubError(f"HF_ENDPOINT is {hub_address()!r}, which is no address of a Hub: {said}.")
    if is_disk(failure):
        return ZooError(
            f"{asked.subject}: cannot write to {constants.HF_HUB_CACHE!r}: {said}. "
            "Free some space, or set HF_HOME to a folder with enough."
        )
    if is_lasting(failure):
        return HubError(f"{asked.subject}: the Hub's client refuses ({said}).")
    often = f" after {tries} tries" if tries > 1 else ""
    return UnwellError(f"{asked.subject} failed{often}: {said}. Try again later.")


def _answered(failure: BaseException, asked: Asked, status: int, tries: int) -> ZooError:
    """The error for a request that the Hub answered with a status that is no success."""
    repo, page = repr(asked.repo), f"{hub_address()}/{asked.repo}"
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
        return UnwellError(f"{asked.subject}: the Hub listed it and has it no more. Try again.")
    if status in (409, 412) and asked.is_write:
        return StaleError(
            f"{asked.subject}: the branch has moved in the meantime ({status}), again and again. "
            "Try again when nobody else pushes there."
        )
    if status in (401, 403):
        return _not_allowed(asked, status)
    if is_lasting(failure):
        return HubError(f"The Hub refused {asked.doing} ({_said(failure, asked)}).")
    after = retry_after(failure)
    wait = f" It asks to wait {after:g} s." if after else ""
    often = f" {tries} times" if tries > 1 else ""
    return UnwellError(
        f"{asked.subject}: the Hub answered {status}{often}.{wait} Try again later.",
        is_final=after is not None and after > LONGEST_WAIT_S,
    )


def _not_allowed(asked: Asked, status: int) -> HubError:
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


def _or_private(asked: Asked) -> str:
    if asked.token_in_use is None:
        return f", or it is private. Check the name; for a private model {LOG_IN}."
    return (
        ", or it is private and your token may not read it. Check the name, and whose token it is."
    )


def retry_after(failure: BaseException) -> float | None:
    """Seconds that the Hub asks to wait; None if it does not say, or says it as a date."""
    if not isinstance(failure, HfHubHTTPError):
        return None
    value = failure.response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() and len(value) < 7 else None


def _said(failure: BaseException, asked: Asked) -> str:
    """What a failure says of itself, on one line, shortened, without the token."""
    text = getattr(failure, "server_message", None) or str(failure)
    for secret in (asked.token, get_token(), *re.findall(r"//([^/@]*)@", constants.ENDPOINT)):
        if secret:
            text = text.replace(secret, "***")
    line = " ".join(printable(text).split()).rstrip(".")
    name = f"{status_of(failure)}" if status_of(failure) else type(failure).__name__
    if "Bearer" in line or "hf_" in line:
        return name  # a header was quoted
    return f"{name}: {line[:200]}" if line else name


def mismatch(path: str, found: str, wanted: str, kind: str) -> IntegrityError:
    """The error for a file whose content is not what the Hub's record says."""
    return IntegrityError(
        f"{kind} of {path} is {found[:12]}..., the Hub's record says {wanted[:12]}...: it was "
        "altered or damaged on the way, and nothing of it was used."
    )
