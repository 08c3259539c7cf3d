"""Which files below a folder are its images, and what is said of the others."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from made import PICTURES, PIXELS, refused
from PIL import Image

from zoo.data import load_examples, open_all
from zoo.data.sources.image_files import FORMATS
from zoo.specs.data import Transform


def keys(folder: str) -> list[str]:
    images = open_all([folder], shape=(1, 9, 10), transform=Transform())
    return [images.key(number) for number in range(len(images))]


def written(*names: str) -> None:
    """Pictures, whatever they are called."""
    for name in names:
        path = Path("f", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PICTURES["00.png"])


def test_hidden_files_and_leftovers_of_systems_are_no_data(caplog):
    written("a.png", "sub/b.png", ".hidden.png", "._a.png", "sub/.c.png", "Thumbs.db", ".DS_Store")
    for place in (
        ".ipynb_checkpoints",
        ".git/x",
        ".Trash-1000",
        "@eaDir",
        "__MACOSX",
        "sub/.cache",
    ):
        written(f"{place}/a-checkpoint.png")
    assert keys("f") == ["a.png", "sub/b.png"]
    assert not caplog.records


def test_a_hidden_folder_that_is_named_itself_is_read():
    written(".pictures/a.png", ".pictures/b/a.png")
    assert keys("f/.pictures") == ["a.png", "b/a.png"]


def test_hidden_folders_beside_train_and_test_are_not_spoken_of(caplog):
    written(".git/a.png", ".a.png", "__MACOSX/train/a.png")
    for part in ("train", "test"):
        written(*(f"{part}/{name}" for name in list(PICTURES)[:20]))
    load_examples("f", "test")
    assert "skipped" not in caplog.text


@pytest.mark.parametrize("places", [("my/train", "my/test"), ("cup/train/good", "nut/test/bad")])
def test_parts_farther_down_are_said_to_be_taken_together(places, caplog):
    for place in places:
        written(*(f"{place}/{name}" for name in list(PICTURES)[:20]))
    load_examples("f", None)
    train, test = (place.removesuffix("/good").removesuffix("/bad") for place in places)
    assert f"'f': {train!r} and {test!r} are merged" in caplog.text


def test_of_links_to_one_folder_the_first_by_name_is_followed(monkeypatch):
    """Systems list a folder in orders of their own."""
    written("z/a.png")
    for name in "bc":
        Path("f", name).symlink_to("z")
    listed = os.walk

    def backwards(*given, **options):
        for place, below, files in listed(*given, **options):
            below.sort(reverse=True)
            yield place, below, files

    monkeypatch.setattr(os, "walk", backwards)
    assert keys("f") == ["b/a.png"]


def test_every_ending_of_the_kinds_that_are_read_is():
    endings = [".png", ".JPG", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff"]
    written(*(f"a{ending}" for ending in endings))
    assert len(keys("f")) == len(endings)


@pytest.mark.skipif("AVIF" not in FORMATS, reason="Pillow reads none here")
def test_avif_is_read_where_pillow_reads_it():
    Path("f").mkdir()
    Image.fromarray(PIXELS[0]).save("f/a.avif")
    assert keys("f") == ["a.avif"]


def test_files_that_are_left_out_are_counted_by_kind(caplog):
    written("a.png", "b.heic", "sub/c.HEIC", "d.txt", "README")
    assert keys("f") == ["a.png"]
    said = "'f': 4 files are skipped: 2 .heic, 1 without extension, 1 .txt."
    assert caplog.messages == [said]


def test_a_folder_without_images_says_what_it_holds():
    written("a.heic", "b.heic")
    assert refused("f").endswith("). It holds 2 .heic.")


def test_a_subfolder_that_cannot_be_read_is_refused(monkeypatch):
    written("a.png", "sub/closed/b.png")
    scan, closed = os.scandir, ["closed", "f"]

    def scandir(path):
        if os.path.basename(path) == closed[0]:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert refused("f") == "Cannot read the folder 'f/sub/closed': Permission denied."
    closed.pop(0)
    assert refused("f") == "Cannot read the folder 'f': Permission denied."
