"""A Hugging Face Hub on 127.0.0.1 that speaks the real protocol to the real client.

    with LoopbackHub() as hub:
        hub.create("acme/vae")
        sha = hub.commit("acme/vae", {"config.json": b"{}"})
        hub.fault(path="config.json", flip=0)

Set HF_ENDPOINT to `hub.url` before huggingface_hub is imported. Large files are served from a
second port, `hub.cdn_url`, as the real Hub serves them from another host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pushes  # noqa: F401  (its routes)
import routes  # noqa: F401  (its routes)
import xet  # noqa: F401  (its routes)
from dataset_routes import as_of_a_model
from desk import Desk
from repos import Account, Blob, Commit, Repo, State
from server import FAULTS, Answer, Ask, Fault, Request, Server

__all__ = ["LoopbackHub", "Request"]


class LoopbackHub:
    """A Hub that starts when it is made; a context manager that stops it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """Everything that was answered or swallowed, by hub and cdn, in order."""
        self._faults: list[Fault] = []
        self._state = State()
        self._servers: dict[str, Server] = {}
        self._ports = {"hub": 0, "cdn": 0}
        self.start()

    def __enter__(self) -> LoopbackHub:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['hub']}"

    @property
    def cdn_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['cdn']}"

    def start(self) -> None:
        """Listens, on the same ports as before; nothing if it already does."""
        for name in self._ports.keys() - self._servers.keys():
            server = Server(name, self._ports[name], self._answer, self._faults, self.requests)
            self._servers[name] = server
            self._ports[name] = server.server_address[1]

    def stop(self, *names: str) -> None:
        """Refuses connections and cuts the open ones, of hub or cdn or both. What it holds stays."""
        for name in names or tuple(self._servers):
            self._servers.pop(name).stop()

    def reset(self) -> None:
        """As new: started, and no repos, accounts, faults, requests or open connections."""
        self.start()
        self.clear_faults()
        for server in self._servers.values():
            server.cut()
        with self._state.lock:
            self._state.clear()
        self.forget()

    def _answer(self, ask: Ask) -> Answer:
        return Desk(self._state, as_of_a_model(ask), self.url, self.cdn_url).answer()

    def forget(self) -> None:
        """Empties `requests`."""
        self.requests.clear()

    @property
    def xet(self) -> bool:
        """Whether large files can be had and sent over Xet; not, unless it is set."""
        return self._state.xet

    @xet.setter
    def xet(self, is_on: bool) -> None:
        self._state.xet = is_on

    @property
    def repos(self) -> list[str]:
        return sorted(self._state.repos)

    def create(
        self, name: str, *, private: bool = False, gated: bool = False, disabled: bool = False
    ) -> str:
        """A new repo with its first commit, of .gitattributes alone. Returns that commit's hash."""
        with self._state.lock:
            repo = Repo(name, private=private, gated=gated, disabled=disabled)
            return self._state.add(repo).main.sha

    def delete(self, name: str) -> None:
        with self._state.lock:
            del self._state.repos[name]

    def rename(self, name: str, new: str) -> None:
        """Gives a repo another name; the old one redirects to it."""
        with self._state.lock:
            repo = self._state.repos.pop(name)
            repo.name = new
            self._state.add(repo)
            self._state.renamed[name] = new

    def commit(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        delete: Iterable[str] = (),
        branch: str = "main",
        title: str = "Upload files",
    ) -> str:
        """Commits as somebody else would, without a request. Returns the commit's hash."""
        with self._state.lock:
            repo = self._state.repos[name]
            parent = repo.refs[f"refs/heads/{branch}"]
            tree = {path: blob for path, blob in parent.files.items() if path not in set(delete)}
            for path, data in files.items():
                tree[path] = Blob(data, repo.stores_as_large(path, len(data), parent))
            commit = repo.write(tree, parent, title)
            repo.refs[f"refs/heads/{branch}"] = commit
            return commit.sha

    def tag(self, name: str, tag: str, revision: str = "main") -> None:
        """Sets a tag, or moves it."""
        self._set(name, f"refs/tags/{tag}", revision)

    def branch(self, name: str, branch: str, revision: str = "main") -> None:
        """Sets a branch, or moves it, main too, to any commit."""
        self._set(name, f"refs/heads/{branch}", revision)

    def _set(self, name: str, ref: str, revision: str) -> None:
        with self._state.lock:
            self._state.repos[name].refs[ref] = self._find(name, revision)

    def _find(self, name: str, revision: str) -> Commit:
        commit = self._state.repos[name].find(revision)
        if commit is None:
            raise KeyError(f"{name} has no revision {revision}")
        return commit

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """The bytes of every file of a revision, .gitattributes included."""
        with self._state.lock:
            files = self._find(name, revision).files
            return {path: blob.data for path, blob in sorted(files.items())}

    def head(self, name: str, revision: str = "main") -> str:
        """The hash of the commit that a branch, tag or pull request means."""
        with self._state.lock:
            return self._find(name, revision).sha

    def commits(self, name: str, revision: str = "main") -> list[str]:
        """The hashes of a branch's commits, newest last."""
        with self._state.lock:
            return [commit.sha for commit in self._find(name, revision).history]

    def is_private(self, name: str) -> bool:
        return self._state.repos[name].private

    def add_token(
        self, token: str, *, user: str, orgs: Mapping[str, str] | None = None, role: str = "write"
    ) -> None:
        """Makes a token valid. An org's role is admin, write, contributor or read."""
        with self._state.lock:
            self._state.accounts[token] = Account(user, dict(orgs or {}), role)

    def fault(
        self,
        *,
        method: str | None = "GET",
        path: str = "",
        times: int | None = 1,
        skip: int = 0,
        retry_after: str | None = None,
        **what: float | Callable[[], object],
    ) -> None:
        """Spoils the answers to the next `times` requests (None: all), after `skip` good ones.

        A request is meant if its method is this (None: any) and the regex `path` is found in its
        path, as sent and without its query. The first fault that means it is the one it gets.
        What happens is one of:

            status=503          this status is answered, perhaps with a Retry-After header
            reset_after=N       the connection is reset (RST) after N bytes of the body
            close_after=N       the connection is closed (FIN) after N bytes of the body
            flip=N              a bit of byte N of the body is flipped
            short=N, long=N     the body is N bytes too short or long, and Content-Length agrees
            endless=True        after the body come zeros, without end
            drip=SECONDS        each byte of the body takes so long
            hang=True           nothing is answered until the client goes or the Hub stops
            lost=True           the request is carried out, and the connection closed unanswered
            call=function       the function runs first; then all is as usual
        """
        if len(what) != 1 or not what.keys() <= set(FAULTS):
            raise TypeError(f"exactly one of {', '.join(FAULTS)}; got {', '.join(what) or 'none'}")
        [(kind, value)] = what.items()
        call, amount = (value, 0) if callable(value) else (None, float(value))
        self._faults.append(Fault(method, path, times, skip, kind, amount, call, retry_after))

    def clear_faults(self) -> None:
        """No request from now on is spoilt."""
        self._faults.clear()
