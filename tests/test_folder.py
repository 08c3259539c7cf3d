"""A model's folder: a config.json, recipe or card that is damaged, hostile or somebody else's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import zoo
from zoo import folder as model_folder
from zoo.errors import (
    PluginError,
    SourceError,
    SpecError,
    UnknownNameError,
    UnsafeFormatError,
    WeightsError,
    ZooError,
)
from zoo.version import __version__

METRICS = {
    "measured": [
        {"dataset": "digits", "split": "test", "protocol": "grey", "n_images": 3, "seed": 0}
    ]
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("folder") / "model"
    model = zoo.build(
        "vae", image_shape=(1, 8, 8), latent_dim=3, body={"kind": "mlp", "hidden": [5]}, seed=0
    )
    zoo.save(model, path)
    return path


@pytest.fixture
def here(saved, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture(autouse=True)
def _no_hang():
    """A guard, not a measurement: what would never end fails instead."""

    def give_up(number, frame):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def config_of(here: Path) -> dict:
    return json.loads((here / "config.json").read_text())


def with_config(here: Path, **changes) -> None:
    (here / "config.json").write_text(json.dumps({**config_of(here), **changes}))


def with_spec(here: Path, **changes) -> None:
    with_config(here, spec={**config_of(here)["spec"], **changes})


def refused(here: Path, error: type[ZooError]) -> str:
    """The message, which is the same whether the weights are read or not."""
    messages = set()
    for use in (zoo.load, zoo.info):
        with pytest.raises(error) as caught:
            use(here)
        assert type(caught.value) is error
        messages.add(str(caught.value))
    (message,) = messages
    return message


def put(kind: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    else:
        path.symlink_to({"zero": "/dev/zero", "random": "/dev/random", "nothing": "/nowhere"}[kind])


# What is there at all


def test_a_folder_that_is_not_there_is_refused():
    with pytest.raises(SourceError, match=r"There is no folder 'nowhere'\."):
        zoo.load("./nowhere")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    message = refused(tmp_path / "empty", SourceError)
    assert message.endswith("has no config.json: it is empty. A model's folder has one.")


def test_a_folder_of_other_things_says_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert "has no config.json: it holds 'notes.txt'." in refused(tmp_path, SourceError)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "pytorch_model.bin", "a.pkl", "a.ckpt"])
def test_a_folder_of_pickles_is_refused_and_says_why(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x02.")
    message = refused(tmp_path, UnsafeFormatError)
    assert repr(name) in message
    assert "Pickle files can run code, so zoo never opens them" in message
    assert "Ask the author for safetensors" in message


def test_pickles_in_the_place_of_the_weights_are_refused(here):
    (here / "model.safetensors").rename(here / "model.pt")
    with pytest.raises(UnsafeFormatError, match=r"has 'model.pt' and no model.safetensors"):
        zoo.load(here)


def test_a_pickle_as_the_source_is_refused(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"\x80\x02.")
    assert "Pickle files can run code" in refused(tmp_path / "model.pt", UnsafeFormatError)


def test_a_file_as_the_source_says_to_name_its_folder(here):
    message = refused(here / "model.safetensors", SourceError)
    assert "is not a folder. Name the folder that holds config.json" in message


def test_missing_weights_are_refused(here):
    (here / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"has no model.safetensors: it holds 'README.md'"):
        zoo.load(here)
    assert zoo.info(here).parameters == 765


def test_names_of_files_are_escaped(tmp_path):
    (tmp_path / "a\x1b[2J\nb").touch()
    assert refused(tmp_path, SourceError).isprintable()


@pytest.mark.parametrize("kind", ["fifo", "zero", "random", "folder", "loop", "nothing"])
@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "README.md", "metrics.json", "recipe.toml"]
)
def test_what_is_no_file_in_a_files_place_is_refused_unread(here, name, kind):
    put(kind, here / name)
    with pytest.raises(WeightsError) as caught:
        zoo.load(here)
    assert name in str(caught.value)
    assert "not a regular file; it was not read" in str(caught.value) or (
        kind in ("loop", "nothing") and "Cannot open" in str(caught.value)
    )


# config.json


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON: 'utf-8' codec can't decode"),
        (b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
        (b"[1, 2]", "holds a list, not an object"),
        (b"3", "holds 3, not an object"),
        (b'{"format": "autoencoder-zoo/1", "format": "x"}', "a key stands twice"),
        (b"[" * 63_000, "nested more than 16 deep; it was not parsed"),
        (b'{"a":' * 12_000, "nested more than 16 deep; it was not parsed"),
        (b'"' + b'\\"' * 31_000, "is not JSON: Unterminated string"),
        (b'{"format": ' + b"9" * 6000 + b"}", "is not JSON"),
        (b" " * 100_000_000, "has 100,000,000 bytes; at most 64,000 are right. It was not read"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_config_that_is_no_plain_json_object_is_refused(here, data, why):
    (here / "config.json").write_bytes(data)
    assert why in refused(here, WeightsError)


def test_a_config_cut_anywhere_is_refused(here):
    text = (here / "config.json").read_bytes().rstrip()
    for length in range(0, len(text), 7):
        (here / "config.json").write_bytes(text[:length])
        assert "is not JSON" in refused(here, WeightsError)


@pytest.mark.parametrize(
    ("config", "whose"),
    [
        ({"model_type": "bert", "architectures": ["Bert"]}, "it looks like transformers'"),
        ({"transformers_version": "4.1"}, "it looks like transformers'"),
        ({"_diffusers_version": "0.3", "_class_name": "VQModel"}, "it looks like diffusers'"),
        ({"architecture": "resnet18", "num_classes": 10}, "it looks like timm's"),
        ({"hello": 1}, "it has no 'format'"),
        ({}, "it has no 'format'"),
    ],
)
def test_somebody_elses_config_is_called_theirs(here, config, whose):
    (here / "config.json").write_text(json.dumps(config))
    assert f"is not a zoo model ({whose})." in refused(here, SourceError)


@pytest.mark.parametrize("format", ["other/1", "autoencoder-zoo", "autoencoder-zoo/x", 1, None, []])
def test_another_format_is_not_the_zoos(here, format):
    with_config(here, format=format)
    message = refused(here, WeightsError)
    assert f"has the format {str(format)!r}, which is not the zoo's" in message


def test_a_newer_format_says_who_wrote_it_and_what_to_do(here):
    with_config(
        here,
        format="autoencoder-zoo/2",
        provider={"distribution": "autoencoder-zoo", "version": "9.4"},
        something_new={"a": 1},
    )
    message = refused(here, WeightsError)
    assert (
        f"has format 2, written by autoencoder-zoo 9.4; this is autoencoder-zoo {__version__}"
        in (message)
    )
    assert message.endswith("pip install -U autoencoder-zoo")


@pytest.mark.parametrize(
    "provider", [None, "x", {"distribution": "acme", "version": "9.4"}, {"version": "9\n"}]
)
def test_a_newer_format_of_an_unknown_writer_names_none(here, provider):
    with_config(here, format="autoencoder-zoo/2", provider=provider)
    message = refused(here, WeightsError)
    assert "has format 2; this is autoencoder-zoo" in message
    assert message.isprintable()


def test_every_wrong_field_of_the_config_is_told_at_once(here):
    (here / "config.json").write_text(
        json.dumps(
            {
                "format": "autoencoder-zoo/1",
                "family": 3,
                "spec": [],
                "weights_sha256": "A" * 64,
                "provider": "me",
                "provder": 1,
            }
        )
    )
    message = refused(here, WeightsError)
    assert "config.json has 5 problems" in message
    for where in ("family: ", "spec: ", "weights_sha256: ", "provider: ", "provder: there is no"):
        assert f"\n  {where}" in message
    assert "Did you mean 'provider'?" in message


@pytest.mark.parametrize("missing", ["family", "spec", "weights_sha256", "provider"])
def test_a_missing_field_of_the_config_is_named(here, missing):
    config = config_of(here)
    del config[missing]
    (here / "config.json").write_text(json.dumps(config))
    assert f"\n  {missing}: missing" in refused(here, WeightsError)


@pytest.mark.parametrize("bad", ["\\ud800", "\\u0000", "\\u001b[2J"])
def test_a_config_with_control_characters_gives_a_printable_message(here, bad):
    text = (here / "config.json").read_text()
    (here / "config.json").write_text(text.replace('"joint"', f'"{bad}"'))
    with pytest.raises(ZooError) as caught:
        zoo.load(here)
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("latent_dim", 10**9, "latent_dim: input should be less than or equal to 65536"),
        ("latent_dim", 1e9, "latent_dim: input should be a valid integer"),
        ("latent_dim", "3", "latent_dim: input should be a valid integer, not '3'"),
        ("latent_dim", -3, "latent_dim: input should be greater than or equal to 1"),
        ("latent_dim", True, "latent_dim: input should be a valid integer, not true"),
        ("latent_dim", 10**400, "latent_dim: input should be less than or equal to 65536"),
        ("body", {"kind": "mlp", "hidden": [10**9]}, "body.hidden.0: "),
        ("body", {"kind": "mlp", "hidden": [1] * 20_000}, "body.hidden: tuple should have at most"),
        ("body", {"kind": "mlp", "hidden": [65_536] * 3}, "at most 1,000,000,000"),
        ("body", {"kind": "lstm"}, "not 'lstm'"),
        ("body", 5, "body: input should be an object, not 5"),
        ("image_shape", [1, 8], "image_shape.2: missing"),
        ("image_shape", [1, 4096, 4096], "at most 1,000,000,000"),
        ("likelihood", None, "likelihood: input should be an object, not null"),
        ("haeds", "joint", "haeds: there is no such field. Did you mean 'heads'?"),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) else "number",
)
def test_a_hostile_spec_is_refused_by_field(here, field, value, why):
    if field == "image_shape" and len(value) == 3:
        with_spec(here, body={"kind": "mlp", "hidden": [100]})
    with_spec(here, **{field: value})
    message = refused(here, SpecError)
    assert "config.json has a problem" in message
    assert why in message


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused_anywhere(here, number):
    text = (here / "config.json").read_text()
    assert '"log_variance_bound": 10.0' in text
    (here / "config.json").write_text(text.replace("10.0", number))
    assert f"is not JSON: {number} is not a finite number" in refused(here, WeightsError)


def test_all_wrong_fields_of_a_spec_are_told_at_once_and_counted(here):
    with_spec(here, latent_dim="3", heads="jiont", body={"kind": "mlpp"}, **{"x\x1b\n": 1})
    message = refused(here, SpecError)
    assert "has 4 problems" in message
    assert "Did you mean 'joint'?" in message
    assert "Did you mean 'mlp'?" in message
    assert r"\n  x\x1b\n: there is no such field" in message.replace("\n", r"\n")


def test_thousands_of_unknown_fields_give_a_message_of_bounded_size(here):
    with_spec(here, **{f"k{i}": 1 for i in range(4000)})
    message = refused(here, SpecError)
    assert "has 4,000 problems" in message
    assert len(message) < 20_000


# Families and their providers


def test_a_misspelt_family_gets_the_nearest(here):
    with_config(here, family="vea")
    assert "No family named 'vea'. Did you mean 'vae'?" in refused(here, UnknownNameError)


def test_a_family_of_an_unknown_package_names_it_and_gives_no_command(here):
    with_config(here, family="vq", provider={"distribution": "acme-vq", "version": "1.0"})
    message = refused(here, PluginError)
    assert "family 'vq' comes from a package called 'acme-vq'" in message
    assert "look at it before you install it" in message
    assert "pip" not in message


@pytest.mark.parametrize(
    "name",
    [
        "acme vq",
        "acme; rm -rf /",
        "-e git+https://evil",
        "../x",
        "acme\nvq",
        "",
        "a\x1b[2J",
        "http://x",
    ],
)
def test_a_provider_that_is_no_package_name_is_not_repeated(here, name):
    with_config(here, family="vq", provider={"distribution": name, "version": "1.0"})
    message = refused(here, UnknownNameError)
    assert "No family named 'vq'" in message
    assert not name or name not in message


@pytest.mark.parametrize("version", ["1.0; rm -rf /", "1\n2", "", "\x1b", "x" * 101])
def test_a_version_that_is_none_is_refused(here, version):
    with_config(here, provider={"distribution": "autoencoder-zoo", "version": version})
    assert "provider.version: " in refused(here, WeightsError)


def test_a_family_of_a_newer_zoo_says_to_upgrade(here):
    with_config(here, family="vq", provider={"distribution": "autoencoder-zoo", "version": "9.4"})
    message = refused(here, UnknownNameError)
    assert f"written by autoencoder-zoo 9.4; this is {__version__}" in message
    assert message.endswith("pip install -U autoencoder-zoo")


def test_a_field_of_a_newer_provider_says_to_upgrade(here):
    with_config(here, provider={"distribution": "autoencoder-zoo", "version": "9.4"})
    with_spec(here, codebook=512)
    message = refused(here, SpecError)
    assert "codebook: there is no such field" in message
    assert f"written by autoencoder-zoo 9.4; this is {__version__}" in message
    assert message.endswith("pip install -U autoencoder-zoo")


@pytest.mark.parametrize("version", ["0.0.1", __version__])
def test_a_wrong_field_of_no_newer_provider_does_not_say_to_upgrade(here, version):
    with_config(here, provider={"distribution": "autoencoder-zoo", "version": version})
    with_spec(here, codebook=512)
    assert "pip" not in refused(here, SpecError)


# The other files


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = [[[", "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("x = " + "9" * 5000, "is not TOML"),
        ("data = 5", "is not a recipe: 'data' is not a section"),
        ("training = 'x'", "is not a recipe: 'training' is not a section"),
    ],
    ids=lambda value: value[:20],
)
def test_a_damaged_recipe_in_the_folder_is_refused(here, text, why):
    (here / "recipe.toml").write_text(text)
    message = refused(here, WeightsError)
    assert "recipe.toml" in message
    assert why in message


@pytest.mark.parametrize("text", ["", "[data]\n", "[data]\ndataset = 5\n"])
def test_a_recipe_that_names_no_dataset_names_none(here, text):
    (here / "recipe.toml").write_text(text)
    assert zoo.info(here).data is None


@pytest.mark.parametrize(
    ("metrics", "where"),
    [
        ({"measured": 5}, "measured: "),
        ({"measured": [5]}, "measured.0: "),
        ({"measured": [{}]}, "measured.0.dataset: missing"),
        ({"measured": [{**METRICS["measured"][0], "mse": "low"}]}, "measured.0.mse: "),
        ({"measured": [{**METRICS["measured"][0], "mse": [1]}]}, "measured.0.mse: "),
        ({"measured": [{**METRICS["measured"][0], "nll": 1.0}]}, "measured.0: an nll needs"),
        ({"measured": [{**METRICS["measured"][0], "n_images": "3"}]}, "measured.0.n_images: "),
        ({"subset": {}}, "subset: "),
        ({"beside": 3}, "beside: "),
        ({"beside": {"a": 3}}, "beside.a: "),
        ({"training": 5}, "training: "),
        ({"training": {"changed": 5}}, "training.changed: "),
        ({"with": 7}, "with: "),
    ],
    ids=str,
)
def test_metrics_of_another_shape_are_refused_by_field(here, metrics, where):
    (here / "metrics.json").write_text(json.dumps(metrics))
    message = refused(here, WeightsError)
    assert "metrics.json has " in message
    assert f"\n  {where}" in message


@pytest.mark.parametrize(
    "text", ["[]", "5", "{", '{"a": NaN}', '{"a": 1e999}', '"' + '\\"' * 400_000, "[" * 900_000]
)
def test_metrics_that_are_no_plain_json_are_refused(here, text):
    (here / "metrics.json").write_text(text)
    assert "metrics.json" in refused(here, WeightsError)


def test_metrics_with_more_in_them_are_kept_as_they_stand(here):
    metrics = {**METRICS, "new": {"a": [1]}, "with": {"torch": "3"}}
    metrics["measured"][0]["fid"] = 3.5
    (here / "metrics.json").write_text(json.dumps(metrics))
    assert zoo.info(here).metrics == metrics


@pytest.mark.parametrize("name", ["README.md", "metrics.json", "recipe.toml"])
def test_a_text_file_that_is_too_large_or_no_text_is_refused(here, name):
    (here / name).write_bytes(b"\xff\xfe")
    assert f"{name}' is not text" in refused(here, WeightsError)
    (here / name).write_bytes(b" " * 1_000_001)
    assert "1,000,001 bytes; at most 1,000,000 are right" in refused(here, WeightsError)


def test_the_licence_is_read_from_the_card(here):
    card = "---\ntags:\n- a\nlicense: apache-2.0\n---\n# x\n"
    (here / "README.md").write_text(card)
    assert zoo.info(here).licence == "apache-2.0"
    (here / "README.md").write_text("# no front matter\nlicense: mine\n")
    assert zoo.info(here).licence is None


def test_foreign_files_are_neither_read_nor_changed(here):
    (here / "evil.pt").write_bytes(b"\x80\x02.")
    os.mkfifo(here / "pipe")
    model = zoo.load(here)
    zoo.save(model, here)
    assert (here / "evil.pt").read_bytes() == b"\x80\x02."
    assert (here / "pipe").is_fifo()


# Memory


def test_nothing_is_allocated_before_it_has_been_checked(saved, tmp_path):
    """Hostile folders under a limit that leaves 600 MB: each is refused by a ZooError."""
    folders = []
    for name, change in {
        "units": {"latent_dim": 10**9},
        "wide": {"body": {"kind": "mlp", "hidden": [65_536] * 32}},
        "almost 1e9 parameters": {"body": {"kind": "mlp", "hidden": [22_000, 22_000]}},
        "one layer of 3.9 GB": {"body": {"kind": "mlp", "hidden": [65_000, 7_500]}},
    }.items():
        folders.append(Path(shutil.copytree(saved, tmp_path / name)))
        with_spec(folders[-1], **change)
    folders.append(Path(shutil.copytree(saved, tmp_path / "large weights")))
    os.truncate(folders[-1] / "model.safetensors", 50 * 2**30)
    folders.append(Path(shutil.copytree(saved, tmp_path / "large header")))
    (folders[-1] / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    program = """
        import resource, sys, torch, zoo, zoo.store
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 600 * 2**20,) * 2)
        for path in sys.argv[1:]:
            try:
                zoo.load(path)
            except zoo.ZooError as refused:
                print(type(refused).__name__, refused)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, folders)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kinds = [line.split()[0] for line in done.stdout.splitlines() if line[0] != " "]
    assert kinds == [
        "SpecError",
        "SpecError",
        "MismatchError",
        "MismatchError",
        "WeightsError",
        "IntegrityError",
    ]


def test_the_names_in_a_folder_are_the_promised_ones():
    assert (model_folder.CONFIG, model_folder.WEIGHTS) == ("config.json", "model.safetensors")
    assert model_folder.FORMAT == "autoencoder-zoo/1"
