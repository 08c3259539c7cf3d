"""Fingerprints: other images are told from the same ones, whether they are held or streamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made import PICTURES, PIXELS, npy, tar

from zoo.data import Fingerprint, difference, fingerprint, load_examples


def folder() -> Path:
    for name, data in PICTURES.items():
        path = Path("photos", name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return Path("photos")


def shards() -> Path:
    Path("shards").mkdir()
    for shard in range(2):
        tar(f"shards/{shard}.tar", dict([*PICTURES.items()][shard::2]))
    return Path("shards")


def array() -> Path:
    Path("photos.npy").write_bytes(npy(PIXELS))
    return Path("photos.npy")


KINDS = [folder, shards, array]


def file_of(dataset: Path) -> Path:
    return sorted(dataset.iterdir())[-1] if dataset.is_dir() else dataset


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_images_have_the_same_fingerprint_after_a_copy_that_keeps_times(
    kind: Callable[[], Path], monkeypatch
):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    monkeypatch.setattr("zoo.data.sources.arrays.IN_MEMORY", 0)
    dataset = kind()
    before = fingerprint(load_examples(dataset, "train"))
    assert set(before) == {"examples", "files"}
    status = file_of(dataset).stat()
    file_of(dataset).write_bytes(file_of(dataset).read_bytes())
    os.utime(file_of(dataset), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert difference(before, fingerprint(load_examples(dataset, "train"))) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_streamed_file_that_was_replaced_is_told(kind: Callable[[], Path], monkeypatch):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    monkeypatch.setattr("zoo.data.sources.arrays.IN_MEMORY", 0)
    dataset = kind()
    before = fingerprint(load_examples(dataset, "train"))
    os.utime(file_of(dataset), ns=(0, 0))
    now = fingerprint(load_examples(dataset, "train"))
    assert "files that were replaced or changed since" in difference(before, now)


def test_one_level_of_an_image_in_memory_is_told():
    def of(pixels: np.ndarray, split: str) -> Fingerprint:
        return fingerprint(load_examples({"train": pixels[:30], "test": pixels[30:]}, split))

    other = PIXELS.copy()
    other[-1, 0, 0] ^= 1
    assert difference(of(PIXELS, "train"), of(other, "train")) == ""
    assert difference(of(PIXELS, "test"), of(other, "test")) == "different values now than then"


def test_fewer_images_are_told_even_where_one_split_was_held_and_one_is_streamed(monkeypatch):
    before = fingerprint(load_examples(PIXELS[:10], "train"))
    folder()
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    now = fingerprint(load_examples("photos", "train"))
    assert (
        difference(before, now) == f"{before['examples']} examples then and {now['examples']} now"
    )
    assert difference(before | {"examples": now["examples"]}, now) == ""


def test_images_of_a_python_object_that_are_streamed_have_a_count_alone(monkeypatch):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    images = load_examples(iter(PIXELS), "train")
    assert fingerprint(images) == {"examples": len(images)}


def test_a_file_that_is_gone_is_told_and_raises_nothing(monkeypatch):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    images = load_examples(folder(), "train")
    before = fingerprint(images)
    Path("photos/00.png").unlink()
    assert "replaced or changed" in difference(before, fingerprint(images))
