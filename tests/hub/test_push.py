"""Pushing: one commit with exactly the closed list, whatever happens on the way."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from outcome import attempt, load
from samples import TOKEN

REPO = "acme/vae"
COMMIT = f"^/api/models/{REPO}/commit/main"
WRITES = (
    ("POST", "^/api/repos/create"),
    ("POST", "^/api/validate-yaml"),
    ("POST", f"^/api/models/{REPO}/preupload"),
    ("POST", "lfs/objects/batch"),
    ("PUT", "^/upload/"),
    ("POST", "lfs/objects/verify"),
    ("POST", COMMIT),
)


@pytest.fixture
def mine(folder, tmp_path) -> Path:
    """A copy of the model's folder, that a test may change."""
    shutil.copytree(folder, tmp_path / "mine")
    return tmp_path / "mine"


def push(client, folder, repo: str = REPO, options: str = "", **more):
    return attempt(client, f"vars(zoo.push({str(folder)!r}, {repo!r}, {options}))", **more)


def pushed(outcome) -> dict:
    assert outcome.value is not None, outcome.message
    return eval(outcome.value)


def body_bytes(hub) -> int:
    """Bytes of the files that travelled: uploads, and what commits hold in themselves."""
    return sum(
        r.bytes_received for r in hub.requests if "/upload/" in r.path or "/commit/" in r.path
    )


def test_what_is_pushed_loads_with_the_same_bits(hub, client, mine, alice):
    done = pushed(push(client, mine, env=alice))
    assert done["repo"] == REPO
    assert done["commit"] == hub.head(REPO)
    assert done["url"] == f"{hub.url}/{REPO}/commit/{done['commit']}"
    here = load(client, "./mine", cwd=mine.parent)
    there = load(client, REPO)
    assert there.value is not None
    assert here.value is not None
    assert there.value.split()[1] == here.value.split()[1]


def test_one_commit_holds_exactly_the_closed_list(hub, client, mine, files, alice):
    (mine / "notes.txt").write_text("mine")
    (mine / ".env").write_text("SECRET=1")
    (mine / "figures" / "raw.svg").write_text("<svg/>")
    (mine / "checkpoint.pt").write_bytes(b"PK")
    push(client, mine, env=alice)
    assert len(hub.commits(REPO)) == 2  # the repo's own first one, and this
    there = hub.files(REPO)
    assert there.keys() - {".gitattributes"} == files.keys()
    assert all(there[name] == files[name] for name in files.keys() - {"README.md"})


def test_the_same_folder_again_makes_no_commit_and_sends_no_body(hub, client, mine, alice):
    first = pushed(push(client, mine, env=alice))
    hub.forget()
    again = pushed(push(client, mine, env=alice))
    assert (again["commit"], again["pushed"], again["deleted"]) == (first["commit"], (), ())
    assert len(hub.requests) == 1
    assert body_bytes(hub) == 0


def test_only_what_differs_travels(hub, client, mine, alice):
    push(client, mine, env=alice)
    (mine / "metrics.json").unlink()
    (mine / "figures" / "samples.png").unlink()
    hub.forget()
    done = pushed(push(client, mine, env=alice))
    assert done["pushed"] == ("README.md",)
    assert done["deleted"] == ("figures/samples.png", "metrics.json")
    assert not any("/upload/" in request.path for request in hub.requests)
    assert "metrics.json" not in hub.files(REPO)


def test_foreign_files_of_the_repo_stay(hub, client, mine, alice):
    push(client, mine, env=alice)
    hub.commit(REPO, {"paper.pdf": b"%PDF", "figures/mine.svg": b"<svg/>", "a/metrics.json": b"{}"})
    (mine / "metrics.json").unlink()
    push(client, mine, env=alice)
    assert {"paper.pdf", "figures/mine.svg", "a/metrics.json"} <= hub.files(REPO).keys()


def test_a_readme_without_the_mark_is_left_alone_and_said_so(hub, client, mine, alice):
    hub.create(REPO)
    hub.commit(REPO, {"README.md": b"---\nlicense: mit\n---\n# By hand\n"})
    done = pushed(push(client, mine, env=alice))
    assert done["kept"] == ("README.md",)
    assert hub.files(REPO)["README.md"].endswith(b"# By hand\n")
    said = client.zoo("push", mine, REPO, env=alice).out
    assert "kept     README.md" in said


def test_a_card_of_the_folders_author_is_pushed_as_it_is(hub, client, mine, alice):
    (mine / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    push(client, mine, env=alice)
    assert hub.files(REPO)["README.md"] == b"---\nlicense: mit\n---\n# Mine\n"


def test_the_card_says_how_to_load_it_from_its_repo(hub, client, mine, alice):
    push(client, mine, env=alice)
    card = hub.files(REPO)["README.md"].decode()
    assert f'model = zoo.load("{REPO}")' in card
    assert f"zoo verify {REPO} --full" in card


def test_a_model_in_memory_is_pushed_too(hub, client, mine, alice):
    code = "(m := zoo.load('./mine'), vars(zoo.push(m, 'acme/vae')), m.info.origin)[1:]"
    got = attempt(client, code, env=alice, cwd=mine.parent)
    done, origin = pushed(got)
    assert origin == "mine"
    assert b"![samples](figures/samples.png)" in hub.files(REPO)["README.md"]
    assert "model.safetensors" in done["pushed"]
    assert hub.files(REPO)["metrics.json"] == (mine / "metrics.json").read_bytes()


def test_a_model_from_the_hub_is_pushed_on_with_all_its_files(hub, client, repo, files, alice):
    done = pushed(attempt(client, f"vars(zoo.push(zoo.load('{repo}'), 'acme/copy'))", env=alice))
    assert set(done["pushed"]) == files.keys()


def test_a_run_folder_says_where_its_model_is(client, mine, alice, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    mine.rename(run / "model")
    got = push(client, run, env=alice)
    assert got.says("SourceError", "is a run's folder; its model is", str(run / "model"))


# Who may push, and where to.


def test_a_push_without_a_token_asks_nothing(hub, client, mine):
    got = push(client, mine)
    assert got.says("HubError", "needs a token that may write to 'acme'", "hf auth login")
    assert hub.requests == []


def test_a_read_only_token_is_told_what_it_lacks(hub, client, mine):
    hub.add_token("hf_reader", user="rita", orgs={"acme": "read"}, role="read")
    for create in (True, False):
        got = push(client, mine, env={"HF_TOKEN": "hf_reader"})
        assert got.says("HubError", "no right to this (403", "write to 'acme'")
        if create:
            hub.create(REPO)
    assert hub.files(REPO).keys() == {".gitattributes"}


def test_a_wrong_token_is_told_apart(client, hub, mine):
    got = push(client, mine, options="token='hf_wrong'")
    assert got.says("HubError", "does not accept your token")
    assert "hf_wrong" not in got.message + got.err


def test_the_repo_is_made_in_the_namespace_that_was_asked_for(hub, client, mine, alice):
    push(client, mine, env=alice)
    assert hub.repos == [REPO]
    got = push(client, mine, "somebody/vae", env=alice)
    assert got.says("HubError", "no right to this")
    assert hub.repos == [REPO]


@pytest.mark.parametrize(
    "repo", ["vae", "", "a/b/c", "acme/vae@v1", "acme/..", "hf://acme/vae", None]
)
def test_a_repo_is_written_org_and_name(client, mine, repo):
    got = attempt(client, f"zoo.push({str(mine)!r}, {repo!r})")
    assert got.says("SourceError", "is no repo on the Hub", "org/name")


@pytest.mark.parametrize(("private", "is_"), [("private=True", True), ("private=False", False)])
def test_a_new_repo_is_as_private_as_was_asked(hub, client, mine, alice, private, is_):
    push(client, mine, options=private, env=alice)
    assert hub.is_private(REPO) is is_


def test_a_private_push_does_not_go_to_a_public_repo(hub, client, mine, alice):
    hub.create(REPO)
    got = push(client, mine, options="private=True", env=alice)
    assert got.says("HubError", "is there already and is public", "Nothing was pushed")
    assert hub.files(REPO).keys() == {".gitattributes"}


def test_a_renamed_repo_is_not_pushed_to(hub, client, mine, alice):
    hub.create(REPO)
    hub.rename(REPO, "acme/new")
    got = push(client, mine, env=alice)
    assert got.says("HubError", "is now called 'acme/new'", "Nothing was pushed")


def test_somebody_elses_kind_of_model_is_not_written_over(hub, client, mine, alice):
    hub.create(REPO)
    hub.commit(REPO, {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"x"})
    before = hub.head(REPO)
    got = push(client, mine, env=alice)
    assert got.says("HubError", "holds files of another kind of model", "Nothing was pushed")
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
    assert got.says("InputError", "name a branch")


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
        "zoo.push(m, 'acme/vae')))(zoo.build('ae', image_shape=(1, 8, 8), latent_dim=2))"
    )
    assert attempt(client, code, env=alice).says("WeightsError", "not finite")
    assert hub.requests == []


@pytest.mark.parametrize("given", ["./nowhere", "", None, 5])
def test_what_is_no_model_is_a_sentence(client, given, alice):
    got = attempt(client, f"zoo.push({given!r}, 'acme/vae')", env=alice)
    assert got.says("ZooError")


def test_a_card_that_the_hub_does_not_accept_is_a_sentence(hub, client, mine, alice):
    (mine / "README.md").write_text("---\nlicense: [\n---\n# Mine\n")
    got = push(client, mine, env=alice)
    assert got.says("HubError", "refuse")
    assert hub.files(REPO).keys() == {".gitattributes"}


# A dry run.


def test_a_dry_run_prints_files_sizes_and_the_card_and_asks_nothing(hub, client, mine):
    done = client.zoo("push", mine, REPO, "--dry-run")
    assert done.returncode == 0, done.err
    size = (mine / "model.safetensors").stat().st_size
    assert f"{size:,} bytes  model.safetensors" in done.out
    assert f'zoo.load("{REPO}")' in done.out
    assert hub.requests == []


def test_a_dry_run_finds_what_a_push_would_refuse(client, mine):
    (mine / "model.safetensors").write_bytes(b"x")
    done = client.zoo("push", mine, REPO, "--dry-run")
    assert (done.returncode, "Nothing was pushed" in done.err) == (1, True)


# Others who push, and a Hub that fails.


def test_two_pushes_at_once_do_not_mix(hub, client, mine, alice, tmp_path):
    """Between the list of files and the commit, somebody else pushes another model."""
    push(client, mine, env=alice)
    other = {"config.json": b'{"format": "autoencoder-zoo/1", "other": 1}', "recipe.toml": b"x = 1"}
    (mine / "metrics.json").unlink()
    hub.fault(method="POST", path=COMMIT, call=lambda: hub.commit(REPO, other))
    got = push(client, mine, env=alice)
    assert pushed(got)["commit"] == hub.head(REPO)
    assert "Somebody else pushed at the same time" in got.err
    there = hub.files(REPO)
    assert there["config.json"] == (mine / "config.json").read_bytes()
    assert there["recipe.toml"] == (mine / "recipe.toml").read_bytes()
    assert "metrics.json" not in there


def test_a_repo_that_never_stands_still_is_given_up(hub, client, mine, alice):
    hub.create(REPO)
    number = iter(range(100))
    hub.fault(
        method="POST",
        path=COMMIT,
        call=lambda: hub.commit(REPO, {"n": str(next(number)).encode()}),
        times=None,
    )
    got = push(client, mine, env=alice)
    assert got.says("HubError", "has moved in the meantime")
    assert got.seconds < 30


@pytest.mark.parametrize("route", WRITES, ids=lambda route: " ".join(route))
@pytest.mark.parametrize(("status", "retry_after"), [(429, "1"), (503, None)])
def test_a_hub_that_asks_to_wait_is_waited_for(
    hub, client, mine, alice, route, status, retry_after
):
    hub.fault(method=route[0], path=route[1], status=status, retry_after=retry_after)
    got = push(client, mine, env=alice)
    assert pushed(got)["commit"] == hub.head(REPO)
    assert len(hub.commits(REPO)) == 2
    assert any(words in got.err for words in ("again in", "Waiting", "Retrying"))


@pytest.mark.parametrize("route", [WRITES[0], WRITES[4], WRITES[6]], ids=lambda r: " ".join(r))
def test_a_hub_that_always_fails_is_given_up_and_shows_nothing(hub, client, mine, alice, route):
    hub.fault(method=route[0], path=route[1], status=503, times=None)
    got = push(client, mine, env=alice, timeout=150)
    assert got.says("HubError")
    assert got.seconds < 100
    if REPO in hub.repos:
        assert hub.files(REPO).keys() == {".gitattributes"}


@pytest.mark.parametrize("route", WRITES, ids=lambda route: " ".join(route))
def test_a_connection_that_is_reset_once_is_no_end(hub, client, mine, alice, route):
    hub.fault(method=route[0], path=route[1], reset_after=0)
    got = push(client, mine, env=alice)
    assert pushed(got)["commit"] == hub.head(REPO)
    assert len(hub.commits(REPO)) == 2


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub, client, mine, alice):
    hub.fault(method="POST", path=COMMIT, lost=True)
    got = push(client, mine, env=alice)
    assert pushed(got)["commit"] == hub.head(REPO)
    assert len(hub.commits(REPO)) == 2


def test_a_pull_request_whose_answer_is_lost_is_not_opened_twice(hub, client, mine, alice):
    hub.create(REPO)
    hub.fault(method="POST", path=COMMIT, lost=True, times=None)
    got = push(client, mine, options="create_pr=True", env=alice)
    assert got.says("HubError", "may have been opened", "/discussions")
    assert sum("/commit/" in request.path for request in hub.requests) == 1


def test_a_hub_that_says_nothing_is_given_up(hub, client, mine, alice):
    hub.create(REPO)
    hub.fault(method="POST", path=COMMIT, hang=True, times=None)
    got = push(client, mine, env=alice, timeout=150)
    assert got.says("HubError", "gave up after")
    assert hub.files(REPO).keys() == {".gitattributes"}


def test_a_dead_hub_is_told_in_seconds(hub, client, mine, alice):
    hub.stop()
    got = push(client, mine, env=alice)
    assert got.says("OfflineError", "cannot be reached")
    assert got.seconds < 5


def test_a_push_that_is_killed_shows_nothing_and_can_be_started_again(hub, client, mine, alice):
    hub.create(REPO)
    hub.fault(method="POST", path=COMMIT, hang=True)
    running = client.start_zoo("push", mine, REPO, env=alice)
    while not any("/upload/" in request.path for request in hub.requests):
        if running.ended.wait(0.05):
            break
    running.kill()
    assert running.wait().returncode < 0
    assert hub.files(REPO).keys() == {".gitattributes"}
    hub.clear_faults()
    done = client.zoo("push", mine, REPO, env=alice)
    assert done.returncode == 0, done.err
    assert load(client, REPO).value is not None


# The token.


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_the_token_is_never_shown(hub, client, mine, alice, debug):
    said = ""
    for fault in ({"status": 403}, {"status": 500}, {"reset_after": 0}, {"flip": 0}):
        hub.fault(method="POST", path="", times=None, **fault)
        done = client.zoo(*debug, "push", mine, REPO, env=alice, timeout=150)
        assert done.returncode == 1
        said += done.out + done.err
        hub.clear_faults()
    done = client.zoo(*debug, "push", mine, REPO, env=alice)
    said += done.out + done.err
    assert TOKEN not in said
    cached = [path for path in client.home.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in path.read_bytes() for path in cached)


def test_the_token_is_no_argument_of_the_command_line(client):
    for verb in ("push", "pull", "verify", "show"):
        assert "--token" not in client.zoo(verb, "--help").out


def test_what_was_pushed_is_json_on_request(hub, client, mine, alice):
    done = client.zoo("push", mine, REPO, "--json", env=alice)
    assert json.loads(done.out)["commit"] == hub.head(REPO)


def test_what_was_given_up_is_not_done_later(hub, client, mine, alice):
    """The answer to an early request comes after the push gave up; no commit may follow it."""
    hub.create(REPO)
    hub.fault(method="POST", path="/preupload/", call=lambda: time.sleep(14))
    code = f"try:\n zoo.push({str(mine)!r}, {REPO!r})\nexcept zoo.HubError as e:\n print(e)\n"
    done = client.run(code + "import time; time.sleep(4)", env=alice)
    assert "gave up after" in done.out
    assert any("/preupload/" in request.path for request in hub.requests)
    assert not any("/commit/" in request.path for request in hub.requests)
    assert hub.files(REPO).keys() == {".gitattributes"}


# What was there, and what the author wrote.


@pytest.mark.parametrize(
    "config",
    [
        b'{"model_type": "bert", "_name_or_path": "autoencoder-zoo/bert"}',
        b'{"format": "other/1"}',
        b"autoencoder-zoo/1",
    ],
)
def test_a_foreign_config_that_only_names_the_zoo_is_foreign(hub, client, mine, alice, config):
    hub.create(REPO)
    before = hub.commit(REPO, {"config.json": config, "model.safetensors": b"x"})
    assert push(client, mine, env=alice).says("HubError", "another kind of model")
    assert hub.head(REPO) == before


def test_a_model_of_a_newer_format_is_not_written_over(hub, client, mine, alice):
    hub.create(REPO)
    hub.commit(REPO, {"config.json": b'{"format": "autoencoder-zoo/2"}'})
    assert push(client, mine, env=alice).says("HubError", "pip install -U autoencoder-zoo")


def test_a_config_that_escapes_its_slash_is_ours(hub, client, mine, files, alice):
    hub.create(REPO)
    escaped = files["config.json"].replace(b"autoencoder-zoo/1", b"autoencoder-zoo\\/1")
    hub.commit(REPO, {**files, "config.json": escaped})
    assert "config.json" in pushed(push(client, mine, env=alice))["pushed"]


def test_a_picture_of_the_repos_own_is_foreign(hub, client, mine, alice):
    push(client, mine, env=alice)
    hub.commit(REPO, {"figures/architecture.png": b"png"})
    (mine / "metrics.json").unlink()
    (mine / "figures" / "samples.png").unlink()
    done = pushed(push(client, mine, env=alice))
    assert done["deleted"] == ("figures/samples.png", "metrics.json")
    assert "figures/architecture.png" in hub.files(REPO)


def test_a_repo_with_only_a_picture_is_free(hub, client, mine, alice):
    hub.create(REPO)
    hub.commit(REPO, {"figures/logo.png": b"png"})
    assert "config.json" in pushed(push(client, mine, env=alice))["pushed"]
    assert "figures/logo.png" in hub.files(REPO)


def test_a_new_repo_is_not_made_for_a_branch_that_it_cannot_have(hub, client, mine, alice):
    got = push(client, mine, options="revision='dev'", env=alice)
    assert got.says("SourceError", "A new repo begins with main")
    assert hub.repos == []


def test_a_tag_is_not_pushed_to(hub, client, mine, alice):
    hub.create(REPO)
    hub.tag(REPO, "v1")
    got = push(client, mine, options="revision='v1'", env=alice)
    assert got.says("SourceError", "has no branch 'v1': a tag cannot be pushed to")


def test_the_card_on_a_branch_loads_from_that_branch(hub, client, mine, alice):
    hub.create(REPO)
    hub.branch(REPO, "dev")
    push(client, mine, options="revision='dev'", env=alice)
    assert f'zoo.load("hf://{REPO}@dev")' in hub.files(REPO, "dev")["README.md"].decode()
    checks = attempt(client, f"[c.result for c in zoo.verify('hf://{REPO}@dev').checks]")
    assert checks.value == str(["passed"] * 4)


def test_the_licence_of_the_folders_card_goes_with_it(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    for written in ('license: "MIT"', "license: mit  # mine", "license:\n- mit"):
        (mine / "README.md").write_text(card.replace("license: apache-2.0", written))
        assert pushed(push(client, mine, env=alice))["licence"] == "mit"
        assert b"\nlicense: mit\n" in hub.files(REPO)["README.md"]
    own = "license: other\nlicense_name: acme-1\nlicense_link: https://acme.example/l"
    (mine / "README.md").write_bytes(
        ("\ufeff" + card.replace("license: apache-2.0", own)).replace("\n", "\r\n").encode()
    )
    push(client, mine, env=alice)
    assert b"license_name: acme-1\n" in hub.files(REPO)["README.md"]


def test_a_model_without_a_licence_is_pushed_with_a_word_on_it(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    (mine / "README.md").write_text(card.replace("license: apache-2.0\n", ""))
    assert "names no licence" in client.zoo("push", mine, REPO, env=alice).out
    hub.commit(REPO, {"README.md": b"---\nlicense: mit\n---\nBy hand\n"})
    assert "names no licence" not in client.zoo("push", mine, REPO, env=alice).out


def test_a_path_of_this_machine_is_not_published(hub, client, mine, alice):
    recipe = (mine / "recipe.toml").read_text().replace('"digits"', '"/home/alice/clients"')
    (mine / "recipe.toml").write_text(recipe)
    got = push(client, mine, env=alice)
    assert got.says("InputError", "'/home/alice/clients', a path of this machine")
    assert hub.requests == []


def test_a_family_of_no_package_says_so_in_its_card(hub, client, alice, tmp_path):
    code = """
import torch
class Spec(zoo.Spec):
    @property
    def latent_shape(self): return (4,)
    def parameter_count(self): return self.pixels * 4
@zoo.register("linear-test")
class Linear(zoo.VariationalAutoencoder):
    Spec = Spec
    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(torch.randn(spec.pixels, 4))
print(zoo.push(zoo.build("linear-test", image_shape=(1, 8, 8)), "acme/linear").commit)
"""
    done = client.run(code, env=alice)
    assert done.returncode == 0, done.err
    card = hub.files("acme/linear")["README.md"].decode()
    assert "and the code that registers its family, linear-test: ask its author" in card
    assert "pipeline_tag: unconditional-image-generation" in card
    assert "no prior" not in card
    assert "untrained" not in card


def test_an_explicit_token_is_used_for_all_that_a_push_needs(hub, client, files, alice):
    hub.create("acme/secret", private=True)
    hub.commit("acme/secret", files)
    code = f"vars(zoo.push(zoo.load('acme/secret', token={TOKEN!r}), 'acme/two', token={TOKEN!r}))"
    assert set(pushed(attempt(client, code))["pushed"]) == files.keys()


def test_what_a_lost_answer_was_about_is_told_as_pushed(hub, client, mine, alice):
    hub.fault(method="POST", path=COMMIT, lost=True)
    assert "model.safetensors" in pushed(push(client, mine, env=alice))["pushed"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["acme/vae", "./mine"], "A push takes the folder first"),
        (["acme/vae", "acme/copy"], "`zoo pull acme/vae --to FOLDER`"),
        (["hf://acme/vae", "acme/copy"], "`zoo pull hf://acme/vae --to FOLDER`"),
        (["./mine", "acme/vae", "--revision", "a..b", "--dry-run"], "A revision is"),
        (["./mine", "acme/vae", "--revision", "dev", "--create-pr", "--dry-run"], "against main"),
    ],
)
def test_a_slip_of_the_pen_is_a_sentence(client, mine, words, hint):
    done = client.zoo("push", *words, cwd=mine.parent)
    assert (done.returncode, hint in done.err) == (1, True), done.err


def test_a_password_in_the_address_of_the_hub_is_not_shown(client, mine, alice, hub):
    address = hub.url.replace("//", "//user:s3cret@")
    hub.stop()
    code = "zoo.load('acme/vae')"
    got = attempt(client, code, env={"HF_ENDPOINT": address}, fresh=True)
    assert got.says("OfflineError", "cannot be reached")
    assert "s3cret" not in got.message + got.err


def test_an_address_that_is_none_is_named(client, hub):
    got = attempt(client, "zoo.load('acme/vae')", env={"HF_ENDPOINT": "foo"}, fresh=True)
    assert got.says("HubError", "HF_ENDPOINT is 'foo'")


def test_a_licence_that_was_set_on_the_hub_stays(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    (mine / "README.md").write_text(card.replace("license: apache-2.0\n", ""))
    push(client, mine, env=alice)
    there = hub.files(REPO)["README.md"].decode()
    hub.commit(REPO, {"README.md": there.replace("---\n", "---\nlicense: mit\n", 1).encode()})
    (mine / "metrics.json").unlink()
    done = pushed(push(client, mine, env=alice))
    assert done["licence"] == "mit"
    assert b"\nlicense: mit\n" in hub.files(REPO)["README.md"]
    again = pushed(push(client, mine, env=alice))
    assert (again["pushed"], again["commit"]) == ((), done["commit"])


def test_several_licences_stay_several(hub, client, mine, alice):
    card = (mine / "README.md").read_text()
    (mine / "README.md").write_text(
        card.replace("license: apache-2.0", "license: [mit, apache-2.0]")
    )
    assert pushed(push(client, mine, env=alice))["licence"] == "mit, apache-2.0"
    assert b"license:\n- mit\n- apache-2.0\n" in hub.files(REPO)["README.md"]


def test_pictures_of_a_repo_of_another_kind_stay(hub, client, mine, alice):
    hub.create(REPO)
    own = {"README.md": b"# A GAN", "gan.safetensors": b"x", "figures/samples.png": b"png"}
    before = hub.commit(REPO, own)
    assert push(client, mine, env=alice).says("HubError", "another kind of model")
    shutil.rmtree(mine / "figures")
    done = pushed(push(client, mine, env=alice))
    assert (done["deleted"], done["kept"]) == ((), ("README.md",))
    assert hub.files(REPO)["figures/samples.png"] == b"png"
    assert hub.commits(REPO)[-2] == before


def test_front_matter_that_explodes_is_not_parsed(hub, client, mine, alice):
    lines = ["a0: &a0 {" + ", ".join(f"k{i}: 1" for i in range(10)) + "}"]
    for n in range(1, 12):
        lines.append(f"a{n}: &a{n} {{<<: [" + ", ".join([f"*a{n - 1}"] * 10) + "]}")
    for bomb in ("\n".join(lines), "license: !!bool foo", "license: &a [*a]", "x: !!int ''"):
        (mine / "README.md").write_text(f"---\n{bomb}\n---\n# Mine\n")
        got = attempt(client, f"zoo.info({str(mine)!r}).licence")
        assert got.value == "None"
        assert got.seconds < 5


def test_a_hub_whose_answer_comes_too_late_is_looked_at_once_more(hub, client, mine, alice):
    hub.create(REPO)
    hub.fault(method="POST", path=COMMIT, drip=0.1)
    got = push(client, mine, env=alice)
    assert pushed(got)["commit"] == hub.head(REPO)
    assert "model.safetensors" in pushed(got)["pushed"]


def test_a_stored_token_that_is_none_is_not_shown(client, mine):
    got = push(client, mine, env={"HF_TOKEN": "hf_caf\u00e9"})
    assert got.says("InputError", "The one of HF_TOKEN")
    assert "caf" not in got.message + got.err
