"""Weights that are not what they should be: refused, and nothing of them loaded."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
from folders import WEIGHTS, contents, put_weights, refused, small, tensors_of

import zoo
from zoo.errors import (
    IntegrityError,
    MismatchError,
    WeightsError,
)
from zoo.registry import index, published

# Weights that are not what they should be


def test_a_flipped_byte_is_refused_wherever_it_is(here):
    data = (here / WEIGHTS).read_bytes()
    for place in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[place] ^= 1
        (here / WEIGHTS).write_bytes(flipped)
        message = refused(here, IntegrityError)
        assert hashlib.sha256(flipped).hexdigest()[:12] in message
        assert hashlib.sha256(data).hexdigest()[:12] in message
        assert "Get this folder again" in message


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1])
def test_a_truncated_file_is_refused(here, length):
    data = (here / WEIGHTS).read_bytes()
    put_weights(here, data[:length], say_so=False)
    assert "its bytes have changed" in refused(here, IntegrityError)
    put_weights(here, data[:length])
    assert "is not a safetensors file" in refused(here, WeightsError)


def test_a_file_with_more_at_its_end_is_refused(here):
    put_weights(here, (here / WEIGHTS).read_bytes() + b"\0")
    assert "is not a safetensors file" in refused(here, WeightsError)


def test_an_oversized_file_is_refused_unread(here):
    os.truncate(here / WEIGHTS, 10**12)
    assert "is 1,000,000,000,000 bytes; the limit is" in refused(here, WeightsError)


def test_a_file_far_too_small_for_its_spec_is_refused_unread(here):
    config = json.loads((here / "config.json").read_text())
    config["spec"]["body"]["hidden"] = [20_000, 20_000]
    (here / "config.json").write_text(json.dumps(config))
    message = refused(here, MismatchError)
    assert "802,820,070 parameters of its Spec need 3,211,280,280" in message
    assert "It was not read." in message


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("say_so", [True, False])
def test_a_renamed_pickle_is_refused_and_never_run(here, zipped, say_so):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (Path("ran").absolute(),))

    buffer = io.BytesIO()
    torch.save({"evil": Evil(), **tensors_of(here)}, buffer, _use_new_zipfile_serialization=zipped)
    put_weights(here, buffer.getvalue(), say_so=say_so)
    refused(here, WeightsError if say_so else IntegrityError)
    assert not Path("ran").exists()


def test_missing_unexpected_and_misshapen_tensors_are_all_listed(here):
    tensors = tensors_of(here)
    del tensors["posterior_head.bias"]
    tensors["extra\x1b[2J"] = torch.zeros(1)
    tensors["encoder.0.weight"] = torch.zeros(5, 63)
    tensors["decoder.0.bias"] = torch.zeros(5, dtype=torch.int32)
    put_weights(here, safetensors.torch.save(tensors))
    message = refused(here, MismatchError)
    for problem in (
        "missing posterior_head.bias",
        r"unexpected 'extra\x1b[2J'",
        "encoder.0.weight is (5, 63), expected (5, 64)",
        "decoder.0.bias is torch.int32, expected torch.float32",
        "Nothing was loaded.",
    ):
        assert problem in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16, torch.int8])
def test_weights_of_another_dtype_are_refused(here, dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in tensors_of(here).items()}
    put_weights(here, safetensors.torch.save(tensors))
    assert f"is {dtype}, expected torch.float32" in refused(here, MismatchError)


def test_weights_of_another_family_are_refused(here):
    zoo.save(zoo.build("ae", input_shape=(1, 8, 8), latent_dim=3), "ae")
    put_weights(here, Path("ae", WEIGHTS).read_bytes())
    message = refused(here, MismatchError)
    assert "missing posterior_head.weight" in message
    assert "unexpected 'code.weight'" in message


def test_many_problems_with_tensors_give_a_short_message(here):
    many = {f"t{i}": torch.zeros(1) for i in range(500)}
    put_weights(here, safetensors.torch.save({**tensors_of(here), **many}))
    message = refused(here, MismatchError)
    assert "unexpected 't0'" in message
    assert "and 494 more like it" in message
    assert len(message) < 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_both_ways(here, value):
    tensors = tensors_of(here)
    tensors["decoder.1.bias"][3] = value
    put_weights(here, safetensors.torch.save(tensors))
    assert "decoder.1.bias contains values that are not finite" in refused(here, WeightsError)
    model = small()
    with torch.no_grad():
        model.get_parameter("decoder.1.bias")[3] = value
    with pytest.raises(WeightsError, match=r"decoder.1.bias .* not finite: nothing was saved"):
        zoo.save(model, "nan")
    assert not Path("nan").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [-1, 64]},
        {"shape": [2**62, 2**62]},
        {"shape": [2**40]},
        {"data_offsets": [0, 2**62]},
        {"data_offsets": [2**62, 0]},
        {"data_offsets": [0, 4]},
        {"dtype": "OBJECT"},
        {"dtype": "F8_E4M3"},
        {"dtype": None},
    ],
    ids=str,
)
def test_a_hostile_header_is_refused(here, change):
    data = (here / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["encoder.0.weight"].update(change)
    text = json.dumps(header).encode()
    put_weights(here, struct.pack("<Q", len(text)) + text + data[8 + length :])
    assert "is not a safetensors file" in refused(here, WeightsError)


@pytest.mark.parametrize("length", [0, 2, 2**31, 2**63, 2**64 - 1])
def test_a_header_of_impossible_length_is_refused(here, length):
    put_weights(here, struct.pack("<Q", length) + (here / WEIGHTS).read_bytes()[8:])
    assert "is not a safetensors file" in refused(here, WeightsError)


def test_a_published_model_is_held_to_the_index(here, monkeypatch):
    data = {name: hashlib.sha256((here / name).read_bytes()).hexdigest() for name in contents(here)}

    def line(changes: dict[str, str] | None = None) -> None:
        registry = index.Registry("acme 1", here.parent, here.parent / "recipes")
        found = index.IndexLine(here.name, "vae", "mit", 1, 765, data | (changes or {}), registry)
        monkeypatch.setattr(published, "line", lambda name: found)

    line()
    assert zoo.load("tiny").info.license == "mit"
    line({"config.json": "0" * 64})
    with pytest.raises(IntegrityError, match=r"config.json' is .*, expected 000000000000"):
        zoo.load("tiny")
    line({WEIGHTS: "0" * 64})
    with pytest.raises(IntegrityError, match=r"model.safetensors' is .*, expected 000000000000"):
        zoo.load("tiny")
    line()
    tensors = tensors_of(here)
    tensors["decoder.1.bias"][0] += 1
    put_weights(here, safetensors.torch.save(tensors))  # with its hash in the folder
    with pytest.raises(IntegrityError, match=r"config\.json"):
        zoo.load("tiny")
