"""How data are divided: which names are parts, and which examples are held out, wherever they stand."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from made import PIXELS, encoded, picture, refused, tar

from zoo.data import load_examples, open_dataset
from zoo.data.splits import PARTS, by_name, draw

MANY = np.random.Generator(np.random.Philox(2)).integers(0, 256, (300, 4, 4), np.uint8)


def place_of(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def part_of(key: str) -> str:
    place = place_of(key)
    return "test" if place < 0.1 else "validation" if place < 0.2 else "train"


def keys_by_part(dataset: object) -> dict[str, set[str]]:
    found = {}
    for part, images in open_dataset(dataset, PARTS).items():
        found[part] = {images.key(i) for i in range(len(images))}
    return found


# Examples


def test_files_are_held_out_by_their_paths():
    names = [f"{kind}/{n}.png" for kind in ("cats", "dogs") for n in range(60)]
    for name in names:
        picture(Path("pictures") / name, PIXELS[0])
    expected = {part: {n for n in names if part_of(n) == part} for part in PARTS}
    assert keys_by_part("pictures") == expected
    assert all(expected.values())


def test_a_path_counts_as_unicode_composes_it():
    name = "caf\u00e9.png"
    for n in range(60):
        picture(Path(f"pictures/{n}.png"), PIXELS[0])
    picture(Path("pictures") / unicodedata.normalize("NFD", name), PIXELS[0])
    part = next(p for p, keys in keys_by_part("pictures").items() if any("caf" in k for k in keys))
    assert part == part_of(name)


def test_a_new_file_moves_no_other():
    for n in range(100):
        picture(Path(f"pictures/{n}.png"), PIXELS[0])
    before = keys_by_part("pictures")
    picture(Path("pictures/+first.png"), PIXELS[0])
    after = keys_by_part("pictures")
    assert all(before[part] <= after[part] for part in PARTS)


def rows(pixels: np.ndarray) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {part: set() for part in PARTS}
    for row in pixels:
        found[part_of(hashlib.sha256(row.tobytes()).hexdigest())].add(row.tobytes())
    return found


class Mine:
    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, number: int) -> torch.Tensor:
        return torch.from_numpy(self.pixels[number])


def as_npy(pixels: np.ndarray) -> str:
    np.save("a.npy", pixels)
    return "a.npy"


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("kind", [np.array, torch.from_numpy, as_npy, iter, Mine])
def test_rows_are_held_out_by_their_content_wherever_they_stand(kind, in_memory, monkeypatch):
    if not in_memory:
        monkeypatch.setattr("zoo.data.sources.arrays.IN_MEMORY", 0)
    for pixels in (MANY, MANY[::-1].copy()):
        opened = open_dataset(kind(pixels), PARTS)
        found = {
            part: {row.numpy().tobytes() for row in images.first(len(images))}
            for part, images in opened.items()
        }
        assert found == rows(MANY)


def test_samples_of_shards_are_held_out_by_their_keys_however_they_are_sharded():
    members = {f"{n:03}.png": encoded(PIXELS[0]) for n in range(90)}
    names = sorted(members)
    tar("whole.tar", members)
    Path("many").mkdir()
    for shard in range(3):
        tar(f"many/{shard}.tar", {n: members[n] for n in names[shard::3]})
    whole = keys_by_part("whole.tar")
    assert whole == {p: {n[:3] for n in names if part_of(n[:3]) == p} for p in PARTS}
    sharded = {p: {key.split("/")[1] for key in keys} for p, keys in keys_by_part("many").items()}
    assert sharded == whole


def test_rows_of_parquet_are_held_out_by_their_bytes():
    stored = [encoded(pixels) for pixels in MANY]
    held = [hashlib.sha256(data).hexdigest() for data in stored]
    pyarrow.parquet.write_table(pyarrow.table({"image": stored}), "a.parquet")
    sizes = {p: len(images) for p, images in open_dataset("a.parquet", PARTS).items()}
    assert sizes == {p: sum(part_of(key) == p for key in held) for p in PARTS}


def test_a_dataset_that_draws_at_random_is_not_divided_by_its_content():
    class Random(Mine):
        def __getitem__(self, number):
            return torch.randint(0, 256, (4, 4), dtype=torch.uint8)

    assert "differs each time it is read" in refused(Random(MANY))
    named = {part: Random(MANY) for part in PARTS}
    assert len(load_examples(named, "train")) == 300


@pytest.mark.parametrize(
    ("places", "test", "validation"),
    [
        ([0.5, 0.05, 0.15, 0.9], [1], [2]),
        ([0.5, 0.3, 0.9, 0.4], [1], [3]),  # both empty: the smallest places, in turn
        ([0.5, 0.01, 0.02, 0.03], [1, 2], [3]),  # the largest places are left to the others
        ([0.01, 0.02, 0.03], [0], [1]),
        ([0.1, 0.2, 0.0999999, 0.3], [2], [0]),
        ([0.7, 0.7, 0.7], [0], [1]),
    ],
)
def test_a_part_that_is_empty_takes_the_smallest_place(places, test, validation):
    found = draw(np.array(places), ("test", "validation"))
    assert found["test"].tolist() == test
    assert found["validation"].tolist() == validation
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(len(places)))


# Names


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["train", "val"], {"train": ["train"], "validation": ["val"]}),
        (["Train", "TEST"], {"train": ["Train"], "test": ["TEST"]}),
        (["training", "testing"], {"train": ["training"], "test": ["testing"]}),
        (["train2017", "val2017"], {"train": ["train2017"], "validation": ["val2017"]}),
        (
            ["a/train-0.tar", "a/train-1.tar", "a/dev_0.tar"],
            {"train": ["a/train-0.tar", "a/train-1.tar"], "validation": ["a/dev_0.tar"]},
        ),
        (["trainA", "TestSet"], {"train": ["trainA"], "test": ["TestSet"]}),
        (["trainset", "testset"], {"train": ["trainset"], "test": ["testset"]}),
        (["trains", "tests"], {}),
        (["trainsets", "testsets"], {}),
        (["train", "car", "plane"], {}),
        (["test", "val"], {"validation": ["val"], "test": ["test"]}),
        (["test", "cats"], {}),
    ],
)
def test_names_are_parts_in_any_case(names, parts):
    assert by_name(names)[0] == parts


@pytest.mark.parametrize(
    "parts", [("train", "val"), ("Train", "Validation", "Test"), ("TRAINING", "testing")]
)
def test_folders_named_as_parts_hold_them(parts, caplog):
    for name in parts:
        for n in range(50):
            picture(Path("pictures", name, "cats", f"{name}-{n}.png"), PIXELS[0])
    wanted = {
        "train": "train",
        "trai": "train",
        "vali": "validation",
        "val": "validation",
        "test": "test",
    }
    for part, keys in keys_by_part("pictures").items():
        for key in keys:
            named = wanted[key.split("/")[1].lower()[:4].rstrip("-")]
            assert named == (part if part in {wanted[p.lower()[:4]] for p in parts} else "train")
    assert "by the names in it" in caplog.text


@pytest.mark.parametrize("given", ["train/c/{}.png", "Train/c/{}.png"])
def test_validation_is_drawn_from_train_by_path_not_the_last_class(given):
    for n in range(60):
        picture(Path("pictures", given.format(n)), PIXELS[0])
        picture(Path("pictures/test/c", f"{n}.png"), PIXELS[0])
    held = {f"c/{n}.png" for n in range(60) if 0.1 <= place_of(given.format(n)) < 0.2}
    found = keys_by_part("pictures")
    assert found["validation"] == held
    assert len(found["test"]) == 60


def test_what_lies_beside_folders_of_parts_is_said(caplog):
    for name in ("train/a.png", "train/b.png", "test/a.png", "extra/a.png", "cover.png"):
        picture(Path("pictures", name), PIXELS[0])
    load_examples("pictures", "test")
    assert "next to them, 'extra' and 1 more are skipped" in caplog.text


def test_test_and_validation_without_train_are_no_training_images():
    for part in ("test", "val"):
        for n in range(20):
            picture(Path("pictures", part, f"{n}.png"), PIXELS[0])
    assert (
        len(load_examples("pictures", None)) == len(load_examples("pictures", "validation")) == 20
    )
    assert "The train split of pictures is empty" in refused("pictures", split="train")


def test_the_line_says_how_many_and_why(caplog):
    load_examples(MANY, "test")
    sizes = {part: len(some) for part, some in rows(MANY).items()}
    line = (
        f"The array: {sizes['train']} train, {sizes['validation']} validation, {sizes['test']} test"
    )
    assert caplog.messages == [
        f"{line} (no parts are named, so a tenth each is held out for test and validation, by a "
        "hash of each key)."
    ]
    caplog.clear()
    load_examples(MANY[:49], "test")
    assert "with fewer than 50 images, adding some may move others" in caplog.text
    caplog.clear()
    load_examples("digits", "test")
    assert not caplog.text


def test_without_a_split_data_without_parts_are_whole():
    images = load_examples(MANY, None)
    assert (len(images), images.split) == (300, "all")
    images = load_examples({"train": MANY, "test": MANY[:7]}, None)
    assert (len(images), images.split) == (7, "test")
    assert len(load_examples("digits", None)) == 300


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"train": MANY, "test": MANY, "extra": MANY},
            "holds 'train', 'test', 'extra'; expected the keys train, and validation and/or test",
        ),
        ({"train": MANY, "val": MANY, "dev": MANY}, "'val' and 'dev' name the same part"),
        ({"train": MANY}, "expected the keys train, and validation and/or test"),
        ({"train": MANY[:1], "test": MANY}, "has 1 images in train; at least 2 are needed"),
    ],
)
def test_a_mapping_of_other_names_is_refused(given, why):
    assert why in refused(given)
