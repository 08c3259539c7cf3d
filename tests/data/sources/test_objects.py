"""Python objects as datasets: torch's, anybody's, and iterables that are read once."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from made import PIXELS, refused
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from zoo.data import load_examples, open_dataset
from zoo.data.sources.objects import Spooled
from zoo.errors import DataError

PARTS = ("train", "validation", "test")
SAME = load_examples(PIXELS, "train").sha256
KINDS = {
    "gray tensor": lambda pixels: torch.from_numpy(pixels)[None],
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
        assert load_examples(dataset, "train").sha256 == SAME
        assert load_examples(dataset, "train").dataset == type(dataset).__name__


def test_arrays_lists_generators_and_datasets_are_read_alike():
    rows = torch.from_numpy(PIXELS)
    given = (PIXELS, PIXELS[:, None], list(PIXELS), iter(PIXELS), (x for x in PIXELS), rows)
    for dataset in (*given, TensorDataset(rows[:, None])):
        assert load_examples(dataset, "train").sha256 == SAME


def test_images_of_several_sizes_keep_theirs_until_they_are_fitted():
    from zoo.specs.data import Transform

    images = [PIXELS[i, : 5 + i % 4] for i in range(40)]
    found = load_examples(iter(images), "train", transform=Transform(resize=4, crop="center"))
    assert found.shape == (1, 4, 4)
    assert " x 10, not 5 x 10." in refused(iter(images), split="train")


def test_a_mapping_gives_parts():
    parts = {"test": Mine(count=5), "train": iter(PIXELS)}
    assert [len(images) for images in open_dataset(parts, PARTS).values()] == [33, 7, 5]
    tensors = {"train": PIXELS[:30], "validation": PIXELS[30:35], "test": PIXELS[35:]}
    assert np.array_equal(open_dataset(tensors, PARTS)["test"].values[:, 0], PIXELS[35:])
    assert refused({"train": Mine(), "test": 5}) == (
        "The dict: its test split is int, not a dataset."
    )


@pytest.mark.parametrize(
    ("item", "found", "advice"),
    [
        (
            lambda x: torch.from_numpy(x) / 255,
            "(9, 10), float32",
            " Its values range from 0 to 1: try (x * 255).round().to(torch.uint8).",
        ),
        (
            lambda x: x.astype(np.int64),
            "(9, 10), int64",
            " Its values range from 0 to 255: try x.astype(np.uint8).",
        ),
        (lambda x: torch.from_numpy(x)[None, None], "(1, 1, 9, 10), uint8", ""),
        (
            lambda x: np.stack([x] * 3, axis=-1),
            "(9, 10, 3), uint8, channels last",
            " Try x.transpose(2, 0, 1).",
        ),
        (lambda x: "a.png", "str", ""),
        (lambda x: None, "NoneType", ""),
        (lambda x: (3, "a"), "tuple", ""),
        (lambda x: {"label": 3}, "dict", ""),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("kind", [Mine, Stream])
def test_what_is_no_image_is_refused_with_what_it_is(kind, item, found, advice):
    def whole(pixels):  # values from 0 to 255
        return item(np.where(pixels == pixels.max(), 255, pixels - pixels.min()).astype(np.uint8))

    message = refused(kind(whole), shape=(1, 9, 10))
    assert message.startswith(f"The {kind.__name__}: item ")
    assert f" is {found}; an image is (C, H, W)" in message
    assert message.endswith(f"or the first in a tuple or dict.{advice}")


@pytest.mark.filterwarnings("error")
def test_arrays_that_must_not_be_written_are_read_without_a_warning():
    PIXELS.flags.writeable = False
    try:
        assert load_examples(Mine(), "train").sha256 == load_examples(PIXELS, "train").sha256
    finally:
        PIXELS.flags.writeable = True


@pytest.mark.parametrize(
    ("failure", "said"),
    [(KeyError("label"), "KeyError ('label')"), (SystemExit("over"), "SystemExit (over)")],
    ids=["KeyError", "SystemExit"],
)
def test_a_dataset_that_raises_is_named(failure, said):
    def broken(pixels):
        raise failure

    for kind in (Mine, Stream):
        message = refused(kind(broken))
        assert message.startswith(f"The {kind.__name__}")
        assert message.endswith(f"could not be read: it raised {said}.")


def test_a_stream_without_images_is_refused():
    assert "The list has 0 images; at least 3" in refused([])
    assert "The list_iterator has 0 images" in refused(iter([]))


@pytest.fixture
def spools(tmp_path, monkeypatch) -> Path:
    """The folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_stream_is_read_once_into_a_file_without_a_name(spools, monkeypatch):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    gc.collect()  # of other tests
    before = len(os.listdir("/dev/fd"))
    images = load_examples(iter(PIXELS), "train")
    assert not list(spools.iterdir())
    assert len(os.listdir("/dev/fd")) == before + 1
    assert torch.equal(torch.cat(list(images.in_order(7))), load_examples(PIXELS, "train").values)
    del images
    gc.collect()
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_every_kind_of_worker_reads_a_stream_that_was_kept(start):
    kept = Spooled(iter(PIXELS), "mine")
    with get_context(start).Pool(1) as pool:
        assert all(
            map(torch.equal, pool.map(kept.read, range(40)), torch.from_numpy(PIXELS)[:, None])
        )


def test_a_stream_that_is_killed_while_it_is_read_leaves_no_file(tmp_path):
    code = """
import numpy as np, os, signal
from zoo.data.sources.objects import Spooled
def images():
    yield np.zeros((1000, 1000), np.uint8)
    print([name for name in os.listdir(os.environ["TMPDIR"]) if "zoo" in name], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
Spooled(images(), "mine")
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == -9
    assert done.stdout == "[]\n"
    assert not [name for name in os.listdir(tmp_path) if "zoo-examples-" in name]


@pytest.mark.parametrize("side", [8, 512])
def test_a_full_disk_is_a_sentence(monkeypatch, side):
    def full(prefix):
        return open("/dev/full", "wb")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(
        DataError, match=r"cannot be stored in '.*': No space left on device. Set TMP"
    ):
        Spooled(iter(np.zeros((4, side, side), np.uint8)), "mine")
