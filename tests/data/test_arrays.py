"""Images from `.npy` and `.npz` files: never unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from made import PIXELS, WANTED, Evil, described, npy, npy_header, refused, zipped

from zoo.data import StreamedImages, load_images, open_dataset
from zoo.errors import DataError

# .npy


@pytest.mark.parametrize("array", [PIXELS, PIXELS[:, None], np.asfortranarray(PIXELS), PIXELS[:5]])
def test_an_npy_is_read_as_it_is(array):
    Path("a.npy").write_bytes(npy(array))
    images = load_images("a.npy", "test")
    plain = torch.from_numpy(np.ascontiguousarray(array))
    assert torch.equal(images.pixels, load_images(plain, "test").pixels)
    assert images.dataset == "a.npy"


def test_an_npy_of_format_2_is_read():
    text = described("(3, 8, 8)")
    Path("a.npy").write_bytes(npy_header(text, bytes(192), b"\x02\x00"))
    assert load_images("a.npy", "test").shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (PIXELS.astype(np.float32), "float32"),
        (PIXELS.astype(">f4"), ">f4"),
        (PIXELS.astype(np.uint16), "uint16"),
        (PIXELS.astype(np.longdouble), "float"),
        (PIXELS.astype(np.complex64), "complex64"),
        (PIXELS > 3, "bool"),
        (np.array(["a", "b"]), "<U1"),
        (np.zeros(5, "M8[s]"), "datetime64[s]"),
        (np.zeros(5, [("a", "u1")]), "[('a', 'u1')]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_npy_of_another_dtype_is_refused(array, dtype):
    Path("a.npy").write_bytes(npy(array))
    message = refused("a.npy")
    assert "'a.npy' is (" in message
    assert f", {dtype}" in message
    assert message.endswith(WANTED)


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
            assert load_images(f"a.{suffix}", "test").pixels.dtype == torch.uint8
        except DataError as wrong:
            assert "\n" not in str(wrong)  # noqa: PT017


@pytest.mark.parametrize("array", [PIXELS, np.stack([PIXELS] * 3, axis=1)])
def test_an_npy_of_more_than_fits_is_read_from_its_place(monkeypatch, array):
    Path("a.npy").write_bytes(npy(array))
    held = load_images("a.npy", "train")
    for module in ("arrays", "load"):
        monkeypatch.setattr(f"zoo.data.{module}.IN_MEMORY", 100)
    streamed = load_images("a.npy", "train")
    assert isinstance(streamed, StreamedImages)
    assert torch.equal(torch.cat(list(streamed.in_order(7))), held.pixels)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (npy(PIXELS)[:-1], "is cut short"),
        (npy(PIXELS.astype(np.float32)), "float32; images are"),
        (npy(np.asfortranarray(PIXELS)), "images are"),
        (npy_header(described("(-10, 8, -8)"), bytes(640)), "uint8; images are"),
        (npy_header(described(f"({10**12}, 8, 8)"), bytes(640)), "is cut short"),
        (b"\x93NUMPY" + bytes(640), "damaged or not a NumPy file"),
    ],
    ids=range(6),
)
def test_an_npy_of_more_than_fits_that_is_damaged_is_refused(monkeypatch, data, why):
    monkeypatch.setattr("zoo.data.arrays.IN_MEMORY", 100)
    Path("a.npy").write_bytes(data)
    assert why in refused("a.npy")


# .npz


def test_an_npz_of_one_array_is_split_and_of_three_is_not():
    np.savez_compressed("one.npz", images=PIXELS)
    whole = load_images(torch.from_numpy(PIXELS), "validation")
    assert torch.equal(load_images("one.npz", "validation").pixels, whole.pixels)
    np.savez("three.npz", train=PIXELS[:20], validation=PIXELS[20:21], test=PIXELS[21:], labels=[1])
    parts = open_dataset("three.npz", ("train", "validation", "test", "train+validation"))
    assert [len(images) for images in parts.values()] == [20, 1, 19, 21]
    assert np.array_equal(parts["test"].pixels[:, 0].numpy(), PIXELS[21:])


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({}, "holds nothing; expected one array, or train, and validation or test or both"),
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
    assert why in refused("a.npz")


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
    assert "All images of a dataset have one size" in message
    assert "train (1, 9, 10), validation (1, 8, 10), test (1, 9, 10)" in message


def test_an_empty_part_is_refused_when_it_is_asked_for():
    np.savez("a.npz", train=PIXELS, validation=PIXELS[:0], test=PIXELS)
    assert len(load_images("a.npz", "train")) == 40
    message = refused("a.npz", split="validation")
    assert message == "The validation split of a.npz is empty: give it more images."
