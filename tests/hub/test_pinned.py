"""Published models that are on the Hub only, at a commit that the index names."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w
from ending import attempt

USE = """
from zoo.registry import index
index.own_registry = lambda: index.Registry("autoencoder-zoo 0", index.Path(models), index.Path(models))
"""
"""What a child does to have the test's registry as the zoo's own."""
LOAD = "[exec(use), m := zoo.load('vae-digits-8'), m.info.origin, m.info.folder.is_relative_to(home)][2:]"


@pytest.fixture
def registry(checkout, tmp_path):
    """`registry("org/repo@commit")`: one with the index line of a model on the Hub and no folder."""

    def make(pinned: str) -> Path:
        lines = tomllib.loads((checkout / "registry" / "index.toml").read_text())
        lines["vae-digits-8"]["hub"] = pinned
        (tmp_path / "registry").mkdir()
        (tmp_path / "registry" / "index.toml").write_text(tomli_w.dumps(lines))
        return tmp_path / "registry"

    return make


def load(client, models: Path):
    use = USE.replace("models", repr(str(models)))
    code = LOAD.replace("use", repr(use)).replace("home", repr(str(client.home)))
    return attempt(client, code)


def test_a_published_model_that_is_not_in_the_package_comes_from_its_pinned_commit(
    hub, client, repo, registry
):
    models = registry(f"{repo}@{hub.head(repo)}")
    hub.commit(repo, {"config.json": b"{}"})  # the branch goes on, the pin stays
    assert load(client, models).value == "['vae-digits-8', True]"


def test_a_pinned_repo_with_other_bytes_is_refused(hub, client, repo, files, registry):
    config = json.loads(files["config.json"])
    hub.commit(repo, {"config.json": json.dumps(config).encode()})  # says the same in other bytes
    got = load(client, registry(f"{repo}@{hub.head(repo)}"))
    assert got.says("IntegrityError", "config.json", "have changed")


def test_a_repo_is_noted_in_the_index_only_if_it_holds_the_models_very_bytes(
    hub, client, repo, registry
):
    models = registry("")
    before = (models / "index.toml").read_text()
    release = """
import sys, zoo.release.__main__ as release
for pinned in repos:
    sys.argv[1:] = ["--hub", pinned]
    try:
        release.main()
    except SystemExit as end:
        print(end.code)
"""
    code = USE.replace("models", repr(str(models))) + release
    repos = [f"vae-digits-8={repo}", f"vae-digits-8={repo}@main"]
    repos += [f"vae-mnist-20={repo}@{hub.head(repo)}"]
    done = client.run(code, args={"repos": repos})
    said = done.out.splitlines()
    assert ["is not pinned" in line for line in said] == [True, True, False], done.err
    assert "have changed" in said[2]
    assert (models / "index.toml").read_text() == before
    done = client.run(code, args={"repos": [f"vae-digits-8={repo}@{hub.head(repo)}"]})
    assert (done.returncode, done.out) == (0, ""), done.err
    assert f'hub = "{repo}@{hub.head(repo)}"' in (models / "index.toml").read_text()
