"""Pushing beside others, to a Hub that fails: nothing mixes, nothing is made twice or half."""

from __future__ import annotations

import json

import pytest
from ending import COMMIT, REPO, load, push, pushed
from samples import TOKEN

WRITES = (
    ("POST", "^/api/repos/create"),
    ("POST", "^/api/validate-yaml"),
    ("POST", f"^/api/models/{REPO}/preupload"),
    ("POST", "lfs/objects/batch"),
    ("PUT", "^/upload/"),
    ("POST", "lfs/objects/verify"),
    ("POST", COMMIT),
)


# Others who push, and a Hub that fails.


def test_two_pushes_at_once_do_not_mix(hub, client, mine, alice, tmp_path):
    """Between the list of files and the commit, somebody else pushes another model."""
    push(client, mine, env=alice)
    other = {"config.json": b'{"format": "autoencoder-zoo/1", "other": 1}', "recipe.toml": b"x = 1"}
    (mine / "metrics.json").unlink()
    hub.fault(method="POST", path=COMMIT, call=lambda: hub.commit(REPO, other))
    got = push(client, mine, env=alice)
    assert pushed(got)["commit"] == hub.head(REPO)
    assert "has moved in the meantime: retrying" in got.err
    there = hub.files(REPO)
    assert there["config.json"] == (mine / "config.json").read_bytes()
    assert there["recipe.toml"] == (mine / "recipe.toml").read_bytes()
    assert "metrics.json" not in there


def test_a_repo_that_keeps_moving_is_given_up(hub, client, mine, alice):
    hub.create(REPO)
    number = iter(range(100))
    hub.fault(
        method="POST",
        path=COMMIT,
        call=lambda: hub.commit(REPO, {"n": str(next(number)).encode()}),
        times=None,
    )
    got = push(client, mine, env=alice)
    assert got.says("HubError", "keeps moving")
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
    assert any(words in got.err for words in ("Retrying", "Waiting"))


@pytest.mark.parametrize("route", [WRITES[0], WRITES[4], WRITES[6]], ids=lambda r: " ".join(r))
def test_a_hub_that_always_fails_is_given_up_and_shows_nothing(hub, client, mine, alice, route):
    hub.fault(method=route[0], path=route[1], status=503, times=None)
    got = push(client, mine, env=alice, timeout=150)
    assert got.says("HubError")
    assert got.seconds < 100
    if REPO in hub.repos:
        assert hub.files(REPO).keys() == {".gitattributes"}


@pytest.mark.parametrize("route", WRITES, ids=lambda route: " ".join(route))
def test_a_connection_that_is_reset_once_is_tried_again(hub, client, mine, alice, route):
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


def test_a_dead_hub_is_told_in_seconds(hub, client, mine, alice):
    hub.stop()
    got = push(client, mine, env=alice)
    assert got.says("OfflineError", "cannot be reached")
    assert got.seconds < 30


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


def test_the_token_is_not_a_command_line_option(client):
    for verb in ("push", "pull", "verify", "show"):
        assert "--token" not in client.zoo(verb, "--help").out


def test_what_was_pushed_is_json_on_request(hub, client, mine, alice):
    done = client.zoo("push", mine, REPO, "--json", env=alice)
    assert json.loads(done.out)["commit"] == hub.head(REPO)
