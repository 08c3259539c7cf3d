"""A Hub and its users for each test: the Hub empty, the users without a cache or a token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ending import FINGERPRINT, bits
from loopback import LoopbackHub
from processes import Client
from samples import FILES, TOKEN

import zoo

MEASURING = [
    *("sklearn.datasets", "torchmetrics.functional.image", "torchvision.utils"),
    *("accelerate", "zoo.evaluation.figures", "zoo.evaluation.verify", "zoo.training.run"),
]


@pytest.fixture(scope="session")
def _hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def hub(_hub: LoopbackHub) -> Iterator[LoopbackHub]:
    """A Hub that holds nothing."""
    _hub.reset()
    yield _hub
    _hub.clear_faults()


@pytest.fixture(scope="session")
def _client(_hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(_hub.url, tmp_path_factory.mktemp("home"))
    yield client
    client.close()


@pytest.fixture
def client(_client: Client, hub: LoopbackHub) -> Client:
    """Users of `hub` whose HF_HOME is empty."""
    shutil.rmtree(_client.home)
    _client.home.mkdir()
    return _client


@pytest.fixture
def measuring(client: Client) -> None:
    """What measuring and drawing import is imported once, rather than in each process."""
    client.imports = MEASURING


@pytest.fixture
def published(hub: LoopbackHub) -> str:
    """acme/vae with FILES on main, and alice who may write to it. Its commit's hash."""
    hub.add_token(TOKEN, user="alice", orgs={"acme": "write"})
    hub.create("acme/vae")
    return hub.commit("acme/vae", FILES)


@pytest.fixture(scope="session")
def folder(checkout) -> Path:
    """The folder of a small published model."""
    return checkout / "registry" / "vae-digits-8"


@pytest.fixture(scope="session")
def files(folder: Path) -> dict[str, bytes]:
    """The files of that folder, by name."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def repo(hub: LoopbackHub, files: dict[str, bytes]) -> str:
    """A repo that holds the model."""
    hub.create("acme/vae")
    hub.commit("acme/vae", files)
    return "acme/vae"


@pytest.fixture
def alice(hub: LoopbackHub) -> dict[str, str]:
    """The environment of somebody who may write to acme."""
    hub.add_token(TOKEN, user="alice", orgs={"acme": "write"})
    return {"HF_TOKEN": TOKEN}


@pytest.fixture
def mine(folder, tmp_path) -> Path:
    """A copy of the model's folder, that a test may change."""
    shutil.copytree(folder, tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture(scope="session")
def expected(checkout) -> str:
    """The fingerprint of the same model, loaded from its folder."""
    return bits(eval(FINGERPRINT)(zoo.load(checkout / "registry" / "vae-digits-8")))
