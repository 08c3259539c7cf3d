"""The store: a folder <-> a model. Strict, verified, byte-reproducible; a failure loses nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from pathlib import Path

import pytest
import torch
from folders import WEIGHTS, contents, small, tensors_of

import zoo
from zoo.registry import families

# What comes back


def test_what_was_saved_is_loaded_in_eval_mode(saved):
    model, again = small(), zoo.load(saved)
    assert again.spec == model.spec
    assert not again.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(model.encode(x), again.encode(x))
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_the_info_says_what_the_folder_says(trained):
    info = zoo.load(trained).info
    assert (info.family, info.data, info.parameters) == ("vae", "digits", 765)
    assert info.sha256 == hashlib.sha256((trained / WEIGHTS).read_bytes()).hexdigest()
    assert info == zoo.info(trained)


@pytest.mark.parametrize("family", sorted(families.BUILT_IN))
def test_saving_the_same_model_twice_gives_byte_equal_folders(family, tmp_path):
    model = zoo.testing.Subject.of(family).build(seed=1)
    zoo.save(model, "one")
    zoo.save(model, "two/deep")
    assert contents(tmp_path / "one") == contents(tmp_path / "two" / "deep")
    assert set(contents(tmp_path / "one")) == {"config.json", WEIGHTS, "README.md"}


def test_loading_and_saving_gives_a_byte_equal_folder(trained, tmp_path):
    before = contents(trained)
    assert "figures/samples.png" in before
    zoo.save(zoo.load(trained), tmp_path / "again")
    assert contents(tmp_path / "again") == before
    zoo.save(zoo.load(tmp_path / "again"), tmp_path / "again")
    assert contents(tmp_path / "again") == before


def test_no_file_names_a_path_or_a_host(trained):
    strangers = (str(trained.parent), os.uname().nodename, str(Path.home()))
    for name, data in contents(trained).items():
        for stranger in strangers:
            assert len(stranger) < 3 or stranger.encode() not in data, name


def test_the_weights_file_has_one_plain_key_of_metadata(saved):
    data = (saved / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert json.loads(data[8 : 8 + length])["__metadata__"] == {"format": "pt"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_are_stored_as_float32_whatever_the_models_dtype(here, dtype):
    zoo.save(zoo.load(here, dtype=dtype), "other")
    assert all(tensor.dtype == torch.float32 for tensor in tensors_of(Path("other")).values())
    assert next(zoo.load(Path("other"), dtype=dtype).parameters()).dtype == dtype


def test_loading_and_saving_leave_the_global_random_state_alone(saved):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model = zoo.load(saved)
    assert torch.equal(torch.get_rng_state(), before)
    zoo.save(model, "other")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_changed_model_loses_its_numbers_and_pictures(trained, tmp_path):
    model = zoo.load(trained)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    zoo.save(model, "changed")
    assert set(contents(tmp_path / "changed")) == {"config.json", WEIGHTS, "README.md"}


def test_saving_over_a_trained_folder_leaves_nothing_of_the_old_model(trained, tmp_path):
    shutil.copytree(trained, "model")
    Path("model/notes.txt").write_text("mine")
    zoo.save(small(seed=9), "model")
    zoo.save(small(seed=9), "fresh")
    assert contents(tmp_path / "model") == {**contents(tmp_path / "fresh"), "notes.txt": b"mine"}
