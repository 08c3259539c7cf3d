"""Datasets of one's own: tensors, folders of images, `.npy` and `.npz`, right and wrong."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from made import ANY, PIXELS, ROWS, WANTED, picture, refused
from PIL import Image

from zoo.data import load_examples, open_dataset
from zoo.data.examples import Examples
from zoo.data.open import KINDS
from zoo.errors import InputError, UnknownNameError

# Arguments


@pytest.mark.parametrize("dataset", [None, 5, b"digits", "", "  "])
def test_what_is_no_dataset_is_refused(dataset):
    message = refused(dataset, InputError)
    assert message.startswith(f"A dataset must be a name, {KINDS}, or uint8 images, or float rows")


@pytest.mark.parametrize("split", ["tset", "Test", "", "val", "train,test"])
def test_a_split_that_there_is_not_is_refused(split):
    message = refused("digits", InputError, split)
    assert f"Unknown split {split!r}." in message
    assert "Splits: train, validation, test, train+validation." in message


def test_a_misspelled_split_gets_the_nearest():
    assert "Did you mean 'test'?" in refused("digits", InputError, "tset")


@pytest.mark.parametrize("dataset", ["./nowhere", "a/b", "nowhere.npy", "nowhere.npz", Path("no")])
def test_a_file_that_is_not_there_is_named(dataset):
    assert f"The file or folder {str(dataset)!r} does not exist." == refused(dataset)


@pytest.mark.parametrize("dataset", ["nowhere", "nowhere.png", "a" * 300, "a\0b"])
def test_a_word_that_is_no_dataset_gets_all_names(dataset):
    assert "Datasets: mnist, fashion-mnist, kmnist, digits" in refused(dataset, UnknownNameError)


@pytest.mark.parametrize("name", ["zero", "fifo", "text.txt", "picture.png"])
def test_what_is_neither_a_folder_nor_an_array_is_refused(name):
    os.mkfifo("fifo")
    Path("zero").symlink_to("/dev/zero")
    Path("text.txt").write_text("hello")
    picture(Path("picture.png"), PIXELS[0])
    assert "neither a folder of images nor a .npy, .npz, .tar or .parquet file" in refused(
        f"./{name}"
    )


@pytest.mark.parametrize("kind", ["fifo", "zero", "full"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_device_with_an_arrays_name_is_refused_unread(kind, suffix):
    path = Path(f"a.{suffix}")
    os.mkfifo(path) if kind == "fifo" else path.symlink_to(f"/dev/{kind}")
    assert "is not a regular file; it was not read" in refused(path)


def test_a_name_is_the_datasets_and_the_folder_of_that_name_is_spelled_with_a_dot(caplog):
    for n in range(4):
        picture(Path(f"digits/{n}.png"), PIXELS[0])
    assert load_examples("digits", "test").shape == (1, 8, 8)
    assert caplog.messages == [
        "'digits' means the dataset of that name; for the local path, use './digits'."
    ]
    for folder in ("./digits", Path("digits")):
        assert load_examples(folder, None).shape == (1, 9, 10)


# Tensors, and parts held out


def test_a_tensor_is_split_reproducibly_and_without_overlap():
    pixels = torch.from_numpy(PIXELS)[:, None]
    parts = open_dataset(pixels, ("train", "validation", "test", "train+validation"))
    assert [len(images) for images in parts.values()] == [29, 7, 4, 36]
    rows = torch.cat([parts[name].values for name in ("train", "validation", "test")])
    assert len(rows.flatten(1).unique(dim=0)) == 40
    assert torch.equal(load_examples(torch.from_numpy(PIXELS), "test").values, parts["test"].values)
    state = torch.get_rng_state()
    assert load_examples(pixels, "test").sha256 == parts["test"].sha256
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
    assert message.startswith(f"The tensor has {count} images; at least 3 are needed")


@pytest.mark.parametrize(
    ("tensor", "dtype", "advice"),
    [
        (
            torch.eye(8).expand(9, 1, 8, 8),
            "float32",
            " Its values range from 0 to 1: try (x * 255).round().to(torch.uint8).",
        ),
        (
            torch.eye(8).bfloat16().expand(9, 8, 8) * -2,
            "bfloat16",
            " Its values range from -2 to 0: scale them to 0 to 255, then .to(torch.uint8).",
        ),
        (
            torch.eye(8, dtype=torch.int64).expand(9, 1, 8, 8) * 9,
            "int64",
            " Its values range from 0 to 9: scale them to 0 to 255, then .to(torch.uint8).",
        ),
        (torch.zeros(9, 1, 8, 8, dtype=torch.bool), "bool", " Try x.to(torch.uint8) * 255."),
        (
            torch.zeros(9, 8, 8, 3, dtype=torch.uint8),
            "uint8, channels last",
            " Try x.permute(0, 3, 1, 2).",
        ),
        (torch.zeros(9, 1, 8, 8, dtype=torch.complex64), "complex64", ""),
        (torch.zeros(9, 8, dtype=torch.uint8), "uint8", " Try x.to(torch.float32)."),
        (torch.zeros(2, 9, 1, 8, 8, dtype=torch.uint8), "uint8", ""),
        (torch.zeros((), dtype=torch.uint8), "uint8", ""),
        (torch.zeros(9, 1, 0, 8), "float32", ""),
    ],
    ids=range(10),
)
def test_a_tensor_that_holds_no_levels_is_told_what_makes_some(tensor, dtype, advice):
    wanted = {2: ROWS, 3: WANTED, 4: WANTED}.get(tensor.dim(), ANY)
    said = f"The tensor is {tuple(tensor.shape)}, {dtype}; {wanted}.{advice}"
    assert refused(tensor, shape=(1, 8, 8) if tensor.dim() in (3, 4) else None) == said


def test_images_in_memory_are_not_copied_and_hashed_when_it_is_asked_for(monkeypatch):
    parts = {"train": torch.from_numpy(PIXELS[:30].copy()), "test": PIXELS[30:].copy()}
    whole = torch.from_numpy(PIXELS.copy())
    given = {**parts, "validation": whole}
    with monkeypatch.context() as unhashed:
        unhashed.setattr("zoo.data.examples.sha256_of", None)
        opened = open_dataset(given, ("train", "validation", "test"))
    for part, images in opened.items():
        assert isinstance(images, Examples)
        assert images.values.data_ptr() == torch.as_tensor(given[part]).data_ptr()
    every = load_examples(whole, None)
    assert isinstance(every, Examples)
    assert every.values.data_ptr() == whole.data_ptr()
    assert every.sha256 == hashlib.sha256(PIXELS.tobytes()).hexdigest()


def test_a_small_part_of_a_large_array_does_not_keep_all_of_it():
    whole = torch.from_numpy(PIXELS.copy())
    test = load_examples({"train": whole[:36], "test": whole[36:]}, "test")
    assert isinstance(test, Examples)
    assert test.values.untyped_storage().nbytes() == PIXELS[36:].size


@pytest.mark.parametrize("path", [".", "../pictures", "./", "../pictures/."])
def test_a_folder_has_a_name_however_it_is_written(tmp_path, monkeypatch, path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(4):
        Image.new("L", (8, 8), n).save(folder / f"{n}.png")
    monkeypatch.chdir(folder)
    assert load_examples(path, "train").dataset == "pictures"
