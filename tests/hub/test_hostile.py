"""Repos that are not what they should be: nothing of them is run, installed or written elsewhere."""

from __future__ import annotations

import json

import pytest
from ending import attempt, load
from markdown_it import MarkdownIt

REPO = "acme/evil"


@pytest.fixture
def evil(hub, client, files):
    """`evil(config={...}, other=b"...")`: a repo with changed or further files, and what it gets."""

    def make(files_too: dict[str, bytes | None] | None = None, **config):
        hub.create(REPO)
        changed = json.dumps(dict(json.loads(files["config.json"]), **config)).encode()
        there = {**files, "config.json": changed, **(files_too or {})}
        hub.commit(REPO, {name: data for name, data in there.items() if data is not None})
        hub.forget()
        got = load(client, REPO)
        assert not any("/files/" in request.path for request in hub.requests) or got.value
        return got

    return make


def test_only_pickles_are_never_opened(evil):
    got = evil({"config.json": None, "model.safetensors": None, "pytorch_model.bin": b"\x80\x04."})
    assert got.says("UnsafeFormatError", "'pytorch_model.bin'", "Pickle files can run code")
    assert "safetensors" in got.message


def test_a_pickle_beside_a_config_is_not_a_model(evil):
    got = evil({"model.safetensors": None, "model.pt": b"PK\x03\x04"})
    assert got.says("UnsafeFormatError", "'model.pt' but no model.safetensors")


def test_somebody_elses_config_is_named(evil):
    got = evil({"config.json": b'{"model_type": "bert", "transformers_version": "5.0"}'})
    assert got.says("SourceError", "is not a zoo model (it looks like transformers')")


def test_a_newer_format_says_which_version_reads_it(evil):
    provider = {"distribution": "autoencoder-zoo", "version": "0.4.0"}
    got = evil(format="autoencoder-zoo/2", provider=provider)
    assert got.says("WeightsError", "0.4.0", "pip install -U autoencoder-zoo")


def test_a_family_from_a_package_names_it_and_gives_no_command(evil):
    got = evil(family="vq", provider={"distribution": "acme-vq", "version": "0.3"})
    assert got.says("PluginError", "'vq' comes from the package 'acme-vq'", "review it")
    assert "pip install" not in got.message


@pytest.mark.parametrize(
    "distribution",
    ["--index-url=http://evil", "evil; rm -rf ~", "\x1b[2Jevil", "evil @ http://x", "../evil", ""],
)
def test_an_invalid_package_name_is_not_repeated(evil, distribution):
    got = evil(family="vq", provider={"distribution": distribution, "version": "1"})
    assert got.says("ZooError")
    assert "comes from the package" not in got.message
    assert "\x1b" not in got.message


def test_escape_codes_do_not_reach_the_terminal(hub, client, evil):
    evil(family="\x1b]0;owned\x07", provider={"distribution": "a", "version": "1"})
    done = client.zoo("show", REPO)
    assert done.returncode == 1
    assert "\x1b" not in done.out + done.err


def test_an_enormous_spec_is_refused_before_its_weights(evil):
    spec = {"input_shape": [1, 8, 8], "latent_dim": 8, "body": {"kind": "mlp", "hidden": [10**9]}}
    assert evil(spec=spec).says("SpecError")


def test_a_spec_of_another_size_is_refused_before_its_weights(evil):
    spec = {"input_shape": [1, 8, 8], "latent_dim": 8, "body": {"kind": "mlp", "hidden": [9]}}
    assert evil(spec=spec).says("MismatchError", "is listed with", "It was not fetched")


@pytest.mark.parametrize("family", ["../vae", "os", "zoo.models", "__import__('os')", "vae/../ae"])
def test_a_family_with_an_invalid_name_is_not_looked_for_elsewhere(evil, family):
    assert evil(family=family).says("UnknownNameError", "family")


def test_a_huge_config_is_not_fetched(hub, client, evil):
    got = evil({"config.json": bytes(2 * 10**9)})
    assert got.says("WeightsError", "2,000,000,000 bytes", "It was not fetched")
    assert not any("resolve" in request.path for request in hub.requests)


@pytest.mark.parametrize("name", ["README.md", "metrics.json", "figures/samples.png"])
def test_a_huge_text_or_picture_is_not_fetched(hub, client, evil, name):
    assert evil({name: bytes(20 * 10**6)}).value is not None  # a load needs none of them
    got = attempt(client, f"zoo.pull('{REPO}')")
    assert got.says("WeightsError", "20,000,000 bytes", "It was not fetched")


def test_paths_that_lead_out_are_not_files_of_a_model(hub, client, evil, tmp_path):
    names = (
        "figures/../../evil.png",
        "../evil.txt",
        "/etc/evil",
        "figures/a/b.png",
        "figures/.png",
    )
    assert evil(dict.fromkeys(names, b"x")).value is not None
    got = attempt(client, f"zoo.pull('{REPO}', to='{tmp_path / 'in' / 'model'}')")
    assert got.value is not None
    written = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert not any("evil" in name for name in written)
    assert not list((client.home).rglob("*evil*.png"))
    assert not any("evil." in request.path for request in hub.requests)


@pytest.mark.usefixtures("measuring")
def test_a_recipe_of_its_authors_files_is_not_read_here(hub, client, evil, files, tmp_path):
    recipe = files["recipe.toml"].replace(b'"digits"', b'"./faces"')
    assert evil({"recipe.toml": recipe}).value is not None
    got = attempt(client, f"zoo.evaluate('{REPO}')")
    assert got.says("DataError", "'./faces', which is a local file of its author or a dataset")


@pytest.mark.usefixtures("measuring")
def test_numbers_on_its_authors_files_are_not_measured(client, evil, files):
    metrics = files["metrics.json"].replace(b'"dataset": "digits"', b'"dataset": "/etc/passwd"')
    assert evil({"metrics.json": metrics}).value is not None
    got = attempt(client, f"[c.result for c in zoo.verify('{REPO}').checks][2]")
    assert got.value == "not measured"


def test_a_card_made_of_untrusted_text_has_nothing_active(client, evil, files):
    record = json.loads(files["metrics.json"])
    record["training"] = {
        "recipe": 'x"); import os #`](http://evil.example)\n```\n<script>',
        "overrides": {
            "a": "<img src=x> [click](http://evil.example) ![i](x) \x1b[31m www.evil.example\n# y"
        },
    }
    evil({"metrics.json": json.dumps(record).encode()})
    card = client.zoo("card", REPO).out
    body = card.partition("-->")[2]
    html = MarkdownIt("commonmark").render(body)
    for acting in ("<script", '"x"', 'href="http://evil', "\x1b", "\n# y", "<h1>y"):
        assert acting not in html, html


@pytest.mark.usefixtures("measuring")
def test_the_card_of_another_repo_is_not_called_this_ones(client, evil, files):
    card = files["README.md"].replace(b'zoo.load("vae-digits-8")', b'zoo.load("other/vae")')
    assert evil({"README.md": card}).value is not None
    got = attempt(client, f"[c.result for c in zoo.verify('{REPO}').checks][-1]")
    assert got.value == "not measured"


@pytest.mark.usefixtures("measuring")
def test_a_repo_that_cannot_be_found_does_not_keep_the_others_from_being_checked(hub, client, repo):
    done = client.zoo("verify", "acme/nope", repo, "--json", timeout=120)
    assert done.returncode == 1
    assert [one["passed"] for one in json.loads(done.out)] == [False, True]


def test_a_listing_of_another_repo_or_commit_is_refused(hub, client, files):
    hub.create("acme/vae")
    hub.commit("acme/vae", files)
    first = hub.head("acme/vae")
    hub.commit("acme/vae", {"x": b"1"})
    hub.fault(method="HEAD", path="config.json", call=lambda: None)
    got = load(client, f"hf://acme/vae@{first}")
    assert got.value is not None
    assert f"@{first} " in got.value
