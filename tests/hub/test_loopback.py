"""The real client understands the loopback Hub: bytes, numbers of requests, exceptions."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from loopback import LoopbackHub
from processes import Client
from samples import CARD, FILES, TOKEN

DOWNLOAD = "print(huggingface_hub.hf_hub_download('acme/vae', name, revision=revision))"
SNAPSHOT = "print(huggingface_hub.snapshot_download('acme/vae', revision=revision))"
UPLOAD = "print(huggingface_hub.upload_folder(repo_id='acme/vae', folder_path=folder).oid)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with FILES."""
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def asked(hub: LoopbackHub) -> list[str]:
    """What was asked since the last look: method, server, and the path's telling part."""
    lines = [
        f"{r.method} {r.server} {r.path.replace('/acme/vae', '').replace('/api/models', '')}"
        for r in hub.requests
    ]
    hub.forget()
    return lines


def download(client: Client, name: str, revision: str = "main", token: str | None = None) -> bytes:
    names = {"name": name, "revision": revision}
    done = client.run(DOWNLOAD, args=names, env={"HF_TOKEN": token})
    assert done.returncode == 0, done.err
    return Path(done.out.strip()).read_bytes()


RAISED = """
import json
from huggingface_hub import CommitOperationDelete, create_branch, create_commit, create_repo
from huggingface_hub import create_tag, hf_hub_download, model_info, upload_file, whoami

ends = {}
for code in codes:
    ends[code] = []
    try:
        eval(code)
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        ends[code] = [type(error).__name__, status]
print(json.dumps(ends))
"""


def raised(client: Client, *codes: str, token: str | None = None) -> dict[str, list]:
    """The exception that each code ends with, and the status of the answer that it holds."""
    done = client.run(RAISED, args={"codes": codes}, env={"HF_TOKEN": token})
    assert done.returncode == 0, done.err
    return json.loads(done.out)


def test_a_small_file_costs_two_requests_cold_and_one_warm(
    hub: LoopbackHub, client: Client, published: str
) -> None:
    assert download(client, "config.json") == FILES["config.json"]
    assert asked(hub) == ["HEAD hub /resolve/main/config.json", "GET hub /resolve/main/config.json"]
    assert download(client, "config.json") == FILES["config.json"]
    assert asked(hub) == ["HEAD hub /resolve/main/config.json"]
    assert download(client, "config.json", published) == FILES["config.json"]
    assert asked(hub) == []


def test_a_large_file_comes_from_the_cdn_which_sees_no_token(
    hub: LoopbackHub, client: Client, published: str
) -> None:
    assert download(client, "model.safetensors", token=TOKEN) == FILES["model.safetensors"]
    head, get = hub.requests
    assert (head.server, head.status) == ("hub", 302)
    assert head.headers["authorization"] == f"Bearer {TOKEN}"
    assert (get.server, get.status) == ("cdn", 200)
    assert get.bytes_sent == len(FILES["model.safetensors"])
    assert "authorization" not in get.headers


@pytest.mark.parametrize("revision", ["main", "v1"])
def test_a_snapshot_costs_two_requests_a_file_cold_and_one_warm(
    hub: LoopbackHub, client: Client, published: str, revision: str
) -> None:
    hub.tag("acme/vae", "v1")
    done = client.run(SNAPSHOT, args={"revision": revision})
    folder = Path(done.out.strip())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == hub.files("acme/vae")
    cold = asked(hub)
    assert cold[0] == f"GET hub /revision/{revision}"
    files = [line for line in cold[1:] if line != f"GET hub /tree/{published}"]  # of newer clients
    assert len(files) == 2 * 4
    client.run(SNAPSHOT, args={"revision": revision})
    assert asked(hub) == [f"GET hub /revision/{revision}"]
    client.run(SNAPSHOT, args={"revision": published})
    assert asked(hub) in ([], [f"GET hub /revision/{published}"])  # older clients ask again


def test_a_folder_is_uploaded_in_seven_requests_and_again_in_five(
    hub: LoopbackHub, client: Client, folder: Path
) -> None:
    hub.add_token(TOKEN, user="alice", orgs={"acme": "write"})
    hub.create("acme/vae")
    first, second = (
        (client.run(UPLOAD, args={"folder": str(folder)}, env={"HF_TOKEN": TOKEN}), asked(hub))
        for _ in range(2)
    )
    begun = ["POST hub /api/validate-yaml"] * 2
    begun += ["POST hub /preupload/main", "POST hub .git/info/lfs/objects/batch"]
    put = f"PUT cdn /upload/{hashlib.sha256(FILES['model.safetensors']).hexdigest()}"
    ended = ["POST hub .git/info/lfs/objects/verify", "POST hub /commit/main"]
    assert first[1] == [*begun, put, *ended]
    assert second[1] == [*begun, "GET hub /revision/main"]
    assert first[0].out == second[0].out == hub.head("acme/vae") + "\n"
    assert FILES.items() <= hub.files("acme/vae").items()
    assert len(hub.commits("acme/vae")) == 2


INFO = "model_info('acme/vae')"
FETCH = "hf_hub_download('acme/vae', 'config.json')"
PUSH = "create_commit('acme/vae', [CommitOperationDelete('config.json')], commit_message='x')"
BAD_CARD = "upload_file(path_or_fileobj=b'---\\nlicense: no\\n---\\n', "
BAD_CARD += "path_in_repo='README.md', repo_id='acme/vae')"


@pytest.mark.parametrize(
    ("kind", "token", "expected"),
    [
        (
            {},
            None,
            {
                "model_info('acme/no')": ["RepositoryNotFoundError", 401],
                "model_info('acme/vae', revision='no')": ["RevisionNotFoundError", 404],
                "hf_hub_download('acme/vae', 'a', revision='no')": ["RevisionNotFoundError", 404],
                "hf_hub_download('acme/vae', 'no')": ["RemoteEntryNotFoundError", 404],
                "create_repo('acme/new')": ["HfHubHTTPError", 401],
                PUSH: ["RepositoryNotFoundError", 401],
            },
        ),
        (
            {},
            "hf_unknown",
            {
                INFO: ["HfHubHTTPError", 401],
                FETCH: ["HfHubHTTPError", 401],
                "whoami()": ["HfHubHTTPError", 401],
            },
        ),
        (
            {},
            "hf_bob",
            {
                "model_info('acme/no')": ["RepositoryNotFoundError", 404],
                "create_repo('acme/new')": ["HfHubHTTPError", 403],
                PUSH: ["HfHubHTTPError", 403],
            },
        ),
        ({}, "hf_alice_reads", {PUSH: ["HfHubHTTPError", 403]}),
        (
            {},
            TOKEN,
            {
                BAD_CARD: ["ValueError", None],
                PUSH.replace("vae", "no"): ["RepositoryNotFoundError", 404],
                PUSH[:-1] + ", parent_commit='0' * 40)": ["HfHubHTTPError", 412],
                "create_repo('acme/vae')": ["HfHubHTTPError", 409],
                "create_tag('acme/vae', tag='v1')": ["HfHubHTTPError", 409],
                "create_branch('acme/vae', branch='main')": ["HfHubHTTPError", 409],
            },
        ),
        (
            {"private": True},
            None,
            {
                INFO: ["RepositoryNotFoundError", 401],
                FETCH: ["RepositoryNotFoundError", 401],
            },
        ),
        (
            {"private": True},
            "hf_bob",
            {
                INFO: ["RepositoryNotFoundError", 404],
                FETCH: ["RepositoryNotFoundError", 404],
            },
        ),
        ({"gated": True}, None, {FETCH: ["GatedRepoError", 401], INFO: []}),
        ({"gated": True}, "hf_bob", {FETCH: ["GatedRepoError", 403], INFO: []}),
        ({"gated": True, "private": True}, TOKEN, {FETCH: [], INFO: []}),
        (
            {"disabled": True},
            None,
            {INFO: ["DisabledRepoError", 403], FETCH: ["LocalEntryNotFoundError", None]},
        ),
    ],
)
def test_refusals_become_the_exceptions_of_the_client(
    hub: LoopbackHub,
    client: Client,
    kind: dict[str, bool],
    token: str | None,
    expected: dict[str, list],
) -> None:
    hub.create("acme/vae", **kind)
    head = hub.commit("acme/vae", {"config.json": b"{}"})
    hub.tag("acme/vae", "v1")
    hub.add_token(TOKEN, user="alice", orgs={"acme": "write"})
    hub.add_token("hf_alice_reads", user="alice", orgs={"acme": "write"}, role="read")
    hub.add_token("hf_bob", user="bob")
    assert raised(client, *expected, token=token) == expected
    assert hub.commits("acme/vae")[1:] == [head]


def test_a_pull_request_leaves_main_as_it_was(
    hub: LoopbackHub, client: Client, published: str
) -> None:
    hub.add_token("hf_bob", user="bob")
    code = PUSH.replace("create_commit", "huggingface_hub.create_commit")
    code = code.replace("[Commit", "[huggingface_hub.Commit")[:-1] + ", create_pr=True).pr_url"
    done = client.run(f"print({code})", env={"HF_TOKEN": "hf_bob"})
    assert done.out.strip() == f"{hub.url}/acme/vae/discussions/1", done.err
    assert hub.head("acme/vae") == published
    assert "config.json" not in hub.files("acme/vae", "refs/pr/1")
    assert download(client, "README.md", "refs/pr/1") == CARD


def test_a_renamed_repo_is_found_under_its_old_name(
    hub: LoopbackHub, client: Client, published: str
) -> None:
    hub.rename("acme/vae", "acme/new")
    assert download(client, "config.json") == FILES["config.json"]
    assert download(client, "model.safetensors") == FILES["model.safetensors"]
    done = client.run("print(huggingface_hub.model_info('acme/vae').id)")
    assert done.out == "acme/new\n", done.err


BLOBS = """
info = huggingface_hub.model_info("acme/vae", files_metadata=True)
print(info.sha, *(file.lfs.sha256 for file in info.siblings if file.lfs))
print(huggingface_hub.HfApi().verify_repo_checksums("acme/vae").mismatches)
"""


def test_info_names_each_blob(hub: LoopbackHub, client: Client, published: str) -> None:
    client.run(SNAPSHOT, args={"revision": "main"})
    done = client.run(BLOBS)
    assert done.returncode == 0, done.err
    sha256 = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    assert done.out.split() == [published, sha256, "[]"]


def test_a_function_runs_between_two_requests(
    hub: LoopbackHub, client: Client, published: str
) -> None:
    hub.fault(
        method="HEAD", path="config", call=lambda: hub.commit("acme/vae", {"config.json": b"new"})
    )
    done = client.run(SNAPSHOT, args={"revision": "main"})
    assert done.out.strip().endswith(published), done.err
    assert download(client, "config.json") == b"new"


def test_a_lost_answer_leaves_the_commit_made(
    hub: LoopbackHub, client: Client, published: str
) -> None:
    hub.fault(method="POST", path="/commit/", lost=True)
    assert raised(client, PUSH, token=TOKEN) == {PUSH: ["RemoteProtocolError", None]}
    assert "config.json" not in hub.files("acme/vae")


def test_the_cdn_and_the_api_have_faults_too(
    hub: LoopbackHub, client: Client, published: str
) -> None:
    hub.fault(path="^/files/", flip=0, times=None)
    hub.fault(path="^/api/", status=500)
    assert download(client, "model.safetensors")[:2] == b"\x04\x01"
    assert raised(client, INFO) == {INFO: ["HfHubHTTPError", 500]}
