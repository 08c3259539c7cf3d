"""Images from `.npy` and `.npz` files: never unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from made import ANY, PIXELS, WANTED, Evil, described, npy, npy_header, refused, zipped

from zoo.data import StreamedExamples, load_examples, open_dataset
from zoo.errors import DataError

# .npy


@pytest.mark.parametrize("array", [PIXELS, PIXELS[:, None], np.asfortranarray(PIXELS), PIXELS[:5]])
def test_an_npy_is_read_as_it_is(array):
    Path("a.npy").write_bytes(npy(array))
    images = load_examples("a.npy", "test")
    plain = torch.from_numpy(np.ascontiguousarray(array))
    assert torch.equal(images.values, load_examples(plain, "test").values)
    assert images.dataset == "a.npy"


def test_an_npy_of_format_2_is_read():
    text = described("(3, 8, 8)")
    Path("a.npy").write_bytes(npy_header(text, bytes(192), b"\x02\x00"))
    assert load_examples("a.npy", "test").shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("array", "dtype", "advice"),
    [
        (
            PIXELS / 255,
            "float64",
            "Its values range from 0 to 1: try (x * 255).round().astype(np.uint8).",
        ),
        (
            PIXELS.astype(">f4"),
            ">f4",
            "Its values range from 0 to 255: try x.round().astype(np.uint8).",
        ),
        (
            (PIXELS / 127.5 - 1).astype(np.float16),
            "float16",
            "Its values range from -1 to 1: try ((x + 1) * 127.5).round().astype(np.uint8).",
        ),
        (
            PIXELS.astype(np.uint16) * 16,
            "uint16",
            "Its values range from 0 to 4080: scale them to 0 to 255, then .astype(np.uint8).",
        ),
        (
            PIXELS.astype(np.int64),
            "int64",
            "Its values range from 0 to 255: try x.astype(np.uint8).",
        ),
        (
            PIXELS // 128 * np.int8(1),
            "int16",
            "Its values range from 0 to 1: try x.astype(np.uint8) * 255.",
        ),
        (PIXELS > 3, "bool", "Try x.astype(np.uint8) * 255."),
        (
            PIXELS[..., None] / 255,
            "float64, channels last",
            "Its values range from 0 to 1: try (x.transpose(0, 3, 1, 2) * 255).round().astype(np.uint8).",
        ),
        (PIXELS[..., None], "uint8, channels last", "Try x.transpose(0, 3, 1, 2)."),
        (PIXELS[0, ..., None], "uint8, channels last", "Try x.transpose(2, 0, 1)[None]."),
        (PIXELS.astype(np.complex64), "complex64", ""),
        (np.array(["a", "b"]), "<U1", ""),
        (np.zeros(5, "M8[s]"), "datetime64[s]", ""),
        (np.zeros(5, [("a", "u1")]), "[('a', 'u1')]", ""),
    ],
    ids=range(14),
)
def test_an_npy_of_another_dtype_or_order_is_told_what_makes_it_fit(
    array, dtype, advice, monkeypatch
):
    Path("a.npy").write_bytes(npy(array))
    wanted = WANTED if array.ndim > 2 else ANY
    expected = f"'a.npy' is {array.shape}, {dtype}; {wanted}.{advice and ' '}{advice}"
    shape = (1, 9, 10) if array.ndim > 2 else None
    assert refused("a.npy", shape=shape) == expected
    monkeypatch.setattr("zoo.data.sources.arrays.IN_MEMORY", 5)
    assert refused("a.npy", shape=shape) == expected


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_objects_in_an_array_are_refused_and_never_unpickled(suffix):
    data = npy(np.array([Evil(), Evil()], dtype=object))
    Path(f"a.{suffix}").write_bytes(data if suffix == "npy" else zipped({"a.npy": data}))
    assert "it may hold pickles, which can run code" in refused(f"a.{suffix}")
    assert not Path("ran").exists()


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_renamed_pickle_is_refused_and_never_run(suffix, protocol):
    data = pickle.dumps(Evil(), protocol)
    Path(f"a.{suffix}").write_bytes(data)
    assert "is damaged or not a NumPy file" in refused(f"a.{suffix}")
    Path("b.npz").write_bytes(zipped({"a.npy": data}))
    assert "is bytes; images are" in refused("b.npz")
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "damaged or not a NumPy file"),
        (b"hello" * 100, "damaged or not a NumPy file"),
        (b"\x93", "damaged or not a NumPy file"),
        (b"\x93NUMPY", "damaged or not a NumPy file"),
        (b"\x93NUMPY\x09\x09" + bytes(99), "damaged or not a NumPy file"),
        (b"\x93NUMPY\x03\x00" + npy(PIXELS)[8:], "damaged or not a NumPy file"),
        (npy(PIXELS)[:-1], "damaged or not a NumPy file"),
        (npy_header(described("(10**12, 8, 8)")), "damaged or not a NumPy file"),
        (npy_header(described(f"({10**12}, 8, 8)")), "damaged or not a NumPy file"),
        (npy_header(described("(-10, 8, -8)"), bytes(640)), "damaged or not a NumPy file"),
        (npy_header(described("(10, 8, 8)", "hello"), bytes(640)), "damaged or not a NumPy file"),
        (npy_header(described("'abc'"), bytes(640)), "damaged or not a NumPy file"),
        (npy_header(described("(2.5, 8)"), bytes(640)), "damaged or not a NumPy file"),
        (npy_header(described("(10, 8, 8)") + " " * 60_000), "damaged or not a NumPy file"),
        (npy_header("(" * 9000 + ")" * 9000), "damaged or not a NumPy file"),
        (npy_header("(" * 4000), "damaged or not a NumPy file"),
        (npy_header("-" * 9000 + "1"), "damaged or not a NumPy file"),
        (npy_header("__import__('pathlib').Path('ran').touch()"), "damaged or not a NumPy file"),
        (npy_header("{'descr': '|u1'}"), "damaged or not a NumPy file"),
        (npy_header("\x00\x01'''"), "damaged or not a NumPy file"),
    ],
    ids=range(20),
)
def test_an_npy_that_is_damaged_or_hostile_is_refused(data, why):
    Path("a.npy").write_bytes(data)
    message = refused("a.npy")
    assert message.startswith("'a.npy' ")
    assert why in message
    assert "\n" not in message
    assert "allow_pickle" not in message
    assert not Path("ran").exists()


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_flipped_byte_gives_images_or_a_sentence(suffix):
    whole = npy(PIXELS[:3]) if suffix == "npy" else zipped({"a.npy": npy(PIXELS[:3])})
    for place in range(0, len(whole), 3):
        data = bytearray(whole)
        data[place] ^= 0x55
        Path(f"a.{suffix}").write_bytes(data)
        try:
            assert load_examples(f"a.{suffix}", "test").values.dtype == torch.uint8
        except DataError as wrong:
            assert "\n" not in str(wrong)  # noqa: PT017


@pytest.mark.parametrize("array", [PIXELS, np.stack([PIXELS] * 3, axis=1)])
def test_an_npy_of_more_than_fits_is_read_from_its_place(monkeypatch, array):
    Path("a.npy").write_bytes(npy(array))
    held = load_examples("a.npy", "train")
    for module in ("sources.arrays", "open"):
        monkeypatch.setattr(f"zoo.data.{module}.IN_MEMORY", 100)
    streamed = load_examples("a.npy", "train")
    assert isinstance(streamed, StreamedExamples)
    assert torch.equal(torch.cat(list(streamed.in_order(7))), held.values)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (npy(PIXELS)[:-1], "is cut short"),
        (npy(PIXELS.astype(np.float32)), "float32; images are"),
        (
            npy(np.asfortranarray(PIXELS)),
            "is in Fortran order, which cannot be streamed",
        ),
        (npy_header(described("(-10, 8, -8)"), bytes(640)), "uint8; images are"),
        (npy_header(described(f"({10**12}, 8, 8)"), bytes(640)), "is cut short"),
        (b"\x93NUMPY" + bytes(640), "damaged or not a NumPy file"),
    ],
    ids=range(6),
)
def test_an_npy_of_more_than_fits_that_is_damaged_is_refused(monkeypatch, data, why):
    monkeypatch.setattr("zoo.data.sources.arrays.IN_MEMORY", 100)
    Path("a.npy").write_bytes(data)
    assert why in refused("a.npy", shape=(1, 9, 10))


def test_an_npy_in_fortran_order_is_read_as_it_is():
    Path("a.npy").write_bytes(npy(np.asfortranarray(PIXELS)))
    assert np.array_equal(load_examples("a.npy", None).values[:, 0].numpy(), PIXELS)


def test_endings_are_read_in_any_case():
    for name, data in (("A.NPY", npy(PIXELS)), ("A.Npz", zipped({"a.npy": npy(PIXELS)}))):
        Path(name).write_bytes(data)
        assert np.array_equal(load_examples(f"./{name}", None).values[:, 0].numpy(), PIXELS)
    assert refused("NOWHERE.NPY") == "The file or folder 'NOWHERE.NPY' does not exist."


def test_three_gray_images_that_may_be_one_in_color_are_said_to_be_three(caplog):
    Path("a.npy").write_bytes(npy(PIXELS[:3]))
    assert load_examples("a.npy", None).values.shape == (3, 1, 9, 10)
    said = "'a.npy' is (3, 9, 10): read as three gray images. For one color image, use x[None]."
    assert caplog.messages == [said]
    caplog.clear()
    for unambiguous in (PIXELS[:4], PIXELS[:3, None], PIXELS[None, :3]):
        load_examples(unambiguous, None)
    assert not caplog.messages


# .npz


def test_an_npz_of_one_array_is_split_and_of_three_is_not():
    np.savez_compressed("one.npz", images=PIXELS)
    whole = load_examples(torch.from_numpy(PIXELS), "validation")
    assert torch.equal(load_examples("one.npz", "validation").values, whole.values)
    np.savez("three.npz", train=PIXELS[:20], validation=PIXELS[20:21], test=PIXELS[21:], labels=[1])
    parts = open_dataset("three.npz", ("train", "validation", "test", "train+validation"))
    assert [len(images) for images in parts.values()] == [20, 1, 19, 21]
    assert np.array_equal(parts["test"].values[:, 0].numpy(), PIXELS[21:])


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({}, "holds nothing; expected one array, or arrays train, and validation and/or test"),
        ({"a.npy": npy(PIXELS), "b.npy": npy(PIXELS)}, "holds 'a', 'b'; expected one array"),
        (
            {"train.npy": npy(PIXELS), "x.npy": npy(PIXELS)},
            "holds 'train', 'x'; expected one array",
        ),
        ({"a.txt": b"hello"}, "is bytes; images are"),
        ({"a.npy": b"hello"}, "is bytes; images are"),
        ({"a.npy": b""}, "is bytes; images are"),
        ({"a.npy": npy(PIXELS)[:-1]}, "damaged or not a NumPy file"),
        ({"a.npy": npy_header(described(f"({10**12}, 8, 8)"))}, "damaged or not a NumPy file"),
        ({"a.npy": npy(PIXELS.astype(np.float64))}, "float64; images are"),
        ({"a.npz": zipped({"a.npy": npy(PIXELS)})}, "is bytes; images are"),
    ],
    ids=range(10),
)
def test_an_npz_of_other_things_is_refused(members, why):
    Path("a.npz").write_bytes(zipped(members))
    assert why in refused("a.npz", shape=(1, 9, 10))


def test_an_npz_of_more_than_fits_is_refused_by_its_directory(monkeypatch):
    monkeypatch.setattr("zoo.data.sources.arrays.IN_MEMORY", 2**20)
    dark = npy(np.zeros((3000, 20, 20), np.uint8))
    for members in ({"a.npy": dark}, {"train.npy": dark, "test.npy": npy(PIXELS)}):
        Path("a.npz").write_bytes(zipped(members))
        size = sum(map(len, members.values()))
        with monkeypatch.context() as unread:
            unread.setattr("numpy.lib.npyio.NpzFile.__getitem__", None)
            assert refused("a.npz") == (
                f"'a.npz' holds {size:,} bytes, and more than 1,048,576 must be streamed, which a "
                ".npz cannot be: np.save each array as a .npy, or set ZOO_IN_MEMORY=2 (MiB)."
            )


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"hello" * 100])
def test_an_npz_that_is_no_archive_is_refused(data):
    Path("a.npz").write_bytes(data)
    assert "'a.npz' is damaged or not a NumPy file" in refused("a.npz")


def test_a_truncated_npz_is_refused():
    whole = zipped({"a.npy": npy(PIXELS)})
    for length in range(0, len(whole), 211):
        Path("a.npz").write_bytes(whole[:length])
        assert "is damaged or not a NumPy file" in refused("a.npz")


def test_parts_of_several_sizes_are_refused():
    np.savez("a.npz", train=PIXELS, validation=PIXELS[:, :8], test=PIXELS)
    message = refused("a.npz", split="train")
    assert "All images of a dataset must have the same size" in message
    assert "train (1, 9, 10), validation (1, 8, 10), test (1, 9, 10)" in message


def test_an_empty_part_is_refused_when_it_is_asked_for():
    np.savez("a.npz", train=PIXELS, validation=PIXELS[:0], test=PIXELS)
    assert len(load_examples("a.npz", "train")) == 40
    message = refused("a.npz", split="validation")
    assert message == "The validation split of a.npz is empty: add more images."
