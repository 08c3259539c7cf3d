"""Images from folders, and files to encode."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from made import PIXELS, Evil, npy, picture, read_images_for, refused
from PIL import Image

from zoo.data import StreamedExamples, load_examples, open_dataset
from zoo.errors import DataError

# Folders of images


def test_a_folder_is_read_in_the_order_of_its_paths():
    for i in reversed(range(12)):
        picture(Path("images", f"{i % 3}", f"{i:02}.png"), PIXELS[i])
    images = load_examples("images", None)
    order = [i for rest in range(3) for i in range(12) if i % 3 == rest]
    assert np.array_equal(images.values[:, 0].numpy(), PIXELS[order])
    assert images.shape == (1, 9, 10)


def test_pictures_of_a_model_among_them_are_not_images_of_the_dataset():
    for i in range(12):
        picture(Path("images", f"{i:02}.png"), PIXELS[i])
    model = Path("images", "runs", "run", "model")
    picture(model / "figures" / "samples.png", PIXELS[0])
    (model / "model.safetensors").touch()
    assert (
        sum(len(part) for part in open_dataset("images", ("train", "validation", "test")).values())
        == 12
    )


def test_folders_named_train_and_test_are_the_parts():
    for i in range(12):
        picture(Path("images", "train" if i < 10 else "test", f"{i:02}.png"), PIXELS[i])
    parts = open_dataset("images", ("train", "validation", "test"))
    assert [len(images) for images in parts.values()] == [9, 1, 2]
    assert np.array_equal(parts["test"].values[:, 0].numpy(), PIXELS[10:12])


def test_gray_images_beside_color_ones_become_color():
    color = np.stack([PIXELS[0]] * 3, axis=-1)
    for i in range(3):
        picture(Path("mixed", f"{i}.png"), PIXELS[i] if i else color)
    assert load_examples("mixed", "train", shape=(3, 9, 10)).shape == (3, 9, 10)
    picture(Path("parts", "train", "a.png"), PIXELS[0])
    picture(Path("parts", "train", "b.png"), PIXELS[1])
    picture(Path("parts", "test", "a.png"), color)
    assert load_examples("parts", "train", shape=(3, 9, 10)).shape == (3, 9, 10)


def test_images_of_several_sizes_are_refused_with_both():
    for i in range(4):
        picture(Path("images", f"{i}.png"), PIXELS[i, :8] if i else PIXELS[i])
    message = refused("images", split="train")
    assert ".png' is 8 x 10, not 9 x 10." in message
    assert "data.transform = {resize = 10, crop = 'center'} makes it fit." in message


def test_parts_of_several_sizes_in_folders_are_refused():
    for i in range(4):
        picture(Path("images", "train", f"{i}.png"), PIXELS[i])
        picture(Path("images", "test", f"{i}.png"), PIXELS[i, :, :8])
    assert "'images/test/0.png' is 9 x 8, not 9 x 10." in refused("images")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_images_in_a_folder_are_refused(count):
    for i in range(count):
        picture(Path("images", f"{i}.png"), PIXELS[i])
    assert f"'images' has {count} images; at least 3 are needed" in refused("images")


def test_a_folder_without_images_is_refused():
    Path("images").mkdir()
    Path("images/notes.txt").touch()
    assert "No images in 'images' (looked for .png, .jpg" in refused("images")


@pytest.mark.parametrize(
    "data",
    [b"", b"hello, I am a text", b"\x89PNG\r\n\x1a\n", pickle.dumps(Evil()), b"\xff\xd8\xff"],
    ids=["empty", "text", "png", "pickle", "jpeg"],
)
def test_a_file_that_is_no_image_is_refused_by_name(data):
    for i in range(4):
        picture(Path("images", f"{i}.png"), PIXELS[i])
    Path("images/2.png").write_bytes(data)
    with pytest.raises(DataError, match=r"'images/2.png' cannot be read as an image"):
        open_dataset("images", ("train", "validation", "test"))
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
    with pytest.raises(DataError, match=r"'deep.tiff' has more than 8 bits per channel"):
        read_images_for((1, 9, 10), [Path("deep.tiff")])


def test_an_image_of_too_many_pixels_is_refused(monkeypatch):
    picture(Path("large.png"), PIXELS[0])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="cannot be read as an image: Image size"):
        read_images_for((1, 9, 10), [Path("large.png")])


def test_an_image_is_read_as_it_was_taken():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Path("images").mkdir()
    for i in range(4):
        Image.fromarray(PIXELS[i]).save(f"images/{i}.png", exif=exif)
    upright = np.ascontiguousarray(np.rot90(PIXELS[:4], -1, axes=(1, 2)))
    assert load_examples("images", None).sha256 == load_examples(upright, None).sha256


def test_an_image_that_would_take_gigabytes_is_refused_unread():
    rows = b"P5 100000 100000 255\n" + bytes(100)
    Path("bomb.pgm").write_bytes(rows)
    with pytest.raises(DataError, match=r"'bomb.pgm' cannot be read as an image: Image size"):
        read_images_for((1, 9, 10), [Path("bomb.pgm")])


def test_a_folder_of_more_than_fits_is_streamed(monkeypatch):
    for i in range(12):
        picture(Path("images", f"{i:02}.png"), PIXELS[i])
    held = load_examples("images", "train")
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 3 * 90)
    streamed = load_examples("images", "train")
    assert isinstance(streamed, StreamedExamples)
    assert torch.equal(torch.cat(list(streamed.in_order(5))), held.values)


def test_a_folder_of_two_kinds_is_refused():
    picture(Path("images", "a", "0.png"), PIXELS[0])
    Path("images/old.tar").touch()
    assert "'images' holds images ('a/0.png') and tar shards ('old.tar')" in refused("images")


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
    [PIXELS[:, :8], PIXELS[None], PIXELS[:, None, :, :9]],
    ids=range(3),
)
def test_images_of_another_shape_to_encode_are_refused_not_resized(array):
    Path("a.npy").write_bytes(npy(array))
    with pytest.raises(DataError, match=r"'a.npy': image 0 is .*, not .*") as caught:
        read_images_for((1, 9, 10), [Path("a.npy")])
    assert "data.transform" in str(caught.value) or "Convert it" in str(caught.value)


def test_a_color_image_is_not_made_gray():
    picture(Path("a.png"), np.stack([PIXELS[0]] * 3, axis=-1))
    with pytest.raises(DataError, match=r"'a.png' is color, not gray"):
        read_images_for((1, 9, 10), [Path("a.png")])


@pytest.mark.parametrize("name", ["nowhere.png", "nowhere.npy", "folder", "fifo.png", "fifo.npz"])
def test_a_file_to_encode_that_is_none_is_refused(name):
    Path("folder").mkdir()
    os.mkfifo("fifo.png")
    os.mkfifo("fifo.npz")
    with pytest.raises(DataError, match=name):
        read_images_for((1, 9, 10), [Path(name)])


def test_a_format_that_starts_a_program_is_not_opened():
    Path("a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(DataError, match=r"'a.png' cannot be read as an image"):
        read_images_for((1, 9, 10), [Path("a.png")])
