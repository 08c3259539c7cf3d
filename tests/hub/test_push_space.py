"""`zoo push --space`: a page becomes a static Space, in one commit, and nothing else is written over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from processes import Done

import zoo
from zoo.page.write import FILES, write_page

pytest.importorskip("onnxruntime")

REPO = "acme/page"
SPACE = f"spaces/{REPO}"
"""What the loopback Hub calls it."""
SHA = zoo.info("vae-digits-8").sha256


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write_page(
        zoo.load("vae-digits-8"), None, "test", tmp_path_factory.mktemp("page")
    ).parent


@pytest.fixture
def page(written, tmp_path) -> Path:
    """A page of a published model, that a test may change."""
    return Path(shutil.copytree(written, tmp_path / "page"))


def change(page: Path, name: str, old: str, new: str) -> None:
    text = (page / name).read_text()
    assert old in text
    (page / name).write_text(text.replace(old, new, 1))


def push(client, page: Path, *options: str, env: dict | None = None) -> Done:
    return client.zoo("push", page, REPO, "--space", *options, env=env)


def pushes(client, page: Path, *options: str, env: dict | None = None) -> str:
    done = push(client, page, *options, env=env)
    assert done.returncode == 0, done.err
    return done.out + done.err


def refused(done: Done, *parts: str) -> bool:
    for part in parts:
        assert part in done.err, done.err
    return done.returncode == 1


def front_matter(hub) -> dict:
    return yaml.safe_load(hub.files(SPACE)["README.md"].decode().split("---\n")[1])


def test_a_page_becomes_a_static_space_in_one_commit(hub, client, page, alice):
    said = pushes(client, page, env=alice)
    assert f"See it on {hub.url}/spaces/{REPO}\n" in said
    assert f"{hub.url}/spaces/{REPO}/commit/{hub.head(SPACE)}\n" in said
    assert hub.repos == [SPACE]
    assert len(hub.commits(SPACE)) == 2  # the Hub's own first one, and this
    there = hub.files(SPACE)
    assert there.keys() == {".gitattributes", "README.md", *FILES}
    assert all(there[name] == (page / name).read_bytes() for name in FILES)
    assert front_matter(hub) == {"title": "vae-digits-8", "sdk": "static", "app_file": "index.html"}
    readme = there["README.md"].decode()
    assert "`vae-digits-8` of autoencoder-zoo in the browser" in readme
    assert f"`{SHA}`" in readme


def test_the_same_page_again_is_one_request_and_no_commit(hub, client, page, alice):
    pushes(client, page, env=alice)
    hub.forget()
    assert "Nothing to push: the repo has this page already." in pushes(client, page, env=alice)
    assert [request.path for request in hub.requests] == [f"/api/spaces/{REPO}/revision/main"]


def test_another_page_replaces_it_and_other_files_stay(hub, client, page, alice):
    pushes(client, page, env=alice)
    hub.commit(SPACE, {"picture.png": b"png"})
    change(page, "model.js", '"count": 0', '"count":  0')
    assert "pushed   model.js\nacme/page at" in pushes(client, page, env=alice)
    assert hub.files(SPACE)["picture.png"] == b"png"


def test_a_page_of_a_model_on_the_hub_names_its_repo_and_commit(hub, client, page, repo, alice):
    commit = hub.head(repo)
    change(page, "model.js", '"source": "vae-digits-8"', f'"source": "hf://{repo}@{commit}"')
    pushes(client, page, env=alice)
    assert front_matter(hub)["models"] == [repo]
    assert front_matter(hub)["title"] == "vae"
    readme = hub.files(SPACE)["README.md"].decode()
    assert f"[{repo}](https://huggingface.co/{repo}/tree/{commit}) at commit `{commit}`" in readme
    assert f'zoo.load("hf://{repo}@{commit}")' in readme


@pytest.mark.parametrize(
    "source", ["null", '"hf://acme/vae@main"', '"acme/vae"', '"./x"', '"](a"', "1"]
)
def test_a_page_of_a_model_that_is_not_pinned_says_its_sha256_alone(
    hub, client, page, alice, source
):
    change(page, "model.js", '"source": "vae-digits-8"', f'"source": {source}')
    assert "names no public model" in pushes(client, page, env=alice)
    assert front_matter(hub) == {"title": "page", "sdk": "static", "app_file": "index.html"}
    readme = hub.files(SPACE)["README.md"].decode()
    assert "a model that is not public" in readme
    assert f"`{SHA}`" in readme
    assert "zoo.load" not in readme


def test_a_dry_run_shows_the_readme_and_asks_nothing(hub, client, page):
    said = pushes(client, page, "--dry-run")
    assert "bytes  runtime.js" in said
    assert "sdk: static" in said
    assert "The page holds no images." in said
    held = '"images": {"count": 300, "name": "holiday test"'
    change(page, "model.js", '"images": {"count": 0', held)
    said = pushes(client, page, "--dry-run")
    assert "The page publishes 300 images of holiday test." in said
    assert hub.requests == []


# Spaces that are there already.


def test_a_space_that_was_just_made_by_hand_is_filled(hub, client, page, alice):
    hub.create(SPACE)
    assert "deleted  style.css" in pushes(client, page, env=alice)
    assert hub.files(SPACE).keys() == {".gitattributes", "README.md", *FILES}


def test_a_space_with_something_else_is_left_alone(hub, client, page, alice):
    hub.create(SPACE)
    before = hub.commit(SPACE, {"index.html": b"<h1>My garden</h1>"})
    said = "holds something else than a page of the zoo. Nothing was pushed"
    assert refused(push(client, page, env=alice), f"The Space '{REPO}'", said)
    hub.commit(SPACE, {}, delete=["README.md"])
    assert refused(push(client, page, env=alice), said)
    assert hub.commits(SPACE)[-2] == before


def test_a_model_may_have_the_name_of_the_space(hub, client, page, files, alice):
    hub.create(REPO)
    hub.commit(REPO, files)
    pushes(client, page, env=alice)
    assert hub.repos == [REPO, SPACE]
    assert hub.files(REPO).keys() == {".gitattributes", *files}


def test_a_push_whose_answer_was_lost_is_told_as_pushed(hub, client, page, alice):
    hub.fault(method="POST", path=f"^/api/spaces/{REPO}/commit/main", lost=True)
    assert "pushed   index.html" in pushes(client, page, env=alice)
    assert len(hub.commits(SPACE)) == 2


def test_a_private_space_and_a_pull_request_are_what_they_say(hub, client, page, alice):
    pushes(client, page, "--private", env=alice)
    assert hub.is_private(SPACE)
    said = "already exists and is private, but public was requested"
    done = push(client, page, "--public", env=alice)
    assert refused(done, said, f"{hub.url}/spaces/{REPO}/settings")
    change(page, "model.js", '"count": 0', '"count":  0')
    main = hub.head(SPACE)
    assert "discussions/1" in pushes(client, page, "--create-pr", env=alice)
    assert hub.head(SPACE) == main


# Who may, and what is refused before anything is sent.


def test_rights_tokens_and_the_network_are_sentences(hub, client, page, alice):
    assert refused(push(client, page), "needs a token that can write to 'acme'", "hf auth login")
    offline = {**alice, "HF_HUB_OFFLINE": "1"}
    assert refused(push(client, page, env=offline), "A push needs the network")
    assert hub.requests == []
    hub.add_token("hf_reader", user="rita", orgs={"acme": "read"}, role="read")
    reader = {"HF_TOKEN": "hf_reader"}
    assert refused(push(client, page, env=reader), "does not permit this (403", "write to 'acme'")
    wrong = push(client, page, env={"HF_TOKEN": "hf_wrong"})
    assert refused(wrong, "does not accept your token")
    assert "hf_wrong" not in wrong.err
    hub.stop("hub")
    assert refused(push(client, page, env=alice), "cannot be reached")


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("index.html", "</html>", "", "index.html has no end"),
        ("runtime.js", "zooRuntime", "zooRuntim", "runtime.js is not what this version"),
        ("licenses.txt", "MIT", "", "licenses.txt is not what this version"),
        ("model.js", '"sha256"', '"sha265"', "model.js lacks"),
        ("model.js", f'"{SHA}"', "null", "no sha256 of the weights"),
        ("model.js", '"decoder": "H4', '"decoder": "H5', "does not unpack"),
        ("model.js", "globalThis", "fetch(1), globalThis", "model.js holds something else"),
        ("model.js", '"networks": {', '"networks": 1, "x": {', "has no attribute"),
    ],
)
def test_a_torn_page_is_refused_unasked(hub, client, page, alice, name, old, new, why):
    change(page, name, old, new)
    assert refused(push(client, page, env=alice), why, "Nothing was pushed: write it again")
    (page / name).unlink()
    assert push(client, page, env=alice).returncode == 1
    assert hub.requests == []


def test_what_is_no_page_and_links_are_refused_unasked(hub, client, page, mine, alice, tmp_path):
    no_page = "is not the folder of a page: `zoo page` writes one"
    assert refused(push(client, mine, env=alice), no_page)
    assert refused(push(client, tmp_path / "absent", env=alice), no_page)
    os.rename(page / "runtime.js", tmp_path / "elsewhere")
    (page / "runtime.js").symlink_to(tmp_path / "elsewhere")
    assert refused(push(client, page, env=alice), "is a link", "`zoo page` writes files")
    assert hub.requests == []


def test_a_page_without_the_flag_is_told_of_it(hub, client, page, alice):
    assert refused(client.zoo("push", page, REPO, env=alice), "becomes a Space: add --space")
    assert not hub.repos
