"""What the Hub answers to what the huggingface_hub client asks."""

from __future__ import annotations

import re

from desk import Desk, RefusedError, route
from repos import SPACES, Blob, git_sha1
from server import Answer, Ask


def sibling(path: str, blob: Blob, *, blobs: bool) -> dict:
    """A file as model_info lists it."""
    if not blobs:
        return {"rfilename": path}
    size = len(blob.data)
    entry = {"rfilename": path, "size": size, "blobId": blob.blob_id}
    if blob.large:
        entry["lfs"] = {"sha256": blob.sha256, "size": size, "pointerSize": len(blob.pointer)}
    return entry


@route("GET", "/api/models/{repo}")
@route("GET", "/api/models/{repo}/revision/{revision}")
def info(desk: Desk, repo: str, revision: str = "main") -> Answer:
    found = desk.readable(repo)
    commit = desk.commit(found, revision)
    blobs = desk.ask.query.get("blobs", "").lower() in ("true", "1")
    return Answer.of(
        {
            "_id": git_sha1(found.name.encode())[:24],
            "id": found.name.removeprefix(SPACES),
            **({"sdk": "static"} if found.is_space else {"modelId": found.name}),
            "author": found.namespace,
            "sha": commit.sha,
            "private": found.private,
            "gated": "auto" if found.gated else False,
            "disabled": found.disabled,
            "createdAt": commit.history[0].date.isoformat().replace("+00:00", "Z"),
            "lastModified": commit.date.isoformat().replace("+00:00", "Z"),
            "downloads": 0,
            "likes": 0,
            "tags": ["region:us"],
            "siblings": [sibling(*item, blobs=blobs) for item in sorted(commit.files.items())],
        }
    )


def tree_entry(path: str, blob: Blob) -> dict:
    """A file as list_repo_tree lists it."""
    size = len(blob.data)
    entry = {"type": "file", "oid": blob.blob_id, "size": size, "path": path}
    if blob.large:
        entry["lfs"] = {"oid": blob.sha256, "size": size, "pointerSize": len(blob.pointer)}
    return entry


@route("GET", "/api/models/{repo}/tree/{revision}")
@route("GET", "/api/models/{repo}/tree/{revision}/{path...}")
def tree(desk: Desk, repo: str, revision: str, path: str = "") -> Answer:
    commit = desk.commit(desk.readable(repo), revision)
    start = f"{path}/" if path else ""
    below = {name: blob for name, blob in commit.files.items() if name.startswith(start)}
    if path and not below:
        raise RefusedError(404, f"{path} does not exist on {revision!r}", "EntryNotFound")
    folders = {
        name[: slash.start()]
        for name in below
        for slash in re.finditer("/", name)
        if slash.start() > len(start)
    }
    entries = [
        {"type": "directory", "oid": git_sha1(f.encode()), "size": 0, "path": f} for f in folders
    ]
    entries += [tree_entry(name, blob) for name, blob in below.items()]
    if desk.ask.query.get("recursive", "").lower() not in ("true", "1"):
        entries = [entry for entry in entries if "/" not in entry["path"][len(start) :]]
    return Answer.of(sorted(entries, key=lambda entry: entry["path"]))


@route("GET", "/api/models/{repo}/commits/{revision}")
def commits(desk: Desk, repo: str, revision: str) -> Answer:
    history = desk.commit(desk.readable(repo), revision).history
    entries = [
        {
            "id": one.sha,
            "title": one.title,
            "message": "",
            "authors": [],
            "date": f"{one.date:%FT%T.000Z}",
        }
        for one in history[::-1]
    ]
    return Answer.of(entries)


@route("GET", "/api/models/{repo}/refs")
def refs(desk: Desk, repo: str) -> Answer:
    found = desk.readable(repo)

    def kind(start: str) -> list[dict]:
        names = [name for name in found.refs if name.startswith(start)]
        return [
            {"name": n.removeprefix(start), "ref": n, "targetCommit": found.refs[n].sha}
            for n in names
        ]

    return Answer.of(
        {
            "branches": kind("refs/heads/"),
            "tags": kind("refs/tags/"),
            "converts": [],
            "pullRequests": kind("refs/pr/"),
        }
    )


@route("GET HEAD", "/{repo}/resolve/{revision}/{path...}")
def resolve(desk: Desk, repo: str, revision: str, path: str) -> Answer:
    found = desk.readable(repo)
    account = desk.account()
    if found.gated and not (account and account.belongs_to(found.namespace)):
        message = (
            f"Access to model {found.name} is restricted and you are not in the authorized list."
        )
        raise RefusedError(403 if account else 401, message, "GatedRepo")
    commit = desk.commit(found, revision)
    blob = commit.files.get(path)
    if blob is None:
        raise RefusedError(404, "Entry not found", "EntryNotFound", x_repo_commit=commit.sha)
    headers = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes", "ETag": f'"{blob.etag}"'}
    if blob.large:
        headers["X-Linked-Etag"] = f'"{blob.sha256}"'
        headers["X-Linked-Size"] = str(len(blob.data))
        headers["Location"] = f"{desk.cdn_url}/files/{found.name}/{blob.sha256}"
        if desk.state.xet:
            refresh = f"{desk.hub_url}/api/models/{found.name}/xet-read-token/{commit.sha}"
            headers["X-Xet-Hash"] = desk.state.xet_names.get(blob.sha256, blob.sha256)
            headers["Link"] = f'<{refresh}>; rel="xet-auth"'
        return Answer(302, b"Found. Redirecting to the file.", headers)
    return part_of(blob.data, desk.ask, headers)


def part_of(data: bytes, ask: Ask, headers: dict[str, str]) -> Answer:
    """All of a file, or what a Range header wants of it."""
    headers = {"Content-Type": "application/octet-stream", **headers}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", ask.headers.get("range", ""))
    if wanted is None:
        return Answer(200, data, headers)
    start = int(wanted[1])
    if start >= len(data):
        return Answer(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
    part = data[start : int(wanted[2]) + 1 if wanted[2] else None]
    span = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
    return Answer(206, part, {**headers, "Content-Range": span})


@route("GET HEAD", "/files/{repo}/{sha256}", "cdn")
def large_file(desk: Desk, repo: str, sha256: str) -> Answer:
    """The cdn knows nobody: whoever has the address may read."""
    found = desk.state.repos.get(desk.state.name_now(repo))
    blob = found.uploaded.get(sha256) if found else None
    if blob is None:
        return Answer(404, b"NoSuchKey", {"Content-Type": "text/plain"})
    return part_of(blob.data, desk.ask, {"Accept-Ranges": "bytes", "ETag": f'"{sha256[:32]}"'})


@route("GET", "/api/whoami-v2")
def whoami(desk: Desk) -> Answer:
    account = desk.logged_in()
    orgs = [
        {"type": "org", "id": git_sha1(name.encode())[:24], "name": name, "roleInOrg": role}
        for name, role in account.orgs.items()
    ]
    return Answer.of(
        {
            "type": "user",
            "id": git_sha1(account.user.encode())[:24],
            "name": account.user,
            "fullname": account.user.title(),
            "orgs": orgs,
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": "a token", "role": account.role},
            },
        }
    )
