"""Fetching: content that is not what it should be is found, healed, or refused."""

import json

import pytest
from ending import attempt, bits, blob, load, paths, spoil


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_file_in_the_cache_is_found_and_healed(client, repo, name, expected):
    load(client, repo)
    spoil(blob(client, repo, name))
    got = load(client, repo)
    assert bits(got.value) == expected
    assert f"{name} of " in got.err
    assert "is damaged: fetching it once more" in got.err
    assert load(client, repo).err == ""


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_file_at_a_pinned_commit_is_healed_too(hub, client, repo, name, expected):
    pinned = f"hf://{repo}@{hub.head(repo)}"
    load(client, pinned)
    spoil(blob(client, repo, name))
    assert bits(load(client, pinned).value) == expected


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_file_is_refused_offline(client, repo, name):
    load(client, repo)
    spoil(blob(client, repo, name))
    got = load(client, repo, "offline=True")
    assert got.says("IntegrityError", name, "nce online, it is fetched again")


def test_what_else_is_cached_makes_no_difference_to_a_load(hub, client, repo, expected):
    """Damaged in the cache, or nonsense from the start."""
    attempt(client, f"zoo.info('{repo}')")
    spoil(blob(client, repo, "metrics.json"))
    assert bits(load(client, repo).value) == expected
    assert attempt(client, f"zoo.load('{repo}').info.metrics").value == "None"
    assert attempt(client, f"zoo.info('{repo}').metrics is None").value == "False"  # healed

    nonsense = {"README.md": b"\xe9", "metrics.json": b'{"measured": 3}', "recipe.toml": b"= 1"}
    hub.commit(repo, nonsense)
    assert bits(load(client, repo).value) == expected
    assert attempt(client, f"zoo.pull('{repo}')").says("WeightsError")
    assert bits(load(client, repo).value) == expected


def test_a_blob_that_is_gone_is_fetched_anew(client, repo, expected):
    """As after somebody tidied the cache by hand."""
    load(client, repo)
    blob(client, repo, "model.safetensors").unlink()
    got = load(client, repo, "offline=True")
    assert got.says("OfflineError", "model.safetensors", "is not in the cache")
    assert bits(load(client, repo).value) == expected


@pytest.mark.parametrize("name", ["config.json", "files/"])
def test_a_byte_flipped_once_on_the_way_is_healed(hub, client, repo, name, expected):
    hub.fault(path=name, flip=5)
    got = load(client, repo)
    assert bits(got.value) == expected
    assert "is damaged: fetching it once more" in got.err


@pytest.mark.parametrize("name", ["config.json", "files/"])
def test_a_byte_flipped_always_is_refused_until_it_comes_right(hub, client, repo, name):
    hub.fault(path=name, flip=5, times=None)
    got = load(client, repo)
    assert got.says("IntegrityError", "It was fetched twice")
    assert load(client, repo, "offline=True").says(
        "IntegrityError", "nce online, it is fetched again"
    )
    hub.clear_faults()
    assert load(client, repo).value is not None


def test_a_whole_repo_that_contradicts_itself_is_refused(hub, client, repo, files):
    config = json.loads(files["config.json"])
    config["weights_sha256"] = "0" * 64
    hub.commit(repo, {"config.json": json.dumps(config).encode()})
    assert load(client, repo).says("IntegrityError", "sha256 of", "expected 000000000000")


def test_weights_of_another_size_than_the_spec_implies_are_not_fetched(hub, client, repo, files):
    hub.commit(repo, {"model.safetensors": files["model.safetensors"] * 2})
    got = load(client, repo)
    assert got.says("MismatchError", "is listed with", "It was not fetched")
    assert not any("/files/" in path for _, path in paths(hub))


def test_a_cache_without_links_is_checked_as_well(client, repo):
    """As on systems that have none, where the client replaces no file that is there."""
    where = {"env": {"HF_HUB_DISABLE_SYMLINKS": "1"}}
    assert load(client, repo, **where).value is not None
    [weights] = (client.home / "hub").glob("*/snapshots/*/model.safetensors")
    spoil(weights)
    assert load(client, repo, **where).says("IntegrityError", "fetched twice: delete it")
