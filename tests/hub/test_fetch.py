"""Fetching: what travels, that it is checked, and what a warm cache needs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from outcome import FINGERPRINT, attempt, load

import zoo


def bits(value: str | None) -> str:
    assert value is not None
    return value.split()[1]


@pytest.fixture(scope="module")
def expected(checkout) -> str:
    """The fingerprint of the same model, loaded from its folder."""
    return bits(eval(FINGERPRINT)(zoo.load(checkout / "registry" / "vae-digits-8")))


def blob(client, repo: str, name: str) -> Path:
    """The content of a cached file."""
    folder = client.home / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots"
    [path] = folder.glob(f"*/{name}")
    return Path(os.path.realpath(path))


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.chmod(0o644)
    path.write_bytes(data)


def paths(hub) -> list[tuple[str, str]]:
    return [(request.method, request.path.split("?")[0]) for request in hub.requests]


def test_a_model_on_the_hub_has_the_bits_that_were_pushed(hub, client, repo, expected):
    got = load(client, repo)
    assert got.value == f"hf://{repo}@{hub.head(repo)} {expected}"


def test_loading_needs_two_files_and_five_requests(hub, client, repo):
    load(client, repo)
    sha = hub.head(repo)
    listing, head, get, head_weights, weights = paths(hub)
    assert listing == ("GET", f"/api/models/{repo}/revision/main")
    assert head == ("HEAD", f"/{repo}/resolve/{sha}/config.json")
    assert get == ("GET", f"/{repo}/resolve/{sha}/config.json")
    assert head_weights == ("HEAD", f"/{repo}/resolve/{sha}/model.safetensors")
    assert weights[1].startswith("/files/")


@pytest.mark.parametrize(
    ("revision", "requests"), [(None, 1), ("v1", 1), ("dev", 1), ("commit", 0)]
)
def test_a_warm_load_asks_once_at_a_branch_and_not_at_all_at_a_commit(
    hub, client, repo, revision, requests, expected
):
    hub.tag(repo, "v1")
    hub.branch(repo, "dev")
    revision = hub.head(repo) if revision == "commit" else revision
    load(client, repo, f"revision={revision!r}")
    hub.forget()
    again = load(client, repo, f"revision={revision!r}")
    assert bits(again.value) == expected
    assert len(hub.requests) == requests


def test_a_commit_of_another_revision_is_warm_too(hub, client, repo, expected):
    load(client, repo)
    hub.tag(repo, "v1")
    hub.forget()
    assert bits(load(client, f"hf://{repo}@v1").value) == expected
    assert len(hub.requests) == 1
    assert bits(load(client, f"hf://{repo}@{hub.head(repo)}").value) == expected
    assert len(hub.requests) == 1


def test_info_reads_no_weights(hub, client, repo):
    got = attempt(client, f"(lambda i: (i.licence, i.data, i.metrics is None))(zoo.info('{repo}'))")
    assert got.value == "('apache-2.0', 'digits', False)"
    assert not any("/files/" in path or "safetensors" in path for _, path in paths(hub))


def test_every_file_comes_from_the_commit_that_was_resolved_first(hub, client, repo, files):
    """The branch moves between the list of files and the first of them."""
    first, other = hub.head(repo), dict(files, **{"config.json": b"{}"})
    hub.fault(method="HEAD", path="config.json", call=lambda: hub.commit(repo, other))
    got = load(client, repo)
    assert got.value is not None
    assert f"@{first} " in got.value


def test_only_the_closed_list_is_pulled(hub, client, repo, files, tmp_path):
    hub.commit(repo, {"train.py": b"import os", "figures/a.svg": b"<svg/>", "data/x.bin": b"x"})
    got = attempt(client, f"zoo.pull('{repo}', to='{tmp_path / 'pulled'}')")
    assert got.value == str(tmp_path / "pulled")
    pulled = {
        path.relative_to(tmp_path / "pulled").as_posix(): path.read_bytes()
        for path in (tmp_path / "pulled").rglob("*")
        if path.is_file()
    }
    assert pulled == files
    assert not any(path.is_symlink() for path in (tmp_path / "pulled").rglob("*"))
    assert not any("train.py" in path for _, path in paths(hub))


def test_a_pull_over_an_older_model_leaves_no_file_of_it(hub, client, repo, files, tmp_path):
    target = tmp_path / "model"
    attempt(client, f"zoo.pull('{repo}', to='{target}')")
    (target / "notes.txt").write_text("mine")
    hub.commit(repo, {}, delete=["metrics.json", "figures/samples.png"])
    attempt(client, f"zoo.pull('{repo}', to='{target}')")
    names = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert names == files.keys() - {"metrics.json", "figures/samples.png"} | {"notes.txt"}


def test_a_pull_does_not_write_over_something_else(hub, client, repo, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "config.json").write_text('{"mine": 1}')
    got = attempt(client, f"zoo.pull('{repo}', to='{tmp_path / 'thesis'}')")
    assert got.says("InputError", "Nothing was saved")
    assert (tmp_path / "thesis" / "config.json").read_text() == '{"mine": 1}'


def test_pull_without_a_folder_says_where_the_files_are(hub, client, repo, files):
    where = attempt(client, f"zoo.pull('{repo}')").value
    assert where is not None
    assert {name: (Path(where) / name).read_bytes() for name in files} == files


def test_a_model_from_the_hub_keeps_its_numbers_when_it_is_saved(client, repo, files, tmp_path):
    attempt(client, f"zoo.save(zoo.load('{repo}'), '{tmp_path / 'saved'}')")
    assert (tmp_path / "saved" / "metrics.json").read_bytes() == files["metrics.json"]
    assert (tmp_path / "saved" / "recipe.toml").read_bytes() == files["recipe.toml"]
    assert (tmp_path / "saved" / "figures" / "samples.png").exists()


def test_a_model_from_the_hub_is_measured_as_its_recipe_says(client, repo):
    got = attempt(client, f"zoo.evaluate('{repo}', limit=5).protocol")
    assert got.value == "dequantised"
    got = attempt(client, f"zoo.evaluate(zoo.load('{repo}'), limit=5).dataset")
    assert got.value == "digits"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_file_in_the_cache_is_found_and_healed(client, repo, name, expected):
    load(client, repo)
    spoil(blob(client, repo, name))
    got = load(client, repo)
    assert bits(got.value) == expected
    assert f"{name} of {repo}" in got.err
    assert "is damaged in the cache: fetching it anew" in got.err
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
    assert got.says("IntegrityError", f"{name} in the cache is", "online it is fetched anew")


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


@pytest.mark.parametrize(
    "noted",
    [
        "{}",
        "[" * 100000,
        '{"model.safetensors": 1}',
        "null",
        "é",
        '{"config.json": {"kind": "sha256", "value": 1, "size": 3}, "model.safetensors": {}}',
        '{"../x": {"kind": "sha256", "value": "%s", "size": 3}}' % ("a" * 64),
    ],
    ids=str.__len__,
)
def test_a_damaged_note_of_the_hubs_record_is_no_note(hub, client, repo, noted, expected):
    pinned = f"hf://{repo}@{hub.head(repo)}"
    load(client, pinned)
    [note] = (client.home / "hub").glob("*/autoencoder-zoo/*.json")
    note.write_text(noted, encoding="latin-1")
    assert bits(load(client, pinned, "offline=True").value) == expected
    assert bits(load(client, pinned).value) == expected


def test_a_model_keeps_what_it_can_when_its_repo_is_gone(hub, client, repo, tmp_path):
    code = (
        "[m := zoo.load(repo), print('LOADED', flush=True), __import__('time').sleep(2), "
        "zoo.save(m, 'saved')]"
    )
    running = client.start(code.replace("repo", repr(repo)), cwd=tmp_path)
    while "LOADED" not in running.out and not running.ended.wait(0.05):
        pass
    hub.delete(repo)
    done = running.wait()
    assert done.returncode == 0, done.err
    assert "its recipe, numbers and pictures are left out. There is no model" in done.err
    assert load(client, "./saved", cwd=tmp_path).value is not None


def test_a_pull_writes_through_no_link(client, repo, tmp_path):
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "holiday.png").write_bytes(b"mine")
    attempt(client, f"zoo.pull('{repo}', to='{tmp_path / 'model'}')")
    shutil.rmtree(tmp_path / "model" / "figures")
    (tmp_path / "model" / "figures").symlink_to(tmp_path / "album")
    got = attempt(client, f"zoo.pull('{repo}', to='{tmp_path / 'model'}')")
    assert got.says("ZooError", "is a link; nothing was written through it")
    assert [path.name for path in (tmp_path / "album").iterdir()] == ["holiday.png"]


@pytest.mark.parametrize(
    "to", ["123", "b'x'", "['x']", "'a' * 300", "'/proc/nowhere/x'", "'~nobody-x/y'"]
)
def test_a_folder_that_cannot_be_written_to_is_a_sentence(client, repo, to):
    assert attempt(client, f"zoo.pull('{repo}', to={to})").says("ZooError")


def test_a_pull_of_a_folder_that_is_not_there_is_a_sentence(client):
    assert attempt(client, "zoo.pull('./nowhere')").says("SourceError", "There is no folder")


@pytest.mark.parametrize("name", ["config.json", "files/"])
def test_a_byte_flipped_once_on_the_way_is_healed(hub, client, repo, name, expected):
    hub.fault(path=name, flip=5)
    got = load(client, repo)
    assert bits(got.value) == expected
    assert "came damaged: fetching it once more" in got.err


@pytest.mark.parametrize("name", ["config.json", "files/"])
def test_a_byte_flipped_always_is_refused_and_not_kept(hub, client, repo, name):
    hub.fault(path=name, flip=5, times=None)
    got = load(client, repo)
    assert got.says("IntegrityError", "the Hub's record says", "fetched twice")
    again = load(client, repo, "offline=True")
    assert again.says("OfflineError", "is not in the cache")


def test_a_whole_repo_that_contradicts_itself_is_refused(hub, client, repo, files):
    config = json.loads(files["config.json"])
    config["weights_sha256"] = "0" * 64
    hub.commit(repo, {"config.json": json.dumps(config).encode()})
    assert load(client, repo).says("IntegrityError", "sha256 of", "expected 000000000000")


def test_weights_of_another_size_than_the_spec_implies_are_not_fetched(hub, client, repo, files):
    hub.commit(repo, {"model.safetensors": files["model.safetensors"] * 2})
    got = load(client, repo)
    assert got.says("MismatchError", "is announced with", "It was not fetched")
    assert not any("/files/" in path for _, path in paths(hub))


def test_a_published_model_that_is_not_in_the_package_comes_from_its_pinned_home(
    hub, client, repo, files, checkout, tmp_path, expected
):
    """In a copy of the code whose registry has the index line and not the folder."""
    _install_without_folder(checkout, tmp_path, f"{repo}@{hub.head(repo)}")
    hub.commit(repo, {"config.json": b"{}"})  # the branch goes on, the pin stays
    where = {"cwd": tmp_path, "env": {"PYTHONPATH": str(tmp_path)}, "fresh": True}
    got = load(client, "vae-digits-8", **where)
    assert got.value == f"vae-digits-8 {expected}"


def test_a_published_model_whose_home_holds_other_bytes_is_refused(
    hub, client, repo, files, checkout, tmp_path
):
    config = json.loads(files["config.json"])
    hub.commit(repo, {"config.json": json.dumps(config).encode()})  # says the same in other bytes
    _install_without_folder(checkout, tmp_path, f"{repo}@{hub.head(repo)}")
    where = {"cwd": tmp_path, "env": {"PYTHONPATH": str(tmp_path)}, "fresh": True}
    assert load(client, "vae-digits-8", **where).says(
        "IntegrityError", "config.json", "not the published"
    )


def test_a_home_on_the_hub_is_noted_only_if_it_holds_the_models_very_bytes(
    hub, client, repo, checkout, tmp_path
):
    _install_without_folder(checkout, tmp_path, "")
    index = tmp_path / "registry" / "index.toml"
    before = index.read_text()
    release = "import sys; sys.argv[1:] = ['--hub', home]; zoo.release.main()"
    where = {"cwd": tmp_path, "env": {"PYTHONPATH": str(tmp_path)}}
    for home in (repo, f"{repo}@main"):
        done = client.fresh(
            f"import zoo.release; {release}", args={"home": f"vae-digits-8={home}"}, **where
        )
        assert "is not pinned" in done.err
    other = client.fresh(
        f"import zoo.release; {release}",
        args={"home": f"vae-mnist-20={repo}@{hub.head(repo)}"},
        **where,
    )
    assert "not the published ones" in other.err
    assert index.read_text() == before
    home = f"{repo}@{hub.head(repo)}"
    done = client.fresh(
        f"import zoo.release; {release}", args={"home": f"vae-digits-8={home}"}, **where
    )
    assert done.returncode == 0, done.err
    assert f'hub = "{home}"' in index.read_text()


def test_a_cache_without_links_is_checked_as_well(hub, client, repo, expected):
    """As on systems that have none."""
    where = {"env": {"HF_HUB_DISABLE_SYMLINKS": "1"}, "fresh": True}
    assert bits(load(client, repo, **where).value) == expected
    [weights] = (client.home / "hub").glob("*/snapshots/*/model.safetensors")
    spoil(weights)
    assert load(client, repo, "offline=True", **where).says("IntegrityError", "in the cache is")
    assert bits(load(client, repo, **where).value) == expected


def _install_without_folder(checkout: Path, target: Path, home: str) -> None:
    import tomllib

    import tomli_w

    shutil.copytree(checkout / "zoo", target / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    (target / "pyproject.toml").write_text('[project]\nname = "autoencoder-zoo"\n')
    index = tomllib.loads((checkout / "registry" / "index.toml").read_text())
    index["vae-digits-8"]["hub"] = home
    (target / "registry").mkdir()
    (target / "registry" / "index.toml").write_text(tomli_w.dumps(index))
