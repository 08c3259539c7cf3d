"""Python objects as datasets: torch's, anybody's, and iterables that are read once."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from made import PIXELS, refused
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from zoo.data import load_images, open_dataset
from zoo.data.objects import Spooled
from zoo.errors import DataError

PARTS = ("train", "validation", "test")
SAME = load_images(PIXELS, "train").sha256
KINDS = {
    "grey tensor": lambda pixels: torch.from_numpy(pixels)[None],
    "flat tensor": torch.from_numpy,
    "array": lambda pixels: pixels,
    "picture": Image.fromarray,
    "tuple": lambda pixels: (Image.fromarray(pixels), 3),
    "label first": lambda pixels: [3, pixels],
    "dict": lambda pixels: {"label": 3, "image": pixels, "mask": pixels},
}


class Mine(Dataset):
    def __init__(self, item=KINDS["array"], count: int = len(PIXELS)) -> None:
        self.item, self.count = item, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int):
        return self.item(PIXELS[number])


class Stream(IterableDataset):
    def __init__(self, item=KINDS["array"]) -> None:
        self.item = item

    def __iter__(self):
        return map(self.item, PIXELS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_item_is_an_image_in_both_kinds_of_dataset(kind):
    for dataset in (Mine(KINDS[kind]), Stream(KINDS[kind])):
        assert load_images(dataset, "train").sha256 == SAME
        assert load_images(dataset, "train").dataset == type(dataset).__name__


def test_arrays_lists_generators_and_datasets_are_read_alike():
    rows = torch.from_numpy(PIXELS)
    given = (PIXELS, PIXELS[:, None], list(PIXELS), iter(PIXELS), (x for x in PIXELS), rows)
    for dataset in (*given, TensorDataset(rows[:, None])):
        assert load_images(dataset, "train").sha256 == SAME


def test_images_of_several_sizes_keep_theirs_until_they_are_fitted():
    from zoo.specs.data import Transform

    images = [PIXELS[i, : 5 + i % 4] for i in range(40)]
    found = load_images(iter(images), "train", transform=Transform(resize=4, crop="centre"))
    assert found.shape == (1, 4, 4)
    assert " x 10, not 5 x 10." in refused(iter(images), split="train")


def test_a_mapping_gives_parts():
    parts = {"test": Mine(count=5), "train": iter(PIXELS)}
    assert [len(images) for images in open_dataset(parts, PARTS).values()] == [33, 7, 5]
    tensors = {"train": PIXELS[:30], "validation": PIXELS[30:35], "test": PIXELS[35:]}
    assert np.array_equal(open_dataset(tensors, PARTS)["test"].pixels[:, 0], PIXELS[35:])
    assert refused({"train": Mine(), "test": 5}) == (
        "The dict: its test split is int, not a dataset of images."
    )


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (lambda x: torch.from_numpy(x) / 255, "(9, 10), float32"),
        (lambda x: x.astype(np.int64), "(9, 10), int64"),
        (lambda x: torch.from_numpy(x)[None, None], "(1, 1, 9, 10), uint8"),
        (lambda x: x[0], "(10,), uint8"),
        (lambda x: np.stack([x] * 3, axis=-1), "(9, 10, 3), uint8, channels last"),
        (lambda x: "a.png", "str"),
        (lambda x: None, "NoneType"),
        (lambda x: (3, "a"), "tuple"),
        (lambda x: {"label": 3}, "dict"),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("kind", [Mine, Stream])
def test_what_is_no_image_is_refused_with_what_it_is(kind, item, found):
    message = refused(kind(item))
    assert message.startswith(f"The {kind.__name__}: image 0 is {found}; an image is (C, H, W)")


def test_a_dataset_that_raises_is_named():
    def broken(pixels):
        raise KeyError("label")

    for kind in (Mine, Stream):
        message = refused(kind(broken))
        assert message.startswith(f"The {kind.__name__}")
        assert message.endswith("could not be read: it raised KeyError ('label').")


def test_a_stream_without_images_is_refused():
    assert "The list has 0 images; 3 at least" in refused([])
    assert "The list_iterator has 0 images" in refused(iter([]))


@pytest.fixture
def spools(tmp_path, monkeypatch) -> Path:
    """The folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_stream_is_read_once_into_a_file_that_goes_with_it(spools, monkeypatch):
    monkeypatch.setattr("zoo.data.load.IN_MEMORY", 0)
    images = load_images(iter(PIXELS), "train")
    assert sum(path.stat().st_size for path in spools.iterdir()) == PIXELS.size
    assert torch.equal(torch.cat(list(images.in_order(7))), load_images(PIXELS, "train").pixels)
    del images
    gc.collect()
    assert not list(spools.iterdir())


def test_a_stream_that_breaks_off_leaves_no_file(spools):
    def breaking():
        yield PIXELS[0]
        raise RuntimeError

    assert "it raised RuntimeError." in refused(breaking())
    gc.collect()
    assert not list(spools.iterdir())


def test_the_file_of_a_stream_goes_when_the_program_ends(tmp_path):
    code = """
import numpy as np, os
from zoo.data.objects import Spooled
kept = Spooled(iter(np.zeros((9, 8, 8), np.uint8)), "mine")
print(os.listdir(os.environ["TMPDIR"]))
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert "zoo-images-" in done.stdout
    assert not [name for name in os.listdir(tmp_path) if "zoo-images-" in name]


@pytest.mark.parametrize("side", [8, 512])
def test_a_full_disk_is_a_sentence(monkeypatch, side):
    monkeypatch.setattr(
        tempfile, "mkstemp", lambda prefix: (os.open("/dev/full", os.O_WRONLY), "x")
    )
    with pytest.raises(DataError, match=r"cannot be kept in 'x': No space left on device. Set TMP"):
        Spooled(iter(np.zeros((4, side, side), np.uint8)), "mine")
