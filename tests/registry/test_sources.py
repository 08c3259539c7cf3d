"""Sources: what a user may write for a model, and what each mistake gets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import zoo
from zoo.errors import InputError, SourceError, UnknownNameError, ZooError
from zoo.registry import index, published, sources
from zoo.registry.sources import HubAddress


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Path:
    """A registry of two models: one that ships, one that is on the Hub only."""
    root = tmp_path / "registry"
    model = zoo.build("vae", input_shape=(1, 8, 8), latent_dim=2, body={"kind": "mlp"}, seed=0)
    zoo.save(model, root / "vae-mnist-20")
    config, weights = (
        hashlib.sha256((root / "vae-mnist-20" / name).read_bytes()).hexdigest()
        for name in ("config.json", "model.safetensors")
    )
    hashes = (
        f'bytes = 1\nparameters = 1\nlicense = "mit"\n'
        f'sha256 = {{"config.json" = "{config}", "model.safetensors" = "{weights}"}}\n'
    )
    (root / "index.toml").write_text(
        f'[vae-mnist-20]\nfamily = "vae"\n{hashes}\n'
        f'[ae-mnist-64]\nfamily = "ae"\n{hashes}hub = "acme/ae@{"a" * 40}"\n'
    )
    ours = index.Registry("autoencoder-zoo 0", root, tmp_path / "recipes")
    monkeypatch.setattr(index, "own_registry", lambda: ours)
    return root


def refused(source, error: type[ZooError], **options) -> str:
    with pytest.raises(error) as caught:
        sources.parse(source, **options)
    assert type(caught.value) is error
    return str(caught.value)


def test_a_bare_word_is_a_published_name_always(registry):
    Path("vae-mnist-20").mkdir()
    found = sources.parse("vae-mnist-20")
    assert found.folder == registry / "vae-mnist-20"
    assert found.origin == "vae-mnist-20"
    assert found.line is not None
    assert (found.line.license, found.line.parameters) == ("mit", 1)
    assert zoo.load("vae-mnist-20").info.origin == "vae-mnist-20"
    Path("mine").mkdir()
    message = refused("mine", UnknownNameError)
    assert "No model named 'mine'." in message
    assert "There is a folder of that name here: it is written ./mine." in message


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("vae-mnsit-20", "vae-mnist-20"),
        ("vae-mnist-2", "vae-mnist-20"),
        ("ae_mnist_64", "ae-mnist-64"),
        ("VAE-mnist-20", "vae-mnist-20"),
    ],
)
def test_a_misspelled_name_gets_the_nearest(registry, written, meant):
    message = refused(written, UnknownNameError)
    assert f"No model named {written!r}. Did you mean {meant!r}? `zoo list` shows all 2." in message
    with pytest.raises(LookupError):
        zoo.load(written)


def test_a_name_like_no_other_gets_no_guess(registry):
    assert "Did you mean" not in refused("zzz", UnknownNameError)


def test_a_published_model_that_does_not_ship_is_its_pinned_repo_on_the_hub(registry):
    found = sources.parse("ae-mnist-64")
    assert (found.repo, found.revision, found.is_pinned) == ("acme/ae", "a" * 40, True)
    assert found.line == index.read_index(index.own_registry())["ae-mnist-64"]


@pytest.mark.parametrize(
    ("hub", "why"),
    [
        ("", "'ae-mnist-64' is missing from its package. Reinstall autoencoder-zoo."),
        (
            "acme/ae",
            "does not ship with autoencoder-zoo, and no commit of 'acme/ae' is published on the Hub yet",
        ),
        ("acme/ae@main", "no commit of 'acme/ae@main' is published"),
    ],
)
def test_an_index_line_without_a_pinned_repo_is_not_a_source(registry, hub, why):
    text = (registry / "index.toml").read_text()
    (registry / "index.toml").write_text(text.replace(f"acme/ae@{'a' * 40}", hub))
    assert why in refused("ae-mnist-64", SourceError)


@pytest.mark.parametrize("source", ["./model", "../here/model", "{tmp}/model", Path("model")])
def test_a_path_or_a_string_that_starts_like_one_is_a_folder(tmp_path, monkeypatch, source):
    (tmp_path / "here" / "model").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if isinstance(source, str):
        source = source.replace("{tmp}", str(tmp_path))
    assert sources.parse(source).folder.is_dir()
    assert sources.parse(source).line is None


def test_a_home_folder_is_found_and_an_unknown_users_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert sources.parse("~/model").folder == tmp_path / "model"
    assert "Cannot expand '~' in" in refused("~nobody-of-that-name/x", SourceError)


def test_one_slash_is_the_hub_unless_such_a_folder_is_here():
    assert sources.parse("acme/vae") == HubAddress("acme/vae")
    Path("acme/vae").mkdir(parents=True)
    assert refused("acme/vae", SourceError) == (
        "'acme/vae' is ambiguous: use hf://acme/vae for the Hub, ./acme/vae for the folder."
    )
    assert sources.parse("hf://acme/vae") == HubAddress("acme/vae")


@pytest.mark.parametrize(
    ("source", "revision"),
    [
        ("hf://acme/vae", None),
        ("hf://models/acme/vae", None),
        ("hf://acme/vae@v1", "v1"),
        ("hf://acme/vae@refs/pr/3", "refs/pr/3"),
        ("https://huggingface.co/acme/vae", None),
        ("https://huggingface.co/acme/vae/tree/v1", "v1"),
        (f"hf://acme/vae@{'a' * 40}", "a" * 40),
    ],
)
def test_an_address_on_the_hub_is_a_repo_and_a_revision(source, revision):
    assert sources.parse(source) == HubAddress("acme/vae", revision)
    assert sources.parse(source, revision=revision) == HubAddress("acme/vae", revision)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("hf://datasets/acme/vae", "is a dataset on the Hub"),
        ("hf://acme/vae/config.json", "is the file 'config.json'"),
        ("https://huggingface.co/acme", "is not the address of a model"),
        ("https://example.org/acme/vae", "is not the address of a model"),
        ("https://huggingface.co/acme/vae/discussions/1", "is not the address of a model"),
        ("hf://", "is not the address of a model"),
        ("hf://acme", "is not the address of a model"),
        ("hf://acme/../etc", "is not the address of a model"),
    ],
)
def test_an_address_of_something_else_is_refused(source, said):
    assert said in refused(source, SourceError)


@pytest.mark.parametrize("source", ["acme/vae@v1", "acme/..", "-/vae", "acme/a b", "acme/\x1b[31m"])
def test_what_cannot_be_a_repo_is_refused(source):
    message = refused(source, SourceError)
    assert "is not a Hub repo" in message
    assert ("hf://org/name@revision" in message) == ("@" in source)


@pytest.mark.parametrize("revision", ["", " ", "../../x", "-x", "a b", "a\0", "x" * 300, 3, "@"])
def test_what_git_cannot_call_a_revision_is_refused(revision):
    assert "A revision is a branch, a tag or a commit" in refused(
        "acme/vae", SourceError, revision=revision
    )


def test_two_revisions_are_one_too_many():
    assert "Give only one." in refused("hf://acme/vae@v1", SourceError, revision="v2")


@pytest.mark.parametrize("source", ["models\\vae", "C:\\models\\vae", "ftp://host/vae"])
def test_a_string_that_is_nothing_says_how_a_folder_is_written(source):
    assert f"{source!r} is not a source. A folder is written ./{source};" in refused(
        source, SourceError
    )


@pytest.mark.parametrize("source", ["", "  ", None, 5, b"vae", ["vae"], object()])
def test_what_is_not_a_source_at_all_is_refused(source):
    assert "A source is a name, a folder or a Hub repo; got " in refused(source, InputError)


@pytest.mark.parametrize("source", ["./nowhere", "./a\0b", "./" + "a" * 300, "/proc/nowhere"])
@pytest.mark.parametrize("use", [zoo.load, zoo.info])
def test_a_folder_that_is_not_there_is_refused(use, source):
    with pytest.raises(SourceError, match=r"does not exist|Cannot open"):
        use(source)


def test_a_very_long_name_is_a_sentence():
    refused("a" * 5000, UnknownNameError)
    refused("a" * 3000 + "/" + "b" * 3000, SourceError)


def test_a_folder_and_a_published_name_have_no_revisions(registry):
    Path("model").mkdir()
    assert "is a folder and has no revisions" in refused("./model", SourceError, revision="main")
    message = refused("vae-mnist-20", SourceError, revision="main")
    assert "is a published model, whose weights never change: leave out the revision" in message


@pytest.mark.parametrize("source", ["runs/x/model", "runs/x/model/", "model/", "nowhere/at/all"])
def test_what_can_only_be_a_path_is_a_folder_in_every_verb(source):
    Path("runs/x/model").mkdir(parents=True)
    Path("model").mkdir()
    assert sources.parse(source).folder == Path(source)


def test_a_folder_of_a_published_models_name_is_not_taken_for_it(registry):
    Path("vae-mnist-20").mkdir()
    for source in ("./vae-mnist-20", "vae-mnist-20/", Path("vae-mnist-20")):
        found = sources.parse(source)
        assert (found.origin, found.line) == ("./vae-mnist-20", None)


def test_a_folder_where_a_published_name_is_wanted_is_told_so(registry):
    with pytest.raises(UnknownNameError, match=r"'\./m' is not the name of a published model"):
        published.line("./m")
