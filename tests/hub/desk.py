"""The Hub's side of one request: who asks, what they may see, and which function answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote, urlencode

from repos import SPACES, Account, Commit, Repo, State
from server import Answer, Ask

INVALID_TOKEN = "Invalid credentials in Authorization header"
ANONYMOUS = "Invalid username or password."


class RefusedError(Exception):
    """An answer that is an error, with the headers from which the client makes its exceptions."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        coded = {"x_error_code": code} if code else {}
        headers = {"x_error_message": message, **coded, **headers}
        self.answer = Answer.of({"error": message}, status, **headers)


class MovedError(Exception):
    """The repo has another name now."""

    def __init__(self, ask: Ask, old: str, new: str) -> None:
        query = f"?{urlencode(ask.query)}" if ask.query else ""
        location = ask.path.replace(f"/{old}", f"/{new}", 1) + query
        self.answer = Answer(307, f"Redirecting to {location}".encode(), {"Location": location})


Route = Callable[..., Answer]
ROUTES: list[tuple[str, str, re.Pattern[str], Route]] = []
"""By server and method."""


def route(methods: str, pattern: str, server: str = "hub") -> Callable[[Route], Route]:
    """Makes a function answer a path; each `{name}` in it is one part of the path, unquoted.

    `{repo}` is two parts, after `spaces/` for a Space, and `{path...}` all that are left.
    """
    groups = pattern.replace("{repo}", f"(?P<repo>(?:{SPACES})?[^/]+/[^/]+?)").replace(
        "{path...}", "(?P<path>.+)"
    )
    compiled = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", groups))

    def register(function: Route) -> Route:
        ROUTES.extend((server, method, compiled, function) for method in methods.split())
        return function

    return register


class Desk:
    """The Hub's side of one request: its state, the request, and who asks."""

    def __init__(self, state: State, ask: Ask, hub_url: str, cdn_url: str) -> None:
        self.state = state
        self.ask = ask
        self.hub_url = hub_url
        self.cdn_url = cdn_url

    def answer(self) -> Answer:
        """Finds the route and takes it, while nobody else changes anything."""
        for server, method, pattern, function in ROUTES:
            match = pattern.fullmatch(self.ask.path)
            if match and (server, method) == (self.ask.server, self.ask.method):
                parts = {name: unquote(part) for name, part in match.groupdict().items()}
                with self.state.lock:
                    try:
                        return function(self, **parts)
                    except (RefusedError, MovedError) as instead:
                        return instead.answer
        return Answer.of({"error": f"No route for {self.ask.method} {self.ask.path}"}, 404)

    def account(self) -> Account | None:
        """Who asks; None without a token."""
        header = self.ask.headers.get("authorization")
        if header is None:
            return None
        account = self.state.accounts.get(header.removeprefix("Bearer "))
        if account is None:
            raise RefusedError(401, INVALID_TOKEN)
        return account

    def logged_in(self) -> Account:
        account = self.account()
        if account is None:
            raise RefusedError(401, ANONYMOUS)
        return account

    def readable(self, name: str) -> Repo:
        """The repo, if whoever asks may know of it."""
        account = self.account()
        new = self.state.name_now(name)
        repo = self.state.repos.get(new)
        if repo is None or (repo.private and not (account and account.belongs_to(repo.namespace))):
            if account is None:
                raise RefusedError(401, ANONYMOUS, "RepoNotFound")
            raise RefusedError(404, "Repository not found", "RepoNotFound")
        if new != name:
            raise MovedError(self.ask, name, new)
        if repo.disabled:
            raise RefusedError(403, "Access to this resource is disabled.", "DisabledRepo")
        return repo

    def writable(self, name: str, *, pull_request: bool = False) -> Repo:
        """The repo, if whoever asks may commit to it, or at least propose a commit."""
        repo = self.readable(name)
        account = self.account()
        if account is None:
            raise RefusedError(401, ANONYMOUS, "RepoNotFound")
        if account.role != "write":
            raise RefusedError(403, "You must use a token with write permission")
        if not account.may_write(repo.namespace) and not pull_request:
            raise RefusedError(
                403, "pass `create_pr=1` as a query parameter to create a Pull Request"
            )
        return repo

    def commit(self, repo: Repo, revision: str) -> Commit:
        commit = repo.find(revision)
        if commit is None:
            raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit
