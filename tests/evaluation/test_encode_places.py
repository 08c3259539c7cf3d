"""`zoo encode` and what is in its place already: nobody's files are lost, and no codes are mixed."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from coded import PIXELS, as_it_is, dataset_of, encoded, small_model, stop_at
from PIL import Image

import zoo
from zoo.cli import main
from zoo.errors import InputError, ZooError
from zoo.evaluation import encode


@pytest.fixture(scope="module")
def model() -> zoo.Autoencoder:
    return small_model()


@pytest.fixture(autouse=True)
def notes_after_every_batch(monkeypatch):
    monkeypatch.setattr(encode, "SECONDS_PER_NOTE", 0.0)


def test_another_model_or_dataset_in_its_place_is_refused(model):
    np.save("many.npy", PIXELS)
    encoded(model, ["many.npy"], "cut", on_progress=stop_at(500, KeyboardInterrupt()))
    before = as_it_is("cut")
    with pytest.raises(InputError, match="its weights_sha256 is"):
        encoded(small_model(seed=1), ["many.npy"], "cut")
    np.save("many.npy", PIXELS[::-1])
    with pytest.raises(InputError, match=r"its examples are others.*with --overwrite"):
        encoded(model, ["many.npy"], "cut")
    np.save("many.npy", PIXELS[:900])
    with pytest.raises(InputError, match="its n_examples is 1700, not 900"):
        encoded(model, ["many.npy"], "cut")
    assert as_it_is("cut") == before
    files = encoded(model, ["many.npy"], "cut", overwrite=True)
    assert files == encoded(model, ["many.npy"], "whole")


@pytest.mark.parametrize("kind", ["folder", "tar", "parquet", "npy", "streamed npy"])
def test_images_that_were_encoded_and_then_replaced_are_not_gone_on_from(model, kind, monkeypatch):
    if kind == "streamed npy":
        monkeypatch.setattr("zoo.data.sources.arrays.IN_MEMORY", 0)
    dataset = dataset_of(kind, PIXELS[:700])
    encoded(model, [dataset], "cut", on_progress=stop_at(500, KeyboardInterrupt()))
    before = as_it_is("cut")
    dataset_of(kind, np.concatenate([PIXELS[:400], PIXELS[1000:1300]]))
    with pytest.raises(InputError, match="its examples are others"):
        encoded(model, [dataset], "cut")
    assert as_it_is("cut") == before
    again = encoded(model, [dataset], "cut", overwrite=True)
    assert again == encoded(model, [dataset], "whole")


# What is there already


def test_codes_of_these_images_are_left_and_overwritten_where_that_is_said(model, caplog):
    np.save("many.npy", PIXELS)
    whole, seen = encoded(model, ["many.npy"], "out"), []
    times = [path.stat().st_mtime_ns for path in Path("out").iterdir()]
    assert encoded(model, ["many.npy"], "out", on_progress=seen.append) == whole
    assert [path.stat().st_mtime_ns for path in Path("out").iterdir()] == times
    assert seen == [1700]
    assert "holds these codes already" in caplog.text
    assert encoded(model, ["many.npy"], "out", on_progress=seen.append, overwrite=True) == whole
    assert seen[1:] == [500, 1000, 1500, 1700]


def test_codes_of_something_else_are_replaced_only_where_that_is_said(model):
    for name, pixels in (("many.npy", PIXELS), ("fewer.npy", PIXELS[:900])):
        np.save(name, pixels)
    before = encoded(model, ["many.npy"], "out")
    with pytest.raises(
        InputError, match=r"'out/codes.npy' holds codes of something else: its data"
    ):
        encoded(model, ["fewer.npy"], "out")
    with pytest.raises(InputError, match=r"its flipped is False, not True"):
        encoded(model, ["many.npy"], "out", flipped=True)
    with pytest.raises(InputError, match=r"its weights_sha256 is"):
        encoded(small_model(seed=1), ["many.npy"], "out")
    np.save("many.npy", PIXELS[::-1])
    with pytest.raises(InputError, match=r"its examples are others.*--overwrite"):
        encoded(model, ["many.npy"], "out")
    assert as_it_is("out") == before
    fewer = encoded(model, ["fewer.npy"], "out", overwrite=True)
    assert fewer == encoded(model, ["fewer.npy"], "fresh")


@pytest.mark.parametrize("name", ["codes.json", "codes.keys.jsonl"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_beside_codes_that_no_encoding_wrote_is_never_replaced(model, name, overwrite):
    np.save("many.npy", PIXELS)
    Path("out").mkdir()
    Path("out", name).write_text('{"mean": 1}')
    with pytest.raises(
        InputError, match=f"'out/{name}' is there already, and no encoding wrote it"
    ):
        encoded(model, ["many.npy"], "out", overwrite=overwrite)
    assert as_it_is("out") == {name: b'{"mean": 1}'}


def test_an_array_in_the_codes_place_is_replaced_only_where_that_is_said(model):
    np.save("many.npy", PIXELS)
    Path("out").mkdir()
    np.save("out/codes.npy", PIXELS[:5])
    with pytest.raises(
        InputError, match=r"'out/codes.npy' is there already, and no encoding wrote"
    ):
        encoded(model, ["many.npy"], "out")
    assert np.array_equal(np.load("out/codes.npy"), PIXELS[:5])
    encoded(model, ["many.npy"], "out", overwrite=True)
    assert np.load("out/codes.npy").shape == (1700, 3)


# Two at once


def test_two_encodings_of_one_place_at_once_are_refused(model, monkeypatch):
    np.save("many.npy", PIXELS)
    whole = encoded(model, ["many.npy"], "whole")
    monkeypatch.setattr("zoo.io.locks.SECONDS", 0.0)
    refusals: list[InputError] = []

    def start_another(done: int) -> None:
        with pytest.raises(InputError, match=r"Another process writes 'cut/codes.npy'") as caught:
            encoded(model, ["many.npy"], "cut")
        refusals.append(caught.value)

    assert encoded(model, ["many.npy"], "cut", on_progress=start_another) == whole
    assert len(refusals) == 4


@pytest.mark.parametrize("keep", [100, 9000])
def test_codes_that_another_program_cut_or_filled_do_not_take_their_name(model, keep):
    np.save("many.npy", PIXELS)

    def spoil(done: int) -> None:
        if done == 1700:
            os.truncate("cut/codes.npy.partial", keep * 12)

    with pytest.raises(ZooError, match=r"another program wrote there"):
        encoded(model, ["many.npy"], "cut", on_progress=spoil)
    assert not Path("cut/codes.npy").exists()


@pytest.mark.parametrize("out", ["pixels.npy", "link.npy", "folder/a.npy", "many.npy"])
def test_the_command_replaces_no_file_that_it_reads(model, out, capsys):
    zoo.save(model, "model")
    np.save("pixels.npy", PIXELS[:5])
    Path("link.npy").symlink_to("pixels.npy")
    Path("folder").mkdir()
    Image.fromarray(PIXELS[0]).save("folder/a.png")
    os.link("folder/a.png", "folder/a.keys.jsonl")
    with tarfile.open("many-00000-of-00001.tar", "w") as tar:
        tar.add("folder/a.png")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    files = ["pixels.npy", "folder", "many-00000-of-00001.tar"]
    with pytest.raises(SystemExit, match="1"):
        main(["encode", "./model", *files, "-o", out, "--shards", "99", "--overwrite"])
    said = capsys.readouterr().err
    assert ("would replace a file that is read" in said) == (out != "many.npy"), said
    assert ("no encoding wrote it: it would be replaced" in said) == (out == "many.npy"), said
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
