"""Options of the commands that measure: they mean the same in each of them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from zoo.cli import main


@pytest.fixture
def prints(capsys):
    """Runs a command, and gives its JSON."""

    def run(*words: str):
        with pytest.raises(SystemExit) as end:
            main([*words, "--device", "cpu", "--json"])
        out, err = capsys.readouterr()
        assert end.value.code == 0, err
        return json.loads(out)

    return run


def picture(level: int) -> Image.Image:
    return Image.fromarray(np.full((8, 8), level, np.uint8))


def png(level: int) -> bytes:
    written = io.BytesIO()
    picture(level).save(written, "PNG")
    return written.getvalue()


def counts(prints, here: Path, images: Path, *words: str) -> list[int]:
    """How many images each command measures."""
    model = str(here)
    one = prints("eval", model, str(images), *words)
    native = prints("eval", model, str(images), "--protocol", "native", *words)
    [row] = prints("compare", model, str(images), *words)
    return [one["n_examples"], native["n_examples"], row["n_examples"]]


def test_max_damaged_leaves_out_so_many_images(prints, fails, here, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        picture(number).save(photos / f"{number}.png")
    (photos / "1b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert counts(prints, here, photos, "--max-damaged", "1") == [3, 3, 3]
    (photos / "0b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for verb in ("eval", "compare"):
        said = fails(verb, str(here), str(photos), "--max-damaged", "1")
        assert "2 images of the all split of photos are damaged" in said
        assert "0b.png" in said
        assert "1b.png" in said


def test_column_chooses_the_images(prints, fails, here, tmp_path):
    path = tmp_path / "two.parquet"
    shades = {"dark": [png(1), png(2)], "light": [png(200), png(201)]}
    pq.write_table(
        pa.table({k: [{"bytes": v, "path": None} for v in vs] for k, vs in shades.items()}), path
    )
    for verb in ("eval", "compare"):
        assert "column" in fails(verb, str(here), str(path))
    assert counts(prints, here, path, "--column", "light") == [2, 2, 2]
    digests = [
        prints("compare", str(here), str(path), "--column", name)[0]["images_sha256"]
        for name in shades
    ]
    assert digests[0] != digests[1]


@pytest.mark.parametrize("words", [("eval", "./model"), ("bench",), ("compare", "a", "b")])
@pytest.mark.parametrize("option", [("--limit", "0"), ("--limit", "-3")])
def test_a_limit_below_one_is_wrong_usage(fails, words, option):
    assert f"{option[1]} is not in the range" in fails(*words, *option, code=2)


@pytest.mark.parametrize("words", [("eval", "./model"), ("bench",)])
def test_a_negative_k_is_wrong_usage(fails, words):
    assert "-1 is not in the range x>=0" in fails(*words, "--nll-samples", "-1", code=2)


def test_a_comparisons_time_says_its_device_and_threads(here, tmp_path, capsys, monkeypatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    picture(3).save(photos / "a.png")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    with pytest.raises(SystemExit):
        main(["compare", str(here), str(photos), "--device", "cpu"])
    assert "ms/image: median on cpu, threads: 3" in capsys.readouterr().out
