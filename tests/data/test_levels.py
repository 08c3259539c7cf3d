"""Images of 0 and 1, which are all but black as levels of 255: said whatever they come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made import PIXELS, encoded, npy, picture, tar

from zoo.data import StreamedExamples, load_examples, open_all
from zoo.evaluation.prepared import prepared_images
from zoo.specs.data import Transform
from zoo.specs.reconstruction import parse_protocol

SAID = "the highest level is 1 of 255, so its images are almost black. If 1 means white, multiply"


class Mine:
    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, number: int) -> np.ndarray:
        self.read.append(number)
        return self.pixels[number]


def folder(pixels: np.ndarray) -> str:
    for number, one in enumerate(pixels):
        picture(Path("f", f"{number:02}.png"), one)
    return "f"


def shards(pixels: np.ndarray) -> str:
    return str(tar("a.tar", {f"{i:02}.png": encoded(one) for i, one in enumerate(pixels)}))


def array_file(pixels: np.ndarray) -> str:
    Path("a.npy").write_bytes(npy(pixels))
    return "a.npy"


WAYS = {
    "array": lambda pixels: pixels,
    "tensor": torch.from_numpy,
    "npy": array_file,
    "dataset": Mine,
    "iterable": iter,
    "parts": lambda pixels: {"train": pixels[:30], "test": pixels[30:]},
    "folder": folder,
    "shards": shards,
}


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_set_of_0_and_1_is_said_to_be_all_but_black(way, in_memory, caplog, monkeypatch):
    if not in_memory:
        for module in ("sources.arrays", "open"):
            monkeypatch.setattr(f"zoo.data.{module}.IN_MEMORY", 0)
    for levels, count in (((PIXELS > 127).astype(np.uint8), 1), (PIXELS, 0), (PIXELS * 0, 0)):
        caplog.clear()
        load_examples(WAYS[way](levels), "train")
        assert sum(SAID in message for message in caplog.messages) == count


def test_it_is_said_where_images_are_encoded_and_compared_too(caplog):
    path = array_file((PIXELS > 127).astype(np.uint8))
    picture(Path("a.png"), (PIXELS[0] > 127).astype(np.uint8))
    for open_it in (
        lambda: open_all([path], shape=(1, 9, 10), transform=Transform()),
        lambda: open_all(["a.png"], shape=(1, 9, 10), transform=Transform()),
        lambda: prepared_images(path, parse_protocol("whole")),
    ):
        caplog.clear()
        open_it()
        assert [SAID in message for message in caplog.messages] == [True]


def test_one_bright_image_among_many_in_memory_is_enough(caplog):
    levels = np.ones((3000, 4, 5), np.uint8)
    levels[1234, 2, 2] = 2
    load_examples(levels, "train")
    assert SAID not in caplog.text


@pytest.mark.parametrize(("level", "count"), [(255, 1), (1, 64)])
def test_of_images_that_are_streamed_one_is_read_or_some_never_all(level, count, monkeypatch):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    train, rest = Mine(np.full((2000, 4, 5), level, np.uint8)), Mine(PIXELS[:, :4, :5])
    given = {"train": train, "validation": rest, "test": rest}
    assert isinstance(load_examples(given, "train", shape=(1, 4, 5)), StreamedExamples)
    assert len(train.read) == count
