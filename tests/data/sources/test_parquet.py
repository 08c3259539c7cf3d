"""Images in parquet files: the column, row groups, and what is wrong with them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from made import PICTURES, PIXELS, refused

pytest.importorskip("pyarrow")

import pyarrow
from pyarrow import parquet

from zoo.data import load_examples, open_dataset
from zoo.data.sources.parquet import Parquet
from zoo.errors import DataError

PNGS = [PICTURES[name] for name in sorted(PICTURES)]
LABELS = list(range(len(PNGS)))


def as_structs(pngs: list[bytes | None]) -> list[dict]:
    """As the datasets library stores images."""
    return [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(pngs)]


def write(path: str, columns: dict, features: dict | None = None, rows: int = 7) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table(columns)
    if features is not None:
        told = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": told})
    parquet.write_table(table, path, row_group_size=rows)


def test_images_of_a_parquet_file_are_those_of_the_array():
    write("structs.parquet", {"label": LABELS, "image": as_structs(PNGS)})
    write("bytes.parquet", {"label": LABELS, "png": PNGS})
    write("large.parquet", {"png": pyarrow.array(PNGS, pyarrow.large_binary())})
    for name in ("structs", "bytes", "large"):
        assert load_examples(f"{name}.parquet", None).sha256 == load_examples(PIXELS, None).sha256


def test_a_folder_of_parquet_files_is_read_by_part_as_the_hub_lays_it_out():
    write("photos/data/train-00000-of-00002.parquet", {"image": as_structs(PNGS[:20])})
    write("photos/data/train-00001-of-00002.parquet", {"image": as_structs(PNGS[20:30])})
    write("photos/data/test-00000-of-00001.parquet", {"image": as_structs(PNGS[30:])})
    parts = open_dataset("photos", ("train+validation", "test"))
    test = parts["test"].values
    assert np.array_equal(test[:, 0].numpy(), PIXELS[30:])
    rest = {row.numpy().tobytes() for row in parts["train+validation"].values}
    assert rest == {row.tobytes() for row in PIXELS[:30]}
    keys = {parts["train+validation"].key(i) for i in range(30)}
    assert "train-00001-of-00002/0" in keys


def test_a_column_of_images_is_found_by_what_the_file_says_of_it():
    features = {"photo": {"_type": "Image"}, "mask": {"_type": "Value"}}
    write("a.parquet", {"mask": PNGS[::-1], "photo": PNGS}, features)
    assert load_examples("a.parquet", None).sha256 == load_examples(PIXELS, None).sha256


def test_of_several_columns_of_images_one_is_chosen():
    write("a.parquet", {"left": PNGS, "right": PNGS[::-1], "label": LABELS})
    assert refused("a.parquet") == (
        "'a.parquet' has several image columns. "
        "Columns that can hold images: left, right; data.column chooses one."
    )
    chosen = load_examples("a.parquet", None, column="right")
    assert chosen.sha256 == load_examples(PIXELS[::-1].copy(), None).sha256
    for column, why in (("label", "is int64"), ("rihgt", "does not exist. Did you mean 'right'?")):
        with pytest.raises(DataError, match=f"The column '{column}' of 'a.parquet' {why}"):
            load_examples("a.parquet", "test", column=column)


def test_columns_that_hold_no_images_are_refused():
    write("a.parquet", {"label": LABELS, "text": ["hello"] * 40})
    message = refused("a.parquet")
    assert message.startswith("No column of 'a.parquet' holds images, as binary")
    assert message.endswith("it has label (int64), text (string).")
    write("b.parquet", {"text": [b"hello"] * 40})
    assert "row 0 of 'b.parquet' cannot be read as an image" in refused("b.parquet")
    write("c.parquet", {"image": as_structs([PNGS[0]] + [None] * 39)})
    assert " of 'c.parquet' holds no image in 'image'." in refused("c.parquet")


def test_a_path_in_a_row_is_never_opened():
    Path("secret.png").write_bytes(PNGS[0])
    rows = [{"bytes": None, "path": str(Path("secret.png").absolute())}] * 39
    write("a.parquet", {"image": [{"bytes": PNGS[0], "path": ""}, *rows]})
    assert "holds no image" in refused("a.parquet")


@pytest.mark.parametrize("length", [0, 4, 100, -100, -1])
def test_a_parquet_file_cut_short_is_refused(length):
    write("a.parquet", {"image": PNGS})
    Path("a.parquet").write_bytes(Path("a.parquet").read_bytes()[:length])
    message = refused("a.parquet")
    assert message.startswith("'a.parquet' cannot be read as parquet")
    assert "\n" not in message


def test_a_flipped_byte_gives_images_or_a_sentence():
    write("a.parquet", {"image": PNGS[:8]}, rows=4)
    whole = Path("a.parquet").read_bytes()
    for place in range(0, len(whole), 31):
        data = bytearray(whole)
        data[place] ^= 0x55
        Path("a.parquet").write_bytes(data)
        try:
            assert load_examples("a.parquet", "train").values.dtype == torch.uint8
        except DataError as wrong:
            assert "a.parquet" in str(wrong)  # noqa: PT017
            assert "\n" not in str(wrong)  # noqa: PT017


def test_a_file_without_rows_is_refused():
    write("a.parquet", {"image": pyarrow.array([], pyarrow.binary())})
    assert "has 0 images; at least 3 are needed" in refused("a.parquet")


def test_row_groups_that_would_fill_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr("zoo.data.sources.parquet.MAX_GROUP_BYTES", 1000)
    write("a.parquet", {"image": PNGS})
    assert "'a.parquet' has row groups of" in refused("a.parquet")


def test_a_row_group_that_is_refused_is_read_once(monkeypatch):
    """Bytes in a dictionary are stored once, and decoded for every row."""
    write("a.parquet", {"image": [b"x" * 1000] * 700}, rows=700)
    monkeypatch.setattr("zoo.data.sources.parquet.MAX_GROUP_BYTES", 100_000)
    source, read = Parquet(["a.parquet"], "auto"), []
    old = source._read_group
    monkeypatch.setattr(source, "_read_group", lambda g: read.append(g) or old(g))
    for number in range(3):
        with pytest.raises(DataError, match="row groups of"):
            source.read(number)
    assert read == [0]


def test_few_row_groups_are_kept_and_each_is_read_once_in_order(monkeypatch):
    write("a.parquet", {"image": PNGS}, rows=4)
    monkeypatch.setattr("zoo.data.sources.parquet.CACHED_BYTES", 4 * len(PNGS[0]))
    source, read = Parquet(["a.parquet"], "auto"), []
    monkeypatch.setattr(source, "_read_group", lambda g: read.append(g) or old(g))
    old = type(source)._read_group.__get__(source)
    assert all(np.array_equal(source.read(i), PIXELS[i]) for i in range(40))
    assert read == list(range(10))
    assert len(source.kept) == 2
    assert source.together < 10
    again = pickle.loads(pickle.dumps(Parquet(["a.parquet"], "auto")))
    assert np.array_equal(again.read(5), PIXELS[5])


def test_without_the_extra_it_is_named(monkeypatch):
    write("a.parquet", {"image": PNGS})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    assert "pip install 'autoencoder-zoo[datasets]'" in refused("a.parquet")
