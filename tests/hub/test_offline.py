"""Without the Hub: what is cached loads and says which commit it is, what is not is a sentence."""

from __future__ import annotations

import pytest
from ending import attempt, load

WAYS = {
    "HF_HUB_OFFLINE": ("", {"env": {"HF_HUB_OFFLINE": "1"}}),
    "offline=True": ("offline=True", {}),
    "a dead Hub": ("", {}),
    "a Hub that answers 503": ("", {}),
}


@pytest.fixture(params=WAYS)
def cut_off(request, hub):
    """A way in which the Hub is not there: options of `load`, and how to run it."""
    way = request.param

    def cut() -> tuple[str, dict]:
        if way == "a dead Hub":
            hub.stop()
        elif way == "a Hub that answers 503":
            hub.fault(method=None, status=503, times=None)
        hub.forget()
        return WAYS[way]

    return cut


def test_what_is_cached_loads_and_says_which_commit_it_is(hub, client, repo, cut_off):
    first = load(client, repo)
    sha = hub.head(repo)
    options, how = cut_off()
    again = load(client, repo, options, **how)
    assert again.value == first.value
    [line] = [line for line in again.err.splitlines() if "from the cache" in line]
    assert f"using {repo} at commit {sha} from the cache, the last known commit of 'main'" in line
    assert again.seconds < 20


def test_what_is_pinned_loads_in_silence(hub, client, repo, cut_off):
    load(client, repo)
    sha = hub.head(repo)
    options, how = cut_off()
    again = load(client, f"hf://{repo}@{sha}", options, **how)
    assert again.value is not None
    assert again.err == ""


def test_what_is_not_cached_says_what_where_and_how_to_get_it(client, repo, hub, cut_off):
    options, how = cut_off()
    got = load(client, repo, options, **how)
    if got.says("ZooError") and "503" in got.message:
        return  # the Hub is there, and it says no more than that
    assert got.says(
        "OfflineError", f"'{repo}' is not in the cache", f"`zoo pull {repo}` fetches it"
    )
    assert f"models--{repo.replace('/', '--')}" in got.message


def test_another_revision_than_the_cached_one_is_not_cached(client, repo):
    load(client, repo)
    got = load(client, repo, "revision='v1', offline=True")
    assert got.says("OfflineError", "of 'v1'", "--revision v1")


def test_nothing_is_asked_of_the_hub_offline(hub, client, repo):
    load(client, repo)
    hub.forget()
    assert load(client, repo, "offline=True").value is not None
    assert hub.requests == []


def test_a_half_cached_model_is_not_pulled_offline(client, repo, tmp_path):
    load(client, repo)
    got = attempt(client, f"zoo.pull('{repo}', to='{tmp_path / 'x'}', offline=True)")
    assert got.says("OfflineError", "is not fully cached", "`zoo pull hf://acme/vae@")
    assert not (tmp_path / "x").exists()


def test_a_whole_cached_model_is_pulled_offline(client, repo, files, tmp_path):
    attempt(client, f"zoo.pull('{repo}')")
    attempt(client, f"zoo.pull('{repo}', to='{tmp_path / 'x'}', offline=True)")
    assert (tmp_path / "x" / "metrics.json").read_bytes() == files["metrics.json"]


def test_what_another_program_fetched_loads_offline(hub, client, repo):
    done = client.run(f"huggingface_hub.snapshot_download('{repo}')")
    assert done.returncode == 0, done.err
    hub.stop()
    assert load(client, repo, "offline=True").value is not None


def test_info_of_what_is_cached_needs_no_hub(client, repo):
    attempt(client, f"zoo.info('{repo}')")
    got = attempt(client, f"zoo.info('{repo}', offline=True).metrics is None")
    assert got.value == "False"


def test_a_push_says_that_it_needs_the_network(client, folder, alice):
    env = {**alice, "HF_HUB_OFFLINE": "1"}
    got = attempt(client, f"zoo.push('{folder}', 'acme/vae')", env=env)
    assert got.says("OfflineError", "HF_HUB_OFFLINE is set")


def test_a_half_cached_model_is_saved_offline_and_says_what_it_lacks(client, repo, tmp_path):
    code = f"[m := zoo.load('{repo}', offline=True), zoo.save(m, '{tmp_path / 'x'}')]"
    load(client, repo)
    got = attempt(client, code, env={"HF_HUB_OFFLINE": "1"})
    assert got.value is not None
    assert "its README.md is not cached, and files that are not cached are left out" in got.err
    assert load(client, str(tmp_path / "x")).value is not None


def test_a_folder_that_is_called_like_a_published_model_keeps_its_own_numbers(
    client, checkout, tmp_path
):
    code = (
        "[__import__('shutil').copytree(source, 'vae-mnist-20'), "
        "m := zoo.load(__import__('pathlib').Path('vae-mnist-20')), zoo.save(m, 'y')]"
    )
    source = str(checkout / "registry" / "vae-digits-8")
    attempt(client, code.replace("source", repr(source)), cwd=tmp_path)
    metrics = (checkout / "registry" / "vae-digits-8" / "metrics.json").read_bytes()
    assert (tmp_path / "y" / "metrics.json").read_bytes() == metrics
