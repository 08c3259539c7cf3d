"""Fetching: what travels, and what a warm cache needs."""

import shutil
from pathlib import Path

import pytest
from ending import attempt, bits, load, paths


def test_a_model_on_the_hub_has_the_bits_that_were_pushed(hub, client, repo, expected):
    got = load(client, repo)
    assert got.value == f"hf://{repo}@{hub.head(repo)} {expected}"


def test_loading_needs_two_files_and_five_requests(hub, client, repo):
    load(client, repo)
    sha = hub.head(repo)
    listing, head, get, head_weights, weights = paths(hub)
    assert listing == ("GET", f"/api/models/{repo}/revision/main")
    assert head == ("HEAD", f"/{repo}/resolve/main/config.json")  # so the cache knows main
    assert get == ("GET", f"/{repo}/resolve/main/config.json")
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
    assert [method for method, _ in paths(hub)] == ["GET", "HEAD"]  # the list, and what v1 is
    assert bits(load(client, f"hf://{repo}@{hub.head(repo)}").value) == expected
    assert len(hub.requests) == 2


def test_info_reads_no_weights(hub, client, repo):
    got = attempt(client, f"(lambda i: (i.license, i.data, i.metrics is None))(zoo.info('{repo}'))")
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


def test_a_model_from_the_hub_keeps_what_is_cached_when_it_is_saved(client, repo, files, tmp_path):
    attempt(client, f"[zoo.pull('{repo}'), zoo.save(zoo.load('{repo}'), '{tmp_path / 'saved'}')]")
    assert (tmp_path / "saved" / "metrics.json").read_bytes() == files["metrics.json"]
    assert (tmp_path / "saved" / "recipe.toml").read_bytes() == files["recipe.toml"]
    assert (tmp_path / "saved" / "figures" / "samples.png").exists()


@pytest.mark.usefixtures("measuring")
def test_a_model_from_the_hub_is_measured_as_its_recipe_says(client, repo):
    got = attempt(client, f"zoo.evaluate('{repo}', limit=5).protocol")
    assert got.value == "dequantized"
    got = attempt(client, f"zoo.evaluate(zoo.load('{repo}'), limit=5).dataset")
    assert got.value == "digits"


def test_saving_asks_nothing_of_the_hub_and_says_what_it_lacks(hub, client, repo, tmp_path):
    code = f"[m := zoo.load('{repo}'), print('LOADED'), zoo.save(m, 'saved')]"
    attempt(client, f"zoo.load('{repo}')")
    hub.forget()
    got = attempt(client, code, cwd=tmp_path)
    assert len(hub.requests) == 1  # the load's
    assert "its README.md is not cached, and files that are not cached are left out" in got.err
    assert "zoo pull hf://" in got.err
    assert not (tmp_path / "saved" / "metrics.json").exists()
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
    assert attempt(client, "zoo.pull('./nowhere')").says("SourceError", "does not exist")
