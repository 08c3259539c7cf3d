"""Rows and series: what an array is understood as, and that every way of reading gives the same values."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from made import PIXELS, ROWS, SERIES, npy, refused, zipped
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from zoo.data import Examples, StreamedExamples, fingerprint, load_examples, open_all, open_dataset
from zoo.data.moments import moments
from zoo.specs.data import Transform

GENERATOR = np.random.Generator(np.random.Philox(3))
TABLE = GENERATOR.normal(size=(700, 5)) * [1, 10, 1e-3, 1, 0.001] + [0, 5, 0, 1.7e9, 1.7e9]
WAVES = GENERATOR.normal(size=(60, 2, 9)).astype(np.float32)
PARTS = ("train", "validation", "test")


class Rows(Dataset):
    def __init__(self, values: np.ndarray, labels: bool = False) -> None:
        self.values, self.labels = values, labels

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, number: int):
        return (self.values[number], number % 2) if self.labels else self.values[number]


class Stream(IterableDataset):
    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __iter__(self):
        return ({"label": np.float64(1), "x": torch.from_numpy(row)} for row in self.values)


class Frame:
    """As much of a data frame as is asked for."""

    def __init__(self, **columns: np.ndarray) -> None:
        self.columns, self.held = list(columns), columns

    def __iter__(self):
        return iter(self.columns)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.held[name]

    def to_numpy(self) -> np.ndarray:
        return np.array([self.held[name] for name in self.columns]).T


def array_file(values: np.ndarray) -> str:
    Path("table.npy").write_bytes(npy(values))
    return "table.npy"


def archive(values: np.ndarray) -> str:
    Path("table.npz").write_bytes(zipped({"x.npy": npy(values)}))
    return "table.npz"


WAYS = {
    "array": lambda values: values,
    "tensor": torch.from_numpy,
    "npy": array_file,
    "npz": archive,
    "dataset": Rows,
    "labeled": lambda values: Rows(values, labels=True),
    "tensors": lambda values: TensorDataset(torch.from_numpy(values), torch.arange(len(values))),
    "iterable": Stream,
    "list": list,
}


def streaming(monkeypatch) -> None:
    for module in ("sources.arrays", "open"):
        monkeypatch.setattr(f"zoo.data.{module}.IN_MEMORY", 0)


def held_out(values: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of an array, by the formula in the documents."""
    digests = [hashlib.sha256(row.tobytes()).hexdigest() for row in values]
    places = [
        int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
        for text in digests
    ]
    test, validation = (np.array([low <= p < low + 0.1 for p in places]) for low in (0.0, 0.1))
    return {
        "train": values[~test & ~validation],
        "validation": values[validation],
        "test": values[test],
    }


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "values", [TABLE, TABLE.astype(np.float32), WAVES], ids=["64", "32", "waves"]
)
def test_every_way_gives_the_values_in_parts_by_the_hash_of_each(
    way, values, workers, monkeypatch, caplog
):
    if workers == "2" and (way not in ("npy", "dataset") or values is WAVES):
        return
    expected = held_out(values)
    shape = values.shape[1:]
    in_memory = open_dataset(WAYS[way](values), PARTS, shape=shape)
    streaming(monkeypatch)
    monkeypatch.setenv("ZOO_WORKERS", workers)
    given = WAYS[way](values) if way != "npz" else values  # an archive is not streamed
    streamed = open_dataset(given, PARTS, shape=shape)
    assert not any("Images are uint8" in message for message in caplog.messages)
    for part, plain in expected.items():
        held, stream = in_memory[part], streamed[part]
        assert isinstance(held, Examples)
        assert held.values.numpy().tobytes() == plain.tobytes()
        assert held.sha256 == hashlib.sha256(plain.tobytes()).hexdigest()
        assert (held.shape, held.dtype, held.domain.is_real) == (shape, held.values.dtype, True)
        if way in ("npy", "dataset", "labeled", "tensors", "iterable", "list"):
            assert isinstance(stream, StreamedExamples)
            assert stream.held().values.numpy().tobytes() == plain.tobytes()
            assert torch.equal(torch.cat(list(stream.in_order(7))), held.values)
            order = stream.order(0, 1)
            assert torch.equal(next(stream.read([order])), held.values[order])
            assert (stream.shape, stream.dtype) == (held.shape, held.dtype)
    for one, other in zip(moments(in_memory["train"]), moments(streamed["train"]), strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()


def test_named_parts_of_a_mapping_and_of_an_archive_are_kept():
    parts = {"train": TABLE[:30], "validation": TABLE[30:35], "test": TABLE[35:40]}
    Path("a.npz").write_bytes(zipped({f"{part}.npy": npy(some) for part, some in parts.items()}))
    for given in (parts, "a.npz", {part: Rows(some) for part, some in parts.items()}):
        opened = open_dataset(given, PARTS)
        assert all(np.array_equal(opened[part].first(99), parts[part]) for part in PARTS)


def test_the_digits_of_a_timestamp_are_kept():
    stamps = np.array([[1.7e9 + 0.001 * i, 1.0] for i in range(20)])
    kept = load_examples(stamps, "train+validation").first(20)
    assert kept.dtype == torch.float64
    assert set(kept[:, 0].tolist()) <= {1.7e9 + 0.001 * i for i in range(20)}


def test_floats_of_rank_three_are_series_and_a_line_says_so_unless_the_model_does(caplog):
    caplog.clear()
    assert load_examples(PIXELS / 255, None).shape == (9, 10)
    assert caplog.messages == [
        "The array is read as 9 x 10 series because its values are floating point. Images are uint8, 0 to 255."
    ]
    caplog.clear()
    assert load_examples(PIXELS / 255, None, shape=(9, 10)).shape == (9, 10)
    assert caplog.messages == []
    message = refused(PIXELS / 255, shape=(1, 9, 10))
    assert message.endswith("try (x * 255).round().astype(np.uint8).")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (TABLE.astype(np.int64), f"The array is (700, 5), int64; {ROWS}. Try x.astype(np.float64)."),
        (TABLE > 0, f"The array is (700, 5), bool; {ROWS}. Try x.astype(np.float32)."),
        (TABLE.astype(">f8"), f"The array is (700, 5), >f8; {ROWS}. Try x.astype(np.float64)."),
        (
            TABLE[:, :2].astype(np.uint8),
            f"The array is (700, 2), uint8; {ROWS}. Try x.astype(np.float32).",
        ),
        (
            TABLE.astype(object),
            f"The array is (700, 5), object; {ROWS}. Encode categories as numbers (for example one-hot), then "
            "x.astype(np.float64).",
        ),
        (
            torch.zeros(3, 2, dtype=torch.float16),
            f"The tensor is (3, 2), float16; {ROWS}. Try x.to(torch.float32).",
        ),
        (WAVES.astype(np.float16), f"The array is (60, 2, 9), float16; {SERIES}. Try x.astype(np.float32)."),
        (TABLE[None, None, :, :, None], "float32 or float64."),
        (TABLE[:, 0], f"{SERIES}. One column is x[:, None]."),
    ],
    ids=range(9),
)  # fmt: skip
def test_other_arrays_are_told_what_makes_them_fit(given, said):
    assert refused(given).endswith(said)


def test_ints_of_rank_three_are_series_where_the_model_takes_series():
    message = refused(WAVES.astype(np.int64), shape=(2, 9))
    assert message == f"The array is (60, 2, 9), int64; {SERIES}. Try x.astype(np.float64)."


@pytest.mark.parametrize(
    ("given", "shape", "holds"),
    [
        (TABLE, (4,), "The array holds 5-column rows; the model takes 4-column rows."),
        (TABLE, (2, 9), "The array holds 5-column rows; the model takes 2 x 9 series."),
        (TABLE, (1, 8, 8), "The array holds 5-column rows; the model takes 1 x 8 x 8 images."),
        (WAVES, (2, 8), "The array holds 2 x 9 series; the model takes 2 x 8 series."),
        (PIXELS, (5,), "The array holds 1 x 9 x 10 images; the model takes 5-column rows."),
        (iter(PIXELS), (5,), "The list holds images; the model takes 5-column rows."),
    ],
    ids=range(6),
)
def test_what_the_model_does_not_take_is_refused_in_the_words_of_both(given, shape, holds):
    given = list(given) if not isinstance(given, np.ndarray) else given
    assert refused(given, shape=shape) == holds


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_value_that_is_not_finite_is_named_with_its_place(way, value, is_streamed, monkeypatch):
    if is_streamed and way != "npz":
        streaming(monkeypatch)
    values, waves = TABLE[:20].copy(), WAVES[:20].copy()
    values[7, 3], waves[7, 1, 4] = value, value
    for given, where, keep in (
        (values, "row 7 holds {} in column 3.", "rows (x[np.isfinite(x).all(1)])"),
        (
            waves,
            "series 7 holds {} in channel 1, step 4.",
            "series (x[np.isfinite(x).all((1, 2))])",
        ),
    ):
        try:
            opened = load_examples(WAYS[way](given), None)
            message = "nothing is refused"
            list(opened.read([torch.arange(20)]))
        except Exception as wrong:
            message = str(wrong)
        assert f"{where.format(value)} Drop such {keep}, or impute the missing values." in message


@pytest.mark.parametrize("is_streamed", [False, True])
def test_rows_that_are_not_finite_may_be_left_out(is_streamed, monkeypatch, caplog):
    if is_streamed:
        streaming(monkeypatch)
    values = TABLE[:20].copy()
    values[7, 3] = np.nan
    kept = load_examples(array_file(values), None, max_damaged=1)
    assert np.array_equal(kept.first(99), np.delete(values, 7, 0))
    assert "A damaged row is skipped: 'table.npy': row 7 holds nan in column 3." in caplog.text
    values[9, 3] = np.nan
    message = refused(array_file(values), split=None, max_damaged=1)
    assert message.startswith("2 rows of the all split of table.npy are damaged")


def test_items_that_differ_from_the_first_are_named():
    rows = [TABLE[0], TABLE[1], TABLE[2, :4], TABLE[3]]
    for given in (iter(rows), rows):
        message = refused(given, split=None)
        assert message.endswith("row 2 is (4,), float64; the first is (5,), float64.")
    for other, said in (
        (TABLE[5].astype(np.float32), "(5,), float32"),
        (PIXELS[0], "(1, 9, 10), uint8"),
    ):
        message = refused([*TABLE[:4], other], split=None)
        assert message.endswith(f"row 4 is {said}; the first is (5,), float64.")


def test_parts_that_differ_are_refused():
    parts = {"train": TABLE[:9], "test": TABLE[9:, :4]}
    assert (
        refused(parts)
        == "All rows of a dataset must have the same size; The dict has train (5,), test (4,)."
    )
    parts = {"train": TABLE[:9], "test": TABLE[9:].astype(np.float32)}
    assert refused(parts).endswith("have the same dtype; The dict has train float64, test float32.")
    parts = {"train": TABLE[:9], "test": PIXELS}
    message = refused(parts)
    assert "size" in message or "All parts of a dataset must be of one kind" in message


def test_a_transform_is_of_images():
    message = refused(TABLE, transform=Transform(resize=8))
    assert message == "The array holds rows: transforms apply to images only."


def test_all_rows_of_files_are_opened_in_order_with_their_keys():
    Path("a.npy").write_bytes(npy(TABLE[:3]))
    Path("b.npz").write_bytes(zipped({"train.npy": npy(TABLE[3:5]), "test.npy": npy(TABLE[5:6])}))
    rows = open_all(["a.npy", "b.npz"], shape=(5,), transform=Transform())
    assert np.array_equal(rows.held().values, TABLE[:6])
    assert rows.keys(0, 6) == [
        "a.npy/0", "a.npy/1", "a.npy/2", "b.npz/train/0", "b.npz/train/1", "b.npz/test/0",
    ]  # fmt: skip
    assert rows.dtype == torch.float64


def test_a_data_frame_of_numbers_is_its_columns_and_one_of_words_names_them():
    frame = Frame(age=TABLE[:, 0], height=TABLE[:, 1])
    rows = load_examples(frame, None)
    assert np.array_equal(rows.first(999), TABLE[:, :2])
    assert rows.dataset == "Frame"
    parts = open_dataset({"train": frame, "test": frame}, PARTS)
    assert np.array_equal(parts["test"].first(999), TABLE[:, :2])
    cities = Frame(age=TABLE[:3, 0].astype(object), city=np.array(["Ulm", "Bonn", "Kiel"], object))
    assert "columns that are not numbers: 'age', 'city'. Encode categories" in refused(cities)


def test_a_csv_is_refused_with_what_to_do():
    np.savetxt("table.csv", TABLE[:9], delimiter=",", header="a,b,c,d,e", comments="")
    message = refused("table.csv")
    assert "np.loadtxt('table.csv', delimiter=',', skiprows=1)" in message
    np.save("table.npy", np.loadtxt("table.csv", delimiter=",", skiprows=1))
    assert load_examples("table.npy", None).shape == (5,)


def test_other_values_have_another_fingerprint(monkeypatch):
    before = fingerprint(load_examples(TABLE, "train"))
    assert before == fingerprint(load_examples(TABLE.copy(), "train"))
    assert before != fingerprint(load_examples(np.nextafter(TABLE, 0), "train"))


def test_memory_that_cannot_be_shared_carries_rows_too(monkeypatch):
    streaming(monkeypatch)
    monkeypatch.setenv("ZOO_WORKERS", "1")

    def full(self):
        raise RuntimeError("unable to allocate shared memory")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    rows = load_examples(array_file(TABLE), "train")
    assert isinstance(rows, StreamedExamples)
    read = list(rows.read(torch.arange(len(rows)).split(50)))
    assert torch.equal(torch.cat(read), rows.held().values)
