"""config.json, the Spec in it, and the families and packages that it names."""

from __future__ import annotations

import json

import pytest
from spoilt import config_of, refused, with_config, with_spec

import zoo
from zoo.errors import (
    PluginError,
    SourceError,
    SpecError,
    UnknownNameError,
    WeightsError,
    ZooError,
)
from zoo.version import __version__

pytestmark = pytest.mark.usefixtures("no_hang")


# config.json


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON: 'utf-8' codec can't decode"),
        (b"\xef\xbb\xbf{}", "is not JSON: Unexpected UTF-8 BOM"),
        (b"[1, 2]", "holds a list, not an object"),
        (b"3", "holds 3, not an object"),
        (b'{"format": "autoencoder-zoo/1", "format": "x"}', "duplicate key"),
        (b"[" * 63_000, "is not JSON: maximum recursion depth"),
        (b'{"a":' * 12_000, "is not JSON: maximum recursion depth"),
        (b'"' + b'\\"' * 31_000, "is not JSON: Unterminated string"),
        (b'{"format": ' + b"9" * 6000 + b"}", "is not JSON"),
        (b" " * 100_000_000, "is 100,000,000 bytes; the limit is 64,000. It was not read"),
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
        ({"_diffusers_version": "0.3"}, "it looks like diffusers'"),
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
    assert f"has format {str(format)!r}, which the zoo does not read" in message


def test_a_newer_format_says_who_wrote_it_and_what_to_do(here):
    with_config(
        here,
        format="autoencoder-zoo/2",
        provider={"distribution": "autoencoder-zoo", "version": "9.4"},
        something_new={"a": 1},
    )
    message = refused(here, WeightsError)
    assert (
        f"has format 2, written by autoencoder-zoo 9.4; the installed autoencoder-zoo {__version__}"
        in (message)
    )
    assert message.endswith("pip install -U autoencoder-zoo")


@pytest.mark.parametrize(
    "provider", [None, "x", {"distribution": "acme", "version": "9.4"}, {"version": "9\n"}]
)
def test_a_newer_format_of_an_unknown_writer_names_none(here, provider):
    with_config(here, format="autoencoder-zoo/2", provider=provider)
    message = refused(here, WeightsError)
    assert "has format 2; the installed autoencoder-zoo" in message
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
    for where in ("family: ", "spec: ", "weights_sha256: ", "provider: ", "provder: unknown field"):
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
        ("body", {"kind": "lstm"}, "not 'lstm'"),
        ("body", 5, "body: input should be an object, not 5"),
        ("input_shape", [1, 8, 8, 8], "input_shape: 1, 2 or 3 sides"),
        ("input_shape", [1, 8], "'bernoulli' does not support series"),
        ("likelihood", None, "likelihood: input should be an object, not null"),
        ("haeds", "joint", "haeds: unknown field. Did you mean 'heads'?"),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) else "number",
)
def test_a_hostile_spec_is_refused_by_field(here, field, value, why):
    with_spec(here, **{field: value})
    message = refused(here, SpecError)
    assert "config.json has a problem" in message
    assert why in message


@pytest.mark.parametrize(
    "fields",
    [
        {"body": {"kind": "mlp", "hidden": [65_536] * 3}},
        {"body": {"kind": "mlp", "hidden": [100]}, "input_shape": [1, 4096, 4096]},
    ],
    ids=["body", "input_shape"],
)
def test_a_model_of_too_many_parameters_is_refused_before_it_is_built(here, fields):
    with_spec(here, **fields)
    with pytest.raises(SpecError, match="the zoo builds at most 1,000,000,000"):
        zoo.load(here)


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
    assert r"\n  x\x1b\n: unknown field" in message.replace("\n", r"\n")


def test_thousands_of_unknown_fields_give_a_message_of_bounded_size(here):
    with_spec(here, **{f"k{i}": 1 for i in range(4000)})
    message = refused(here, SpecError)
    assert "has 4,000 problems" in message
    assert len(message) < 20_000


# Families and their providers


def test_a_misspelled_family_gets_the_nearest(here):
    with_config(here, family="vea")
    assert "No family named 'vea'. Did you mean 'vae'?" in refused(here, UnknownNameError)


def test_a_family_of_an_unknown_package_names_it_and_gives_no_command(here):
    with_config(here, family="vq", provider={"distribution": "acme-vq", "version": "1.0"})
    message = refused(here, PluginError)
    assert "family 'vq' comes from the package 'acme-vq', which is not installed" in message
    assert "review it before you install it" in message
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
def test_a_provider_that_is_no_package_name_is_refused(here, name):
    with_config(here, family="vq", provider={"distribution": name, "version": "1.0"})
    assert "provider.distribution: string should match pattern" in refused(here, WeightsError)


@pytest.mark.parametrize("version", ["1.0; rm -rf /", "1\n2", "", "\x1b", "x" * 101])
def test_a_version_that_is_none_is_refused(here, version):
    with_config(here, provider={"distribution": "autoencoder-zoo", "version": version})
    assert "provider.version: " in refused(here, WeightsError)


def test_a_family_of_a_newer_zoo_says_to_upgrade(here):
    with_config(here, family="vq", provider={"distribution": "autoencoder-zoo", "version": "9.4"})
    message = refused(here, UnknownNameError)
    assert f"written by autoencoder-zoo 9.4; the installed {__version__}" in message
    assert message.endswith("pip install -U autoencoder-zoo")


def test_a_field_of_a_newer_provider_says_to_upgrade(here):
    with_config(here, provider={"distribution": "autoencoder-zoo", "version": "9.4"})
    with_spec(here, codebook=512)
    message = refused(here, SpecError)
    assert "codebook: unknown field" in message
    assert f"written by autoencoder-zoo 9.4; the installed {__version__}" in message
    assert message.endswith("pip install -U autoencoder-zoo")


@pytest.mark.parametrize("version", ["0.0.1", __version__])
def test_a_wrong_field_of_no_newer_provider_does_not_say_to_upgrade(here, version):
    with_config(here, provider={"distribution": "autoencoder-zoo", "version": version})
    with_spec(here, codebook=512)
    assert "pip" not in refused(here, SpecError)
