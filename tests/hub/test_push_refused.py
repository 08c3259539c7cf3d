"""Pushing: who may, where to, and what is refused before anything is asked."""

from __future__ import annotations

import os

import pytest
from ending import REPO, attempt, load, push, pushed

# Who may push, and where to.


def test_a_push_without_a_token_asks_nothing(hub, client, mine):
    got = push(client, mine)
    assert got.says("HubError", "needs a token that can write to 'acme'", "hf auth login")
    assert hub.requests == []


def test_a_read_only_token_is_told_what_it_lacks(hub, client, mine):
    hub.add_token("hf_reader", user="rita", orgs={"acme": "read"}, role="read")
    for create in (True, False):
        got = push(client, mine, env={"HF_TOKEN": "hf_reader"})
        assert got.says("HubError", "does not permit this (403", "write to 'acme'")
        if create:
            hub.create(REPO)
    assert hub.files(REPO).keys() == {".gitattributes"}


def test_a_wrong_token_is_named_and_not_shown(client, hub, mine):
    got = push(client, mine, options="token='hf_wrong'")
    assert got.says("HubError", "does not accept your token")
    assert "hf_wrong" not in got.message + got.err


def test_the_repo_is_made_in_the_namespace_that_was_asked_for(hub, client, mine, alice):
    push(client, mine, env=alice)
    assert hub.repos == [REPO]
    got = push(client, mine, "somebody/vae", env=alice)
    assert got.says("HubError", "does not permit this")
    assert hub.repos == [REPO]


@pytest.mark.parametrize(
    "repo", ["vae", "", "a/b/c", "acme/vae@v1", "acme/..", "hf://acme/vae", None]
)
def test_a_repo_is_written_org_and_name(client, mine, repo):
    got = attempt(client, f"zoo.push({str(mine)!r}, {repo!r})")
    assert got.says("SourceError", "is not a Hub repo", "org/name")


@pytest.mark.parametrize(("private", "is_"), [("private=True", True), ("private=False", False)])
def test_a_new_repo_is_as_private_as_was_asked(hub, client, mine, alice, private, is_):
    push(client, mine, options=private, env=alice)
    assert hub.is_private(REPO) is is_


def test_a_private_push_does_not_go_to_a_public_repo(hub, client, mine, alice):
    hub.create(REPO)
    got = push(client, mine, options="private=True", env=alice)
    assert got.says("HubError", "already exists and is public", "Nothing was pushed")
    assert hub.files(REPO).keys() == {".gitattributes"}


def test_a_renamed_repo_is_not_pushed_to(hub, client, mine, alice):
    hub.create(REPO)
    hub.rename(REPO, "acme/new")
    got = push(client, mine, env=alice)
    assert got.says("HubError", "was renamed to 'acme/new'", "Nothing was pushed")


def test_somebody_elses_kind_of_model_is_not_written_over(hub, client, mine, alice):
    hub.create(REPO)
    hub.commit(REPO, {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"x"})
    before = hub.head(REPO)
    got = push(client, mine, env=alice)
    assert got.says("HubError", "contains another kind of model", "Nothing was pushed")
    hub.commit(REPO, {}, delete=["config.json"])
    assert push(client, mine, env=alice).says("HubError", "another kind of model")
    assert hub.commits(REPO)[-2] == before


# Branches and pull requests.


def test_a_push_to_a_branch_leaves_main_alone(hub, client, mine, alice):
    main = hub.create(REPO)
    hub.branch(REPO, "dev")
    done = pushed(push(client, mine, options="revision='dev'", env=alice))
    assert (hub.head(REPO, "dev"), hub.head(REPO)) == (done["commit"], main)


def test_a_branch_that_is_not_there_is_a_sentence(hub, client, mine, alice):
    hub.create(REPO)
    got = push(client, mine, options="revision='dve'", env=alice)
    assert got.says("SourceError", "has no revision 'dve'", "hf repos branch create acme/vae dve")


def test_a_commit_cannot_be_pushed_to(client, mine, alice):
    got = push(client, mine, options=f"revision={'a' * 40!r}", env=alice)
    assert got.says("InputError", "give a branch")


def test_a_pull_request_leaves_main_alone(hub, client, mine, alice):
    main = hub.create(REPO)
    done = pushed(push(client, mine, options="create_pr=True", env=alice))
    assert hub.head(REPO) == main
    assert hub.head(REPO, "refs/pr/1") == done["commit"]
    assert "discussions/1" in done["url"]
    assert load(client, f"hf://{REPO}@refs/pr/1", env=alice).value is not None


# What is refused before anything is asked.


@pytest.mark.parametrize(
    "name", ["model.safetensors", "README.md", "figures/samples.png", "figures"]
)
def test_links_are_not_pushed(hub, client, mine, alice, name, tmp_path):
    (mine / name).rename(tmp_path / "elsewhere")
    (mine / name).symlink_to(tmp_path / "elsewhere")
    assert push(client, mine, env=alice).says("InputError", "is a link")
    assert hub.requests == []


def test_a_cached_model_is_links_and_says_what_to_do(client, repo, alice):
    where = attempt(client, f"zoo.pull('{repo}')").value
    got = push(client, where, "acme/copy", env=alice)
    assert got.says("InputError", "is a link", "zoo pull ... --to FOLDER")


def test_a_pipe_in_a_files_place_is_refused(hub, client, mine, alice):
    (mine / "metrics.json").unlink()
    os.mkfifo(mine / "metrics.json")
    assert push(client, mine, env=alice).says("ZooError", "is not a regular file")
    assert hub.requests == []


def test_what_does_not_load_back_is_not_pushed(hub, client, mine, alice):
    weights = bytearray((mine / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (mine / "model.safetensors").write_bytes(weights)
    got = push(client, mine, env=alice)
    assert got.says("IntegrityError", "sha256", str(mine), "Nothing was pushed")
    (mine / "model.safetensors").unlink()
    assert push(client, mine, env=alice).says("SourceError", "has no model.safetensors")
    assert hub.requests == []


def test_weights_that_are_not_finite_are_not_pushed(hub, client, mine, alice):
    spoil = (
        "import torch, json, hashlib, safetensors.torch as s\n"
        "t = s.load_file('mine/model.safetensors'); t['encoder.0.bias'][0] = float('nan')\n"
        "b = s.save(t, {'format': 'pt'}); open('mine/model.safetensors', 'wb').write(b)\n"
        "c = json.load(open('mine/config.json')); c['weights_sha256'] = hashlib.sha256(b).hexdigest()\n"
        "json.dump(c, open('mine/config.json', 'w'))"
    )
    done = client.run(spoil, cwd=mine.parent)
    assert done.returncode == 0, done.err
    got = push(client, mine, env=alice)
    assert got.says("WeightsError", "not finite", "Nothing was pushed")
    code = (
        "(lambda m: ([p.data.fill_(float('inf')) for p in m.parameters()], "
        "zoo.push(m, 'acme/vae')))(zoo.build('ae', input_shape=(1, 8, 8), latent_dim=2))"
    )
    assert attempt(client, code, env=alice).says("WeightsError", "not finite")
    assert hub.requests == []


@pytest.mark.parametrize("given", ["./nowhere", "", None, 5])
def test_what_is_not_a_model_is_a_sentence(client, given, alice):
    got = attempt(client, f"zoo.push({given!r}, 'acme/vae')", env=alice)
    assert got.says("ZooError")


def test_a_card_that_the_hub_does_not_accept_is_a_sentence(hub, client, mine, alice):
    (mine / "README.md").write_text("---\nlicense: [\n---\n# Mine\n")
    got = push(client, mine, env=alice)
    assert got.says("HubError", "refuse")
    assert hub.files(REPO).keys() == {".gitattributes"}
