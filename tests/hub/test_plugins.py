"""A package's model on the Hub: pushed where the package is, refused and then loaded where it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from packages import MARK, Package, Place

REPO = "acme/vq-digits"
BITS = """
import torch, zoo
x = torch.linspace(0, 1, 640).view(10, 1, 8, 8)
bits = lambda m: (m.encode(x).detach().numpy().tobytes() + m(x).detach().numpy().tobytes()).hex()
"""


@pytest.fixture(scope="session")
def acme_vq(checkout) -> Path:
    """The project of the example package."""
    return checkout / "tests" / "plugins" / "acme-vq"


@pytest.fixture(scope="session")
def author(tmp_path_factory, acme_vq) -> Place:
    """A venv that has the package."""
    place = Place.made(tmp_path_factory.mktemp("author") / "venv")
    place.install(acme_vq)
    return place


@pytest.fixture
def user(tmp_path) -> Place:
    """A venv that does not have it."""
    return Place.made(tmp_path / "user")


def env(client, place: Place, **more: str) -> dict[str, str]:
    """The variables of a user of the Hub, whose cache is their own."""
    return {**client.env, "HF_HOME": str(place.folder / "hf"), "HF_HUB_OFFLINE": "0", **more}


@pytest.mark.slow
def test_a_packages_model_is_shared_and_is_the_same_for_another_user(
    hub, client, alice, author, user, acme_vq, tmp_path
):
    here = env(client, author, **alice)
    said = {}
    for words in (
        ("train", "vq-digits-4x4", "epochs=2", "data.fit=train", "--out", "run"),
        ("push", "run/model", REPO),
        ("card", REPO),
    ):
        done = author.zoo(*words, env=here, cwd=tmp_path)
        assert done.returncode == 0, (words, done.stdout + done.stderr)
        said[words[0]] = done.stdout
    assert "codebook_usage" in said["train"]
    assert "| `codebook_usage` | " in said["card"]
    assert "![codebook](figures/codebook.png)" in said["card"]
    assert "figures/codebook.png" in hub.files(REPO)

    code = f"{BITS}print(bits(zoo.load('{REPO}')))"
    there = env(client, user)
    done = user.run("-c", code, env=there)
    assert done.stderr.splitlines()[-1] == (
        "zoo.errors.PluginError: This repository says that family 'vq' comes from the package "
        "'acme-vq', which is not installed. The zoo does not know it: review it before you install it."
    )
    user.install(acme_vq)
    done = user.run("-c", code, env=there)
    assert done.returncode == 0, done.stderr
    assert done.stdout == author.run("-c", code, env=here).stdout


EVERY_USE = """
import zoo
from zoo.cards.card import render_card
zoo.load("evil/repo")
render_card(zoo.info("evil/repo"))
assert zoo.verify("evil/repo").passed
zoo.pull("evil/repo", to="here")
try:
    zoo.evaluate("evil/repo")
except zoo.DataError as refused:
    print(refused)
"""


def test_a_repo_imports_the_package_of_its_family_and_no_other(hub, client, acme_vq, tmp_path):
    others = Package(
        "others",
        "1.0",
        {"other_family.py": MARK, "other_data.py": MARK, "other_models/__init__.py": MARK},
        {"other": "other_family:X"},
        {"other-data": "other_data:x"},
        {"other": "other_models.here"},
    )
    author = Place.made(tmp_path / "author")
    author.install(acme_vq, others)
    hub.create("evil/repo")
    published = acme_vq / "acme_vq" / "registry" / "vq-digits-4x4"
    files = {
        path.relative_to(published).as_posix(): path.read_bytes()
        for path in published.rglob("*")
        if path.is_file()
    }
    files["recipe.toml"] = files["recipe.toml"].replace(b'"digits"', b'"other-data"')
    files["metrics.json"] = files["metrics.json"].replace(b'"digits"', b'"other-data"')
    files["acme_vq.py"] = b"raise SystemExit"
    files["other_family.py"] = b"raise SystemExit"
    hub.commit("evil/repo", files)
    done = author.run("-c", EVERY_USE, env=env(client, author), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "names 'other-data', which is a dataset of others, which does not provide this model"
        in done.stdout
    )
    assert author.marks == set()


@pytest.mark.slow
def test_the_example_passes_its_own_tests(author, acme_vq, tmp_path):
    shutil.copytree(acme_vq / "tests", tmp_path / "tests")
    done = author.run("-m", "pytest", "-q", "-p", "no:xdist", "tests", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.slow
def test_it_is_listed_with_all_that_it_brings(author):
    listed = json.loads(author.zoo("plugins", "--json").stdout)
    listed = [one for one in listed if one["package"] != "autoencoder-zoo"]
    found = {
        (one["kind"], one["name"], one["package"], one["version"], one["state"]) for one in listed
    }
    assert found == {
        ("family", "vq", "acme-vq", "0.3", "ready"),
        ("dataset", "rings", "acme-vq", "0.3", "ready"),
        ("registry", "acme", "acme-vq", "0.3", "ready"),
    }
    assert {one["note"] for one in listed} == {"", "1 model, 1 recipe"}
    done = author.zoo("bench", "vq-digits-4x4")
    assert done.returncode == 0, done.stderr
    assert "0.9688 (0.9688)" in done.stdout  # the share of the codebook that is in use
