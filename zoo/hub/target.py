"""The target of a push."""

from __future__ import annotations

from dataclasses import dataclass, field

from huggingface_hub import constants, get_token, is_offline_mode

from zoo.errors import HubError, InputError, OfflineError
from zoo.hub.client import checked_token
from zoo.hub.failures import LOG_IN, Kind, page_of
from zoo.registry.sources import COMMIT, checked_repo, checked_revision


@dataclass(frozen=True)
class Target:
    """A branch of a repo on the Hub, or a pull request against its main.

    Raises SourceError, InputError for an invalid repo, revision or token.
    """

    repo: str
    """`org/name`."""
    kind: Kind = "model"
    private: bool | None = None
    """Whether a new repo is private; None is the Hub's default for the namespace."""
    revision: str | None = None
    """The branch; None is `main`."""
    create_pr: bool = False
    token: str | None = field(default=None, repr=False)
    """None is the token from `hf auth login` or `HF_TOKEN`."""

    def __post_init__(self) -> None:
        checked_token(self.token)
        checked_repo(self.repo)
        checked_revision(self.revision)
        if COMMIT.fullmatch(self.revision or ""):
            raise InputError("A push goes to a branch, and a commit never changes: give a branch.")
        if self.create_pr and not self.is_main:
            raise InputError("A pull request is opened against main: leave out the revision.")

    @property
    def is_main(self) -> bool:
        return self.revision in (None, constants.DEFAULT_REVISION)

    @property
    def page(self) -> str:
        """The repo's page on the Hub."""
        return page_of(self.repo, self.kind)

    def check_can_push(self) -> None:
        """Raises OfflineError without a network, HubError without a token, before any request."""
        if is_offline_mode():
            raise OfflineError("A push needs the network, but HF_HUB_OFFLINE is set.")
        if self.token is None and get_token() is None:
            owner = self.repo.partition("/")[0]
            raise HubError(f"A push needs a token that can write to {owner!r}: {LOG_IN}.")
