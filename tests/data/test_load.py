"""Datasets of one's own: tensors, folders of images, `.npy` and `.npz`, right and wrong."""

from __future__ import annotations

import io
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.data import load_images, open_dataset
from zoo.data.files import read_images_for
from zoo.errors import DataError, InputError, UnknownNameError, ZooError

PIXELS = np.random.Generator(np.random.Philox(1)).integers(0, 256, (40, 9, 10), np.uint8)
WANTED = "images are (N, C, H, W) or (N, H, W), uint8, 0 to 255."


def refused(dataset, error: type[ZooError] = DataError, split: str = "test") -> str:
    with pytest.raises(error) as caught:
        load_images(dataset, split)
    assert type(caught.value) is error
    return str(caught.value)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    header = text.encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + header + data


def described(shape: str, dtype: str = "|u1") -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}"


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("ran").absolute(),))


# Arguments


@pytest.mark.parametrize("dataset", [None, 5, b"digits", ["digits"], PIXELS, "", "  "])
def test_what_is_no_dataset_is_refused(dataset):
    message = refused(dataset, InputError)
    assert (
        "A dataset is a name, a folder of images, a .npy or .npz file, or a uint8 tensor" in message
    )


@pytest.mark.parametrize("split", ["tset", "Test", "", "val", None, "train,test"])
def test_a_split_that_there_is_not_is_refused(split):
    message = refused("digits", InputError, split)
    assert f"There is no split {split!r}." in message
    assert "Splits: train, validation, test, train+validation." in message


def test_a_misspelt_split_gets_the_nearest():
    assert "Did you mean 'test'?" in refused("digits", InputError, "tset")


@pytest.mark.parametrize("dataset", ["./nowhere", "a/b", "nowhere.npy", "nowhere.npz", Path("no")])
def test_a_file_that_is_not_there_is_named(dataset):
    assert f"There is no file or folder {str(dataset)!r}." == refused(dataset)


@pytest.mark.parametrize("dataset", ["nowhere", "nowhere.png", "a" * 300, "a\0b"])
def test_a_word_that_is_no_dataset_gets_all_names(dataset):
    assert "Datasets: mnist, fashion-mnist, kmnist, digits" in refused(dataset, UnknownNameError)


@pytest.mark.parametrize("name", ["zero", "fifo", "text.txt", "picture.png"])
def test_what_is_neither_a_folder_nor_an_array_is_refused(name):
    os.mkfifo("fifo")
    Path("zero").symlink_to("/dev/zero")
    Path("text.txt").write_text("hello")
    picture(Path("picture.png"), PIXELS[0])
    assert "neither a folder of images nor a .npy or .npz file" in refused(f"./{name}")


@pytest.mark.parametrize("kind", ["fifo", "zero", "full"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_device_with_an_arrays_name_is_refused_unread(kind, suffix):
    path = Path(f"a.{suffix}")
    os.mkfifo(path) if kind == "fifo" else path.symlink_to(f"/dev/{kind}")
    assert "is not a regular file; it was not read" in refused(path)


# Tensors, and parts held out


def test_a_tensor_is_split_reproducibly_and_without_overlap():
    pixels = torch.from_numpy(PIXELS)[:, None]
    parts = open_dataset(pixels, ("train", "validation", "test", "train+validation"))
    assert [len(images) for images in parts.values()] == [32, 4, 4, 36]
    rows = torch.cat([parts[name].pixels for name in ("train", "validation", "test")])
    assert len(rows.flatten(1).unique(dim=0)) == 40
    assert torch.equal(load_images(torch.from_numpy(PIXELS), "test").pixels, parts["test"].pixels)
    state = torch.get_rng_state()
    assert load_images(pixels, "test").sha256 == parts["test"].sha256
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("count", [3, 4, 9, 10, 11, 29])
def test_every_part_of_a_small_set_has_an_image(count):
    parts = open_dataset(torch.from_numpy(PIXELS[:count]), ("train", "validation", "test"))
    sizes = [len(images) for images in parts.values()]
    assert sum(sizes) == count
    assert min(sizes) >= 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_images_to_split_are_refused(count):
    message = refused(torch.zeros(count, 1, 8, 8, dtype=torch.uint8))
    assert f"The tensor has {count} images; three at least are needed, one a part." == message


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(9, 1, 8, 8),
        torch.zeros(9, 1, 8, 8, dtype=torch.int64),
        torch.zeros(9, 1, 8, 8, dtype=torch.bool),
        torch.zeros(9, 8, dtype=torch.uint8),
        torch.zeros(2, 9, 1, 8, 8, dtype=torch.uint8),
        torch.zeros((), dtype=torch.uint8),
        torch.zeros(9, 1, 0, 8, dtype=torch.uint8),
    ],
    ids=lambda tensor: f"{tuple(tensor.shape)} {tensor.dtype}",
)
def test_a_tensor_of_another_shape_or_dtype_is_refused(tensor):
    message = refused(tensor)
    assert f"The tensor is {tuple(tensor.shape)}, " in message
    assert message.endswith(WANTED)


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
    assert f"'a.npy' holds {dtype}" in message
    assert message.endswith(WANTED)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_objects_in_an_array_are_refused_and_never_unpickled(suffix):
    data = npy(np.array([Evil(), Evil()], dtype=object))
    Path(f"a.{suffix}").write_bytes(data if suffix == "npy" else zipped({"a.npy": data}))
    message = refused(f"a.{suffix}")
    assert "holds pickled objects. Pickles can run code: save plain uint8 numbers." in message
    assert not Path("ran").exists()


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_renamed_pickle_is_refused_and_never_run(suffix, protocol):
    data = pickle.dumps(Evil(), protocol)
    Path(f"a.{suffix}").write_bytes(data)
    why = {"npy": "text, pickles and archives are not read", "npz": "damaged or no NumPy file"}
    assert why[suffix] in refused(f"a.{suffix}")
    Path("b.npz").write_bytes(zipped({"a.npy": data}))
    assert "no NumPy array; text, pickles and archives are not read" in refused("b.npz")
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is no NumPy array"),
        (b"hello" * 100, "is no NumPy array"),
        (zipped({"a.npy": npy(PIXELS)}), "is no NumPy array"),
        (b"\x93", "damaged or no NumPy file"),
        (b"\x93NUMPY", "damaged or no NumPy file"),
        (b"\x93NUMPY\x09\x09" + bytes(99), "has NumPy's format 9.9"),
        (b"\x93NUMPY\x03\x00" + npy(PIXELS)[8:], "has NumPy's format 3.0"),
        (npy(PIXELS)[:-1], "its header says (40, 9, 10), and 3,599 bytes follow"),
        (npy(PIXELS) + b"x", "its header says (40, 9, 10), and 3,601 bytes follow"),
        (npy_header(described("(10**12, 8, 8)")), "damaged or no NumPy file"),
        (npy_header(described(f"({10**12}, 8, 8)")), "header says (1000000000000, 8, 8), and 0 "),
        (npy_header(described("(-10, 8, -8)"), bytes(640)), "header says (-10, 8, -8)"),
        (npy_header(described("(-10, 8, 8)"), bytes(640)), "header says (-10, 8, 8)"),
        (npy_header(described("(10, 8, 8)", "hello"), bytes(640)), "damaged or no NumPy file"),
        (npy_header(described("'abc'"), bytes(640)), "damaged or no NumPy file"),
        (npy_header(described("(2.5, 8)"), bytes(640)), "damaged or no NumPy file"),
        (npy_header(described("(10, 8, 8)") + " " * 60_000), "damaged or no NumPy file"),
        (npy_header("(" * 9000 + ")" * 9000), "damaged or no NumPy file"),
        (npy_header("(" * 4000), "damaged or no NumPy file"),
        (npy_header("-" * 9000 + "1"), "damaged or no NumPy file"),
        (npy_header("__import__('pathlib').Path('ran').touch()"), "damaged or no NumPy file"),
        (npy_header("{'descr': '|u1'}"), "damaged or no NumPy file"),
        (npy_header("\x00\x01'''"), "damaged or no NumPy file"),
    ],
    ids=range(23),
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
def test_nothing_is_allocated_for_a_header_that_lies(suffix):
    data = npy_header(described("(4000000000, 1, 1)"))
    Path(f"a.{suffix}").write_bytes(data if suffix == "npy" else zipped({"a.npy": data}))
    tracemalloc.start()
    refused(f"a.{suffix}")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22


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
        ({}, "holds nothing: one array, or train, validation and test, are understood"),
        ({"a.npy": npy(PIXELS), "b.npy": npy(PIXELS)}, "holds 'a', 'b': one array, or train"),
        ({"train.npy": npy(PIXELS), "test.npy": npy(PIXELS)}, "holds 'test', 'train': one array"),
        ({"a.txt": b"hello"}, "is no NumPy array"),
        ({"a.npy": b"hello"}, "is no NumPy array"),
        ({"a.npy": b""}, "is no NumPy array"),
        ({"a.npy": npy(PIXELS)[:-1]}, "is damaged: its header says"),
        ({"a.npy": npy_header(described(f"({10**12}, 8, 8)"))}, "is damaged: its header says"),
        ({"a.npy": npy(PIXELS.astype(np.float64))}, "holds float64"),
        ({"a.npz": zipped({"a.npy": npy(PIXELS)})}, "is no NumPy array"),
    ],
    ids=range(10),
)
def test_an_npz_of_other_things_is_refused(members, why):
    Path("a.npz").write_bytes(zipped(members))
    assert why in refused("a.npz")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"hello" * 100, npy(PIXELS)])
def test_an_npz_that_is_no_archive_is_refused(data):
    Path("a.npz").write_bytes(data)
    assert "'a.npz' is damaged or no NumPy file" in refused("a.npz")


def test_a_truncated_npz_is_refused():
    whole = zipped({"a.npy": npy(PIXELS)})
    for length in range(0, len(whole), 211):
        Path("a.npz").write_bytes(whole[:length])
        assert "is damaged or no NumPy file" in refused("a.npz")


def test_an_archive_that_unpacks_to_more_than_can_be_read_is_refused(monkeypatch):
    from zoo.data import arrays

    monkeypatch.setattr(arrays, "MAX_BYTES", 10_000)
    Path("a.npz").write_bytes(zipped({"a.npy": npy(np.zeros((1000, 8, 8), np.uint8))}))
    assert Path("a.npz").stat().st_size < 10_000
    assert "holds 64,128 bytes; at most 10,000 are read" in refused("a.npz")
    Path("a.npy").write_bytes(npy(np.zeros((1000, 8, 8), np.uint8)))
    assert "holds 64,000 bytes; at most 10,000 are read" in refused("a.npy")


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


# Folders of images


def test_a_folder_is_read_in_the_order_of_its_paths():
    for i in reversed(range(12)):
        picture(Path("images", f"{i % 3}", f"{i:02}.png"), PIXELS[i])
    images = load_images("images", "train")
    order = [i for rest in range(3) for i in range(12) if i % 3 == rest]
    expected = load_images(torch.from_numpy(PIXELS[order]), "train")
    assert torch.equal(images.pixels, expected.pixels)
    assert images.shape == (1, 9, 10)


def test_folders_named_train_and_test_are_the_parts():
    for i in range(12):
        picture(Path("images", "train" if i < 10 else "test", f"{i:02}.png"), PIXELS[i])
    parts = open_dataset("images", ("train", "validation", "test"))
    assert [len(images) for images in parts.values()] == [9, 1, 2]
    assert np.array_equal(parts["test"].pixels[:, 0].numpy(), PIXELS[10:12])


def test_grey_images_beside_colour_ones_become_colour():
    colour = np.stack([PIXELS[0]] * 3, axis=-1)
    for i in range(3):
        picture(Path("mixed", f"{i}.png"), PIXELS[i] if i else colour)
    assert load_images("mixed", "train").shape == (3, 9, 10)
    picture(Path("parts", "train", "a.png"), PIXELS[0])
    picture(Path("parts", "train", "b.png"), PIXELS[1])
    picture(Path("parts", "test", "a.png"), colour)
    assert load_images("parts", "train").shape == (3, 9, 10)


def test_images_of_several_sizes_are_refused_with_both():
    for i in range(4):
        picture(Path("images", f"{i}.png"), PIXELS[i] if i != 2 else PIXELS[i, :8])
    message = refused("images")
    assert "All images of a dataset have one size" in message
    assert "'images/2.png' is 8 x 10, 'images/0.png' is 9 x 10" in message


def test_parts_of_several_sizes_in_folders_are_refused():
    for i in range(4):
        picture(Path("images", "train", f"{i}.png"), PIXELS[i])
        picture(Path("images", "test", f"{i}.png"), PIXELS[i, :, :8])
    assert "train (1, 9, 10), test (1, 9, 8)" in refused("images")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_images_in_a_folder_are_refused(count):
    for i in range(count):
        picture(Path("images", f"{i}.png"), PIXELS[i])
    assert f"'images' has {count} images; three at least are needed" in refused("images")


def test_a_folder_without_images_is_refused():
    Path("images").mkdir()
    Path("images/notes.txt").touch()
    assert "There is no image in 'images' (looked for .png, .jpg" in refused("images")


@pytest.mark.parametrize(
    "data",
    [b"", b"hello, I am a text", b"\x89PNG\r\n\x1a\n", pickle.dumps(Evil()), b"\xff\xd8\xff"],
    ids=["empty", "text", "png", "pickle", "jpeg"],
)
def test_a_file_that_is_no_image_is_refused_by_name(data):
    for i in range(4):
        picture(Path("images", f"{i}.png"), PIXELS[i])
    Path("images/2.png").write_bytes(data)
    assert "'images/2.png' cannot be read as an image" in refused("images")
    assert not Path("ran").exists()


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of what it could still read
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_a_damaged_image_gives_pixels_or_a_sentence(kind, capfd):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0]).convert("RGB").save(buffer, kind)
    whole, path = buffer.getvalue(), Path(f"a.{kind.lower()}")
    for place in range(0, len(whole), 5):
        for data in (whole[:place], whole[:place] + b"\xaa" + whole[place + 1 :]):
            path.write_bytes(data)
            try:
                assert read_images_for((3, 9, 10), [path]).shape == (1, 3, 9, 10)
            except DataError as wrong:
                assert str(path) in str(wrong)  # noqa: PT017


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_an_image_of_more_than_8_bits_is_refused_not_clipped(dtype):
    picture(Path("deep.tiff"), (PIXELS[0].astype(dtype) * 200))
    with pytest.raises(DataError, match=r"'deep.tiff' has more than 8 bits a channel"):
        read_images_for((1, 9, 10), [Path("deep.tiff")])


def test_an_image_of_too_many_pixels_is_refused(monkeypatch):
    picture(Path("large.png"), PIXELS[0])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="cannot be read as an image: Image size"):
        read_images_for((1, 9, 10), [Path("large.png")])


def test_a_folder_of_more_than_fits_is_refused_at_its_first_image(monkeypatch):
    from zoo.data import files

    monkeypatch.setattr(files, "MAX_BYTES", 3 * 90 * 5)
    for i in range(6):
        picture(Path("images", f"{i}.png"), PIXELS[i])
    assert "6 images in 'images' are more than 1,350 bytes" in refused("images")


# Files to encode


def test_images_and_arrays_to_encode_come_in_order():
    picture(Path("a.png"), PIXELS[0])
    Path("b.npy").write_bytes(npy(PIXELS[1:3]))
    np.savez("c.npz", train=PIXELS[3:4], validation=PIXELS[4:5], test=PIXELS[5:6])
    pixels = read_images_for((1, 9, 10), [Path("a.png"), Path("b.npy"), Path("c.npz")])
    assert np.array_equal(pixels[:, 0].numpy(), PIXELS[:6])
    assert read_images_for((3, 9, 10), [Path("a.png"), Path("b.npy")]).shape == (3, 3, 9, 10)


@pytest.mark.parametrize(
    "array",
    [PIXELS[:, :8], PIXELS[0, 0], PIXELS[None], np.uint8(3), PIXELS[:, None, :, :9]],
    ids=range(5),
)
def test_images_of_another_shape_to_encode_are_refused_not_resized(array):
    Path("a.npy").write_bytes(npy(array))
    with pytest.raises(
        DataError, match=r"The model takes images of \(1, 9, 10\); 'a.npy' has"
    ) as caught:
        read_images_for((1, 9, 10), [Path("a.npy")])
    assert "the zoo does not guess how" in str(caught.value)


def test_a_colour_image_is_not_made_grey():
    picture(Path("a.png"), np.stack([PIXELS[0]] * 3, axis=-1))
    with pytest.raises(DataError, match=r"'a.png' has \(3, 9, 10\)"):
        read_images_for((1, 9, 10), [Path("a.png")])


@pytest.mark.parametrize("name", ["nowhere.png", "nowhere.npy", "folder", "fifo.png", "fifo.npz"])
def test_a_file_to_encode_that_is_none_is_refused(name):
    Path("folder").mkdir()
    os.mkfifo("fifo.png")
    os.mkfifo("fifo.npz")
    with pytest.raises(DataError, match=name):
        read_images_for((1, 9, 10), [Path(name)])
