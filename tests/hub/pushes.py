"""What the Hub answers to a client that makes repos, uploads files, commits and tags."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import yaml
from desk import Desk, RefusedError, route
from repos import SPACES, Blob, Commit, Repo
from server import Answer

LICENSES = (
    "apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-3.0",
    "openrail", "other", "unknown",
)  # fmt: skip

SDKS = ("gradio", "docker", "static")


@route("POST", "/api/repos/create")
def create(desk: Desk) -> Answer:
    account = desk.logged_in()
    wanted = desk.ask.json()
    namespace = wanted.get("organization") or account.user
    kind = wanted.get("type", "model")
    name = f"{SPACES if kind == 'space' else ''}{namespace}/{wanted['name']}"
    url = f"{desk.hub_url}/{name}"
    if account.role != "write" or not account.may_write(namespace):
        message = f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"'
        raise RefusedError(403, message)
    if desk.state.name_now(name) in desk.state.repos:
        return Answer.of({"error": f"You already created this {kind} repo", "url": url}, 409)
    if kind == "space" and wanted.get("sdk") not in SDKS:
        raise RefusedError(400, '"sdk" must be one of ' + ", ".join(SDKS))
    private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
    desk.state.add(Repo(name, private=private))
    return Answer.of({"url": url, "name": name.removeprefix(SPACES)})


@route("POST", "/api/models/{repo}/preupload/{revision}")
def preupload(desk: Desk, repo: str, revision: str) -> Answer:
    found = desk.writable(repo, pull_request=desk.ask.query.get("create_pr") == "1")
    commit = desk.commit(found, revision)
    files = []
    for wanted in desk.ask.json()["files"]:
        large = found.stores_as_large(wanted["path"], wanted["size"], commit)
        present = commit.files.get(wanted["path"])
        answer = {
            "path": wanted["path"],
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
            **({"oid": present.etag} if present else {}),
        }
        files.append(answer)
    return Answer.of({"files": files, "commitOid": commit.sha})


@route("POST", "/{repo}.git/info/lfs/objects/batch")
def batch(desk: Desk, repo: str) -> Answer:
    found = desk.writable(repo, pull_request="ref" not in desk.ask.json())
    objects = []
    for wanted in desk.ask.json()["objects"]:
        answer = {"oid": wanted["oid"], "size": wanted["size"], "authenticated": True}
        if wanted["oid"] not in found.uploaded:
            answer["actions"] = {
                "upload": {"href": f"{desk.cdn_url}/upload/{found.name}/{wanted['oid']}"},
                "verify": {"href": f"{desk.hub_url}/{found.name}.git/info/lfs/objects/verify"},
            }
        objects.append(answer)
    answer = Answer.of({"transfer": "basic", "objects": objects})
    answer.headers["Content-Type"] = "application/vnd.git-lfs+json"
    return answer


@route("PUT", "/upload/{repo}/{sha256}", "cdn")
def upload(desk: Desk, repo: str, sha256: str) -> Answer:
    """The cdn knows nobody: the address is the permission."""
    found = desk.state.repos.get(desk.state.name_now(repo))
    if found is None:
        return Answer(404, b"NoSuchBucket", {"Content-Type": "text/plain"})
    if hashlib.sha256(desk.ask.body).hexdigest() != sha256:
        return Answer(400, b"XAmzContentSHA256Mismatch", {"Content-Type": "text/plain"})
    found.uploaded[sha256] = Blob(desk.ask.body, large=True)
    return Answer(200)


@route("POST", "/{repo}.git/info/lfs/objects/verify")
def verify(desk: Desk, repo: str) -> Answer:
    found = desk.writable(repo, pull_request=True)
    wanted = desk.ask.json()
    blob = found.uploaded.get(wanted["oid"])
    if blob is None or len(blob.data) != wanted["size"]:
        raise RefusedError(404, "Object not found")
    return Answer.of({"success": True})


@route("POST", "/api/models/{repo}/commit/{revision}")
def commit(desk: Desk, repo: str, revision: str) -> Answer:
    pull_request = desk.ask.query.get("create_pr") == "1"
    found = desk.writable(repo, pull_request=pull_request)
    lines = [json.loads(line) for line in desk.ask.body.splitlines()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    ref = found.branch_ref(revision)
    if ref is None:
        raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    parent = _parent(desk, found, found.refs[ref], header.get("parentCommit"), pull_request)
    files = dict(parent.files)
    changes = [line for line in lines if line["key"] != "header"]
    if not changes:
        raise RefusedError(400, "No files to commit")
    for change in changes:
        _apply(found, files, change["key"], change["value"])
    written = found.write(files, parent, header["summary"])
    answer = {
        "success": True,
        "commitOid": written.sha,
        "commitUrl": f"{desk.hub_url}/{found.name}/commit/{written.sha}",
        "hookOutput": "",
    }
    if pull_request:
        number = 1 + sum(name.startswith("refs/pr/") for name in found.refs)
        ref = f"refs/pr/{number}"
        answer["pullRequestUrl"] = f"{desk.hub_url}/{found.name}/discussions/{number}"
    found.refs[ref] = written
    return Answer.of(answer)


def _parent(desk: Desk, repo: Repo, head: Commit, wanted: str | None, pull_request: bool) -> Commit:
    """The commit to build on: the branch's head, which must be the one that the client wants."""
    if wanted is None:
        return head
    if pull_request:
        return desk.commit(repo, wanted)
    if not head.sha.startswith(wanted):
        raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
    return head


def _apply(repo: Repo, files: dict[str, Blob], kind: str, value: dict) -> None:
    """One line of a commit."""
    path = value["path"]
    if kind == "file":
        files[path] = Blob(base64.b64decode(value["content"]), large=False)
    elif kind == "lfsFile":
        blob = repo.uploaded.get(value["oid"])
        if blob is None or len(blob.data) != value.get("size", len(blob.data)):
            message = "Your push was rejected because an LFS pointer pointed to a file that does not exist."
            raise RefusedError(400, f"{message} Offending file: {path}")
        files[path] = blob
    elif kind in ("deletedFile", "deletedFolder"):
        folder = f"{path.rstrip('/')}/"
        gone = [n for n in files if (n == path if kind == "deletedFile" else n.startswith(folder))]
        if not gone:
            raise RefusedError(404, "A file with this name doesn't exist", "EntryNotFound")
        for name in gone:
            del files[name]
    else:
        raise RefusedError(400, f"Unknown operation {kind!r}")


@route("POST", "/api/models/{repo}/branch/{branch}")
def branch(desk: Desk, repo: str, branch: str) -> Answer:
    found = desk.writable(repo)
    start = desk.commit(found, desk.ask.json().get("startingPoint", "main"))
    if f"refs/heads/{branch}" in found.refs:
        raise RefusedError(409, f"Reference already exists: refs/heads/{branch}")
    found.refs[f"refs/heads/{branch}"] = start
    return Answer.of({"success": True})


@route("POST", "/api/models/{repo}/tag/{revision}")
def tag(desk: Desk, repo: str, revision: str) -> Answer:
    found = desk.writable(repo)
    target = desk.commit(found, revision)
    name = desk.ask.json()["tag"]
    if f"refs/tags/{name}" in found.refs:
        raise RefusedError(409, f"Tag reference exists already: refs/tags/{name}")
    found.refs[f"refs/tags/{name}"] = target
    return Answer.of({"success": True})


@route("POST", "/api/validate-yaml")
def validate_yaml(desk: Desk) -> Answer:
    desk.account()
    content = desk.ask.json()["content"]
    matter = re.match(r"\s*---\s*\n(.*?)\n---\s*(\n|$)", content, re.DOTALL)
    errors = []
    try:
        metadata = yaml.safe_load(matter[1]) if matter else {}
    except yaml.YAMLError as broken:
        errors.append(f"Invalid YAML: {broken}")
        metadata = {}
    license = metadata.get("license") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict):
        errors.append("The metadata must be a mapping")
    elif desk.ask.json().get("repoType") == "space" and metadata.get("sdk") not in SDKS:
        errors.append(f'"sdk" must be one of {", ".join(SDKS)}')
    named = license if isinstance(license, list) else [license]
    if license is not None and not set(named) <= set(LICENSES):
        errors.append(f'"license" must be one of {", ".join(LICENSES)}')
    problems = [{"message": message} for message in errors]
    missing = {"message": "empty or missing yaml metadata in repo card"}
    warnings = [] if matter else [missing]
    return Answer.of({"errors": problems, "warnings": warnings}, 400 if errors else 200)
