"""What the Hub answers of datasets and Spaces: as of models, under other paths."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

from desk import Desk, route
from repos import SPACES, git_sha1
from routes import tree_entry
from server import Answer, Ask


def as_of_a_model(ask: Ask) -> Ask:
    """A dataset is a repo that can be asked for under its own paths, and so is a Space, which may
    have the name of a model: here it is called `spaces/org/name`."""
    path = ask.path.replace("/api/datasets/", "/api/models/", 1)
    path = path.replace("/api/spaces/", f"/api/models/{SPACES}", 1)
    return replace(ask, path=path.removeprefix("/datasets"))


@route("POST", "/api/models/{repo}/paths-info/{revision}")
def paths_info(desk: Desk, repo: str, revision: str) -> Answer:
    files = desk.commit(desk.readable(repo), revision).files
    entries = []
    for path in parse_qs(desk.ask.body.decode()).get("paths", []):
        if path in files:
            entries.append(tree_entry(path, files[path]))
        elif any(name.startswith(f"{path}/") for name in files):
            oid = git_sha1(path.encode())
            entries.append({"type": "directory", "oid": oid, "size": 0, "path": path})
    return Answer.of(entries)
