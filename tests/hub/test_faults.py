"""What may go wrong on the way: each fault is bytes on a socket, and ends in a model or a sentence."""

from __future__ import annotations

import time

import pytest
from ending import attempt, load
from samples import TOKEN

SOON_S = 30
"""Every failure is told within so many seconds, retries included."""

HASTY = {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
LISTING, CONFIG, WEIGHTS = "^/api/models/acme/vae/revision", "resolve/.*config.json", "^/files/"
BODIES = (LISTING, CONFIG, WEIGHTS)
ROUTES = (
    ("GET", LISTING),
    ("HEAD", CONFIG),
    ("GET", CONFIG),
    ("HEAD", "resolve/.*model.safetensors"),
    ("GET", WEIGHTS),
)


def test_a_refused_connection_is_told_in_seconds(hub, client, repo):
    hub.stop()
    got = load(client, repo)
    assert got.says("OfflineError", f"'{repo}' is not in the cache", "cannot be reached")
    assert f"`zoo pull {repo}` fetches it" in got.message
    assert got.seconds < 5


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: " ".join(route))
@pytest.mark.parametrize(("status", "retry_after"), [(429, "1"), (503, None)])
def test_a_hub_that_asks_to_wait_is_waited_for(hub, client, repo, route, status, retry_after):
    hub.fault(method=route[0], path=route[1], status=status, retry_after=retry_after)
    got = load(client, repo)
    assert got.value is not None
    said = ("Retrying in", "Waiting", "Retrying")
    assert any(words in got.err for words in said) or route[0] == "HEAD"  # asked again at once


@pytest.mark.parametrize("route", [*ROUTES[:3], ROUTES[4]], ids=lambda route: " ".join(route))
def test_a_hub_that_always_answers_503_is_given_up(hub, client, repo, route):
    hub.fault(method=route[0], path=route[1], status=503, times=None)
    got = load(client, repo)
    assert got.says("HubError", "the Hub answered 503")
    assert got.seconds < SOON_S


@pytest.mark.parametrize(
    ("path", "retry_after"),
    [
        (LISTING, "86400"),
        (LISTING, "9" * 30),
        (LISTING, "Wed, 21 Oct 2099 07:28:00 GMT"),
    ],
)
def test_a_hub_that_asks_to_wait_for_a_day_is_not_waited_for(hub, client, repo, path, retry_after):
    hub.fault(path=path, status=429, retry_after=retry_after, times=None)
    got = load(client, repo)
    assert got.says("HubError")
    assert got.seconds < SOON_S


@pytest.mark.parametrize("fault", [{"reset_after": 100}, {"close_after": 100}])
@pytest.mark.parametrize("path", BODIES)
def test_a_body_that_breaks_off_once_is_fetched_again(hub, client, repo, path, fault):
    hub.fault(path=path, **fault)
    assert load(client, repo).value is not None


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (LISTING, {"reset_after": 100}),
        (LISTING, {"close_after": 100}),
        (CONFIG, {"reset_after": 100}),
        (WEIGHTS, {"close_after": 100}),
    ],
)
def test_a_body_that_always_breaks_off_is_given_up(hub, client, repo, path, fault):
    hub.fault(path=path, times=None, **fault)
    got = load(client, repo)
    assert got.says("HubError")
    assert got.seconds < 60
    hub.clear_faults()
    assert load(client, repo).value is not None


@pytest.mark.parametrize("fault", [{"short": 10}, {"long": 10}])
@pytest.mark.parametrize("path", [CONFIG, WEIGHTS])
def test_a_body_of_another_length_is_never_used(hub, client, repo, path, fault):
    hub.fault(path=path, **fault)
    assert load(client, repo).value is not None  # it came right the second time
    hub.fault(path=path, times=None, **fault)
    client.run("import shutil; shutil.rmtree(huggingface_hub.constants.HF_HUB_CACHE)")
    got = load(client, repo)
    assert got.says("ZooError")
    assert got.seconds < SOON_S
    assert load(client, repo, "offline=True").says("OfflineError")


@pytest.mark.parametrize("fault", [{"short": 10}, {"flip": 0}])
def test_an_invalid_list_of_files_is_refused(hub, client, repo, fault):
    hub.fault(path=LISTING, times=None, **fault)
    got = load(client, repo)
    assert got.says("HubError", "returned an invalid list of files for 'acme/vae'")
    assert got.seconds < SOON_S


@pytest.mark.parametrize("route", [ROUTES[0], ROUTES[4]])
def test_a_hub_that_says_nothing_is_given_up(hub, client, repo, route):
    hub.fault(method=route[0], path=route[1], hang=True, times=None)
    got = load(client, repo, env=HASTY)
    assert got.says("ZooError")
    assert {"OfflineError", "HubError"} & set(got.errors)
    assert got.seconds < SOON_S


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half(hub, client, repo):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    got = attempt(client, f"[exec({limit!r}), zoo.load('{repo}')]")
    assert got.says("ZooError", "cannot write to", "set HF_HOME to a folder with enough")
    assert not list((client.home / "hub").rglob("*.incomplete"))
    assert load(client, repo).value is not None


def test_a_cache_that_cannot_be_written_to_is_a_sentence(hub, client, repo):
    (client.home / "hub").write_text("a file")
    assert load(client, repo).says("ZooError", "cannot write to", "HF_HOME")


def test_two_processes_that_load_the_same_model_at_once_both_get_it(hub, client, repo):
    hub.fault(path=WEIGHTS, call=lambda: time.sleep(1), times=None)
    code = f"print(zoo.load('{repo}').sample(1, seed=0).sum())"
    patient = {
        "HF_HUB_DOWNLOAD_TIMEOUT": "30"
    }  # the client's usual 3 s is little more than the wait
    both = [client.start(code, env=patient) for _ in range(2)]
    ends = [one.wait() for one in both]
    assert [end.returncode for end in ends] == [0, 0], ends
    assert ends[0].out == ends[1].out


def test_a_pull_that_is_killed_can_be_started_again(hub, client, repo, files, tmp_path):
    hub.fault(path=WEIGHTS, drip=0.01, times=None)
    running = client.start_zoo("pull", repo, "--to", tmp_path / "model")
    while not any("/files/" in request.path for request in hub.requests):
        if running.ended.wait(0.05):
            break
    running.kill()
    assert running.wait().returncode < 0
    hub.clear_faults()
    assert load(client, repo, "offline=True").says("OfflineError")
    done = client.zoo("pull", repo, "--to", tmp_path / "model")
    assert done.returncode == 0, done.err
    weights = (tmp_path / "model" / "model.safetensors").read_bytes()
    assert weights == files["model.safetensors"]


def test_a_wrong_token_is_named_and_not_shown(hub, client, repo):
    got = load(client, repo, env={"HF_TOKEN": "hf_somebody_elses"})
    assert got.says("HubError", "does not accept your token", "/settings/tokens")
    assert "hf_somebody" not in got.message + got.err


@pytest.mark.parametrize("token", ["", "two words", "hf_\nline", "hf_\u00fc", 5, b"hf_x"])
def test_an_invalid_token_is_refused_without_being_shown(client, repo, token):
    got = load(client, repo, f"token={token!r}")
    assert got.says("InputError", "The given token is not a Hub token")
    assert "two words" not in got.message


def test_a_private_repo_needs_its_token(hub, client, repo, alice, files):
    hub.create("acme/secret", private=True)
    hub.commit("acme/secret", files)
    got = load(client, "acme/secret")
    assert got.says("SourceError", "No model named 'acme/secret'", "hf auth login", "HF_TOKEN")
    hub.add_token("hf_bob", user="bob")
    got = load(client, "acme/secret", "token='hf_bob'")
    assert got.says("SourceError", "your token cannot read it")
    assert load(client, "acme/secret", env=alice).value is not None
    assert load(client, "acme/secret", f"token={TOKEN!r}").value is not None


def test_the_token_goes_to_the_hub_and_not_to_the_cdn(hub, client, repo, alice):
    load(client, repo, env=alice)
    to = {request.path.startswith("/files/"): dict(request.headers) for request in hub.requests}
    assert any(name.lower() == "authorization" for name in to[False])
    assert not any(name.lower() == "authorization" for name in to[True])


def test_a_gated_repo_says_where_to_ask(hub, client, files):
    hub.create("acme/gated", gated=True)
    hub.commit("acme/gated", files)
    got = load(client, "acme/gated")
    assert got.says("HubError", "'acme/gated' is gated", f"{hub.url}/acme/gated")


def test_a_disabled_repo_says_so(hub, client, files):
    hub.create("acme/gone", disabled=True)
    hub.commit("acme/gone", files)
    assert load(client, "acme/gone").says("HubError", "'acme/gone' was disabled")


def test_a_renamed_repo_loads_and_says_its_new_name(hub, client, repo):
    hub.rename(repo, "acme/new")
    got = load(client, repo)
    assert got.value is not None
    assert "acme/vae was renamed to acme/new" in got.err


def test_an_empty_repo_is_not_a_model(hub, client):
    hub.create("acme/empty")
    assert load(client, "acme/empty").says("SourceError", "is not a zoo model", "it is empty")


def test_a_deleted_repo_is_not_there_and_stays_in_the_cache(hub, client, repo):
    load(client, repo)
    hub.delete(repo)
    assert load(client, repo).says("SourceError", "No model named")
    assert load(client, repo, "offline=True").value is not None


def test_a_misspelled_repo_is_a_sentence(client, repo):
    assert load(client, "acme/vea").says("SourceError", "No model named 'acme/vea'", "Check")


def test_an_unknown_revision_is_a_sentence(client, repo):
    got = load(client, repo, "revision='v9'")
    assert got.says("SourceError", f"'{repo}' has no revision 'v9'")
    got = load(client, f"hf://{repo}@{'a' * 40}")
    assert got.says("SourceError", f"has no revision '{'a' * 40}'")


def test_a_tag_that_has_moved_is_followed_and_said(hub, client, repo):
    hub.tag(repo, "v1")
    first = load(client, repo, "revision='v1'")
    hub.commit(repo, {"notes.txt": b"more"})
    hub.tag(repo, "v1")
    second = load(client, repo, "revision='v1'")
    assert first.value != second.value
    assert f"'v1' of {repo} has moved" in second.err
