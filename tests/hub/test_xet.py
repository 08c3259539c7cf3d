"""Large files over Xet, as a user's client sends and fetches them unless it is told otherwise."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
from ending import FINGERPRINT, attempt, load
from processes import Client

SOON_S = 30

SEND = """
import hashlib, json, random, struct
from huggingface_hub import CommitOperationAdd, HfApi

numbers = random.Random(1)
files = {
    "stored.bin": numbers.randbytes(200_000),
    "lz4.bin": b"All work and no play. " * 20_000,
    "grouped.bin": b"".join(struct.pack("<f", numbers.gauss(0, 0.02)) for _ in range(50_001)) + b"x",
}
HfApi().create_repo("acme/any")
operations = [CommitOperationAdd(name, content) for name, content in files.items()]
HfApi().create_commit("acme/any", operations, commit_message="Three ways to pack a chunk")
print(json.dumps({name: hashlib.sha256(content).hexdigest() for name, content in files.items()}))
"""


@pytest.fixture(scope="module")
def _xet_client(_hub, tmp_path_factory):
    settings = {"HF_HUB_DISABLE_XET": "0", "HF_HUB_DOWNLOAD_TIMEOUT": "1"}
    client = Client(_hub.url, tmp_path_factory.mktemp("xet-home"), settings)
    yield client
    client.close()


@pytest.fixture
def client(_xet_client):
    """Users of `hub` who have Xet, whose HF_HOME is empty."""
    shutil.rmtree(_xet_client.home)
    _xet_client.home.mkdir()
    return _xet_client


@pytest.fixture
def hub(hub):
    """A Hub that holds nothing and has Xet."""
    hub.xet = True
    return hub


def asked(hub, part):
    """Statuses of the requests whose path has this part."""
    return [request.status for request in hub.requests if part in request.path]


def push(client, folder, env, options=""):
    expression = f"zoo.push({str(folder)!r}, 'acme/vae', {options})"
    return attempt(client, expression, env=env)


@pytest.mark.slow
def test_the_hub_has_what_was_sent_however_it_was_packed(hub, client, alice):
    done = client.run(SEND, env=alice)
    assert done.returncode == 0, done.err
    had = {name: hashlib.sha256(data).hexdigest() for name, data in hub.files("acme/any").items()}
    sent = json.loads(done.out)
    assert had.items() >= sent.items()
    assert asked(hub, "/v1/shards") == [200]
    assert asked(hub, "/lfs/") == []


def test_a_model_pushed_over_xet_loads_with_the_same_bits(hub, client, alice, folder, files):
    assert push(client, folder, alice).value is not None
    assert asked(hub, "/v1/xorbs/") == asked(hub, "/v1/shards") == [200]
    assert asked(hub, "/lfs/") == []
    assert hub.files("acme/vae")["model.safetensors"] == files["model.safetensors"]

    got = load(client, "acme/vae")
    here = attempt(client, f"{FINGERPRINT}(zoo.load({str(folder)!r}))")
    assert got.value is not None
    assert here.value is not None
    assert got.value.split()[1] == here.value.split()[1]
    assert asked(hub, "/v1/reconstructions/") == [200]
    assert asked(hub, "/xorbs/")[1:] == [206]
    assert asked(hub, "/files/") == []

    hub.stop()
    assert load(client, "acme/vae", "offline=True").value == got.value


def test_a_pull_request_goes_over_xet(hub, client, alice, folder, files):
    assert push(client, folder, alice, "create_pr=True").value is not None
    assert asked(hub, "xet-write-token") == asked(hub, "/v1/shards") == [200]
    proposed = hub.files("acme/vae", "refs/pr/1")
    assert proposed["model.safetensors"] == files["model.safetensors"]
    assert "model.safetensors" not in hub.files("acme/vae")


@pytest.mark.parametrize("status", [403, 404, pytest.param(500, marks=pytest.mark.slow)])
def test_a_refused_upload_is_told(hub, client, alice, folder, status):
    hub.fault(path="xet-write-token", status=status, times=None)
    got = push(client, folder, alice)
    if status < 500:
        assert got.says("HubError", f"({status}" if status == 403 else str(status))
        assert asked(hub, "xet-write-token") == [status]
    else:
        assert got.says("HubError", "500")
    assert got.seconds < SOON_S
    assert "model.safetensors" not in hub.files("acme/vae")


def test_a_flipped_bit_in_a_xorb_is_noticed_and_fetched_once_more(hub, client, repo):
    hub.fault(path="^/xorbs/", flip=100_000)
    got = load(client, repo)
    assert got.value is not None
    assert "is damaged: fetching it once more" in got.err
    assert "Traceback" not in got.err
    assert asked(hub, "/xorbs/") == [206, 206]


def test_a_xorb_with_a_flipped_bit_each_time_is_refused(hub, client, repo):
    hub.fault(path="^/xorbs/", flip=100_000, times=None)
    got = load(client, repo)
    assert got.says("IntegrityError", "model.safetensors", "It was fetched twice")
    assert asked(hub, "/xorbs/") == [206, 206]


def test_damage_in_the_cache_that_repos_share_is_healed(hub, client, repo, files):
    first = load(client, repo)
    weights = next(client.home.rglob("model.safetensors")).resolve()
    weights.chmod(0o600)
    weights.write_bytes(bytes(len(files["model.safetensors"])))
    got = load(client, repo)
    assert got.value is not None
    assert got.value == first.value
    assert "is damaged: fetching it once more" in got.err


@pytest.mark.slow
def test_a_xet_that_is_out_of_reach_is_given_up(hub, client, repo):
    hub.stop("cdn")
    got = load(client, repo)
    assert got.says("ZooError", "model.safetensors")
    assert asked(hub, "xet-read-token")[:1] == [200]
    assert got.seconds < SOON_S
