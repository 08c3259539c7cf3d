"""Measuring and encoding from the command line, and the mistakes that people make there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from nets import saved
from PIL import Image

from zoo.cli import main


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two models, images of one size, and images of several."""
    saved("kl", tmp_path / "kl")
    saved("tiny", tmp_path / "tiny")
    rng = np.random.default_rng(0)
    for folder, sizes in (("pictures", [(32, 40)] * 3), ("mixed", [(32, 40), (41, 57)])):
        (tmp_path / folder).mkdir()
        for number, size in enumerate(sizes):
            levels = rng.integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(levels).save(tmp_path / folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here, capsys):
    def run(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            main([*words])
        out, err = capsys.readouterr()
        assert end.value.code == code, err
        assert "Traceback" not in out + err
        return err if code else out

    return run


def test_models_are_compared_and_drawn(run, here):
    out = run("compare", "./kl", "./tiny", "pictures", "--picture", "crops.png")
    assert "pictures, all: 3 images (" in out
    assert "protocol native:color=rgb [1fe45ecd]" in out
    assert "psnr, dB" in out
    assert "Not measured: LPIPS and rFID." in out
    with Image.open(here / "crops.png") as picture:
        assert picture.size == (3 * 120 + 2 * 4, 16 + 3 * 96 + 2 * 4)  # heading, rows, gaps
    rows = json.loads(run("compare", "./kl", "./tiny", "mixed", "--protocol", "whole", "--json"))
    assert {row["protocol_id"] for row in rows} == {"93c101cb"}


def test_without_a_recipe_any_size_is_measured_and_encoded_as_it_is(run, here):
    assert "protocol            native:color=rgb [1fe45ecd]" in run("eval", "./tiny", "pictures")
    assert "codes.npy: 3 x 4 x 8 x 10, float32" in run("encode", "./tiny", "pictures", "-o", "codes.npy")  # fmt: skip
    run("encode", "./tiny", "pictures", "--protocol", "center-32", "--flip", "-o", "square.npy")
    assert np.load(here / "square.flipped.npy").shape == (3, 4, 8, 8)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compare", "./kl", "./tiny"], "'tiny' is a model folder; expected images."),
        (["compare", "./kl", "mixed"], "Protocols that make it fit: center-N, which crops, or whole"),
        (["eval", "./kl", "pictures", "--protocol", "center32"], "Unknown reconstruction protocol 'center32'"),
        (["eval", "./kl", "pictures", "--protocol", "crop"], "for reconstructions only: native, whole and center-N"),
        (["eval", "./kl", "pictures", "--extractor", "lpips"], "There is no extractor 'lpips'. Did you mean 'lpips-vgg'?"),
        (["encode", "./kl", "mixed", "-o", "a.npy"], "--protocol center-"),
        (["encode", "./kl", "mixed", "-o", "a.npy", "--protocol", "whole"], "resized and cropped, and no more"),
        (["encode", "./kl", "mixed", "-o", "a.npy", "--protocol", "native:resize=32"], "encode with center-N"),
    ],
)  # fmt: skip
def test_a_mistake_gets_a_sentence(words, says, run):
    assert says in run(*words, code=1)


def test_verify_claims_no_hash_where_none_is_recorded(run):
    said = run("verify", "./kl")
    assert "a folder of diffusers' records none" in said
    assert "strict: names, shapes, dtypes, finite" in said


def test_a_picture_is_a_png(run):
    said = run("compare", "./kl", "pictures", "--picture", "crops.jpg", code=2)
    assert "--picture 'crops.jpg' does not end in .png." in said
