"""Tar shards: WebDataset's layout, read in place; what is damaged or hostile is a sentence."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from made import PICTURES, PIXELS, encoded, refused, tar

from zoo.data import StreamedExamples, load_examples, open_dataset
from zoo.data.sources.shards import OPEN_FILES, Shards, expanded
from zoo.errors import DataError

PARTS = ("train", "validation", "test")


def shards_of(count: int, name: str = "train-{:03}.tar") -> list[Path]:
    """The pictures in so many shards."""
    names = np.array_split(sorted(PICTURES), count)
    return [tar(name.format(i), {n: PICTURES[n] for n in some}) for i, some in enumerate(names)]


def test_shards_and_the_folder_unpacked_from_them_are_the_same_images():
    shards_of(3)
    Path("images").mkdir()
    for name, data in PICTURES.items():
        Path("images", name).write_bytes(data)
    from_shards = load_examples("train-{000..002}.tar", None)
    from_folder = load_examples("images", None)
    assert from_shards.sha256 == from_folder.sha256
    keys = [from_shards.key(i).split("/")[1] + ".png" for i in range(len(from_shards))]
    assert keys == [from_folder.key(i) for i in range(len(from_folder))]


def test_a_folder_a_pattern_and_one_tar_are_read_alike():
    Path("photos").mkdir()
    shards_of(2, "photos/{:03}.tar")
    Path("photos/README.md").write_text("Photos.")
    tar("whole.tar", PICTURES)
    names = ("photos", "photos/{000..001}.tar", "whole.tar", Path("whole.tar"))
    assert len({load_examples(name, "train").sha256 for name in names}) == 1
    assert load_examples("whole.tar", "train").key(0).isdigit()
    assert load_examples("photos", "train").key(0).startswith("000/")


def test_shards_named_train_and_test_are_the_parts():
    Path("photos").mkdir()
    shards_of(3, "photos/train-{}.tar")
    tar("photos/test-0.tar", dict(list(PICTURES.items())[:5]))
    assert [len(images) for images in open_dataset("photos", PARTS).values()] == [38, 2, 5]
    tar("photos/val-0.tar", dict(list(PICTURES.items())[:7]))
    assert [len(images) for images in open_dataset("photos", PARTS).values()] == [40, 7, 5]
    tar("photos/other-0.tar", PICTURES)
    assert "'photos/other-0.tar' does not start with train, validation or test" in refused("photos")


def test_what_stands_beside_an_image_is_not_read():
    members = {}
    for name, data in PICTURES.items():
        members |= {name.replace(".png", ".JSON"): b"{", name: data, name[:2] + ".cls": b"3"}
    tar("a.tar", {**members, "._00.png": b"of a Mac", "__meta__.txt": b"", "notes": b""})
    tar("b.tar", PICTURES)
    assert load_examples("a.tar", "train").sha256 == load_examples("b.tar", "train").sha256


def test_more_shards_than_a_process_keeps_open_are_read():
    paths = [tar(f"{i:03}.tar", {"a.png": PICTURES["00.png"]}) for i in range(OPEN_FILES + 9)]
    source = Shards(paths)
    order = np.random.Generator(np.random.Philox(2)).integers(0, len(paths), 3 * len(paths))
    assert all(np.array_equal(source.read(i), PIXELS[0]) for i in order)
    assert len(source.opened) == OPEN_FILES


def test_an_epoch_follows_shards_and_has_every_image_once(monkeypatch):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    monkeypatch.setattr(Shards, "together", 10)
    monkeypatch.setattr(Shards, "whole", 0)
    shards_of(4)
    images = load_examples("train-{000..003}.tar", "train")
    orders = [images.order(1, epoch) for epoch in range(2)]
    assert all(torch.equal(o.sort().values, torch.arange(len(images))) for o in orders)
    assert not torch.equal(*orders)
    assert torch.equal(orders[1], images.order(1, 1))
    shards = [images.key(int(i)).split("/")[0] for i in orders[0][:10]]
    assert len(set(shards)) <= 2


# What is damaged or hostile


@pytest.mark.parametrize("length", [0, 1, 511, 512, 700, 3000, 5000])
def test_a_shard_cut_short_is_refused(length):
    whole = tar("a.tar", PICTURES).read_bytes()
    Path("a.tar").write_bytes(whole[:length])
    message = refused("a.tar")
    assert message.startswith("'a.tar' is cut short")
    assert "\n" not in message


def test_a_shard_without_its_end_is_read():
    whole = tar("a.tar", PICTURES).read_bytes()
    expected = load_examples("a.tar", "train").sha256
    Path("a.tar").write_bytes(whole.rstrip(b"\0") + bytes(-len(whole.rstrip(b"\0")) % 512))
    assert load_examples("a.tar", "train").sha256 == expected


def test_a_shard_that_is_cut_while_it_is_read_is_an_error_that_names_the_image(monkeypatch):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    path = tar("a.tar", PICTURES)
    images = load_examples("a.tar", "train")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"' of 'a.tar' is cut short"):
        list(images.in_order(10))
    path.unlink()
    with pytest.raises(DataError, match=r"Cannot read '00' of 'a.tar': No such file"):
        load_again(images)


def load_again(images) -> None:
    images.source.parts[0].opened.clear()
    list(images.in_order(10))


def test_a_flipped_byte_gives_as_many_images_or_a_sentence():
    whole = tar("a.tar", {name: PICTURES[name] for name in sorted(PICTURES)[:4]}).read_bytes()
    for place in range(0, len(whole), 41):
        data = bytearray(whole)
        data[place] ^= 0x55
        Path("a.tar").write_bytes(data)
        try:
            assert sum(map(len, open_dataset("a.tar", PARTS).values())) == 4
        except DataError as wrong:
            assert "'a.tar'" in str(wrong)  # noqa: PT017
            assert "\n" not in str(wrong)  # noqa: PT017


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (special("a.png", tarfile.SYMTYPE, "/etc/passwd"), "'a.png' of 'a.tar' is a link"),
        (special("a.png", tarfile.LNKTYPE, "00.png"), "'a.png' of 'a.tar' is a link"),
        (special("a.png", tarfile.CHRTYPE), "neither a file nor a folder"),
        (special("a.png", tarfile.FIFOTYPE), "neither a file nor a folder"),
        (special("/etc/a.png", tarfile.REGTYPE), "The name '/etc/a.png' in 'a.tar' leads outside"),
        (special("a/../../a.png", tarfile.REGTYPE), "leads outside the archive"),
    ],
    ids=["link", "hard link", "device", "fifo", "absolute", "upwards"],
)
def test_what_is_no_plain_file_in_a_shard_is_refused(member, why):
    tar("a.tar", PICTURES, member)
    assert why in refused("a.tar")


def test_shards_without_images_are_refused():
    tar("a.tar", {})
    assert "No images in 'a.tar' (looked for .png, .jpg" in refused("a.tar")
    tar("b.tar", {"a.txt": b"hello", "a.json": b"{}"})
    assert "No images in 'b.tar'" in refused("b.tar")


def test_two_images_of_one_key_are_refused():
    tar("a.tar", {**PICTURES, "07.jpg": PICTURES["07.png"]})
    message = refused("a.tar")
    assert message.startswith("'a.tar' has two images with the key '07', the name up to its")
    assert "'png' or 'jpg'" in message


def test_one_of_several_images_of_a_sample_is_chosen_by_its_extension():
    gray, other = encoded(PIXELS[0]), encoded(PIXELS[1])
    members = {}
    for number in range(30):
        members |= {f"{number}.png": gray, f"{number}.SEG.png": other}
    tar("a.tar", members)
    assert (
        "data.column chooses an image by the extension after the dot: 'png' or 'seg.png'"
        in refused("a.tar")
    )
    for column, expected in (("png", PIXELS[0]), ("seg.png", PIXELS[1])):
        found = load_examples("a.tar", "train", column=column)
        assert np.array_equal(found.first(1)[0, 0], expected)
    with pytest.raises(DataError, match=r"in 'a.tar' has the extension 'jpg'; found png, seg.png"):
        load_examples("a.tar", "train", column="jpg")


def test_what_macos_and_tar_programs_put_beside_files_is_passed_over():
    members = {}
    for name, data in PICTURES.items():
        foreign = (f"./photos/._{name}", f"__MACOSX/photos/._{name}", f"photos/PaxHeaders.7/{name}")
        members |= {f"./photos/{name}": data, **dict.fromkeys(foreign, b"of a Mac")}
    tar("a.tar", {**members, "./photos/.DS_Store": b"", "./._photos": b""})
    tar("b.tar", {f"photos/{name}": data for name, data in PICTURES.items()})
    assert load_examples("a.tar", "train").sha256 == load_examples("b.tar", "train").sha256
    assert load_examples("a.tar", "train").key(0).startswith("photos/")


def test_headers_of_gigabytes_are_refused_unread():
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
        member = tarfile.TarInfo("a")
        member.type, member.size = kind, 3 * 2**30
        with Path("a.tar").open("wb") as file:
            file.write(member.tobuf(tarfile.GNU_FORMAT))
            file.truncate(2**32)
        assert "one of its headers has 3,221,225,472 bytes" in refused("a.tar")


def test_a_pattern_counts_lists_and_finds_what_is_there():
    for name in ("s-08", "s-09", "s-10", "t"):
        tar(f"{name}.tar", {f"{name}.png": PICTURES["00.png"]})
    names = {
        "s-{08..10}.tar": ["s-08", "s-09", "s-10"],
        "s-{10..8}.tar": None,
        "{s-10,t}.tar": ["s-10", "t"],
        "s-{08..09}.tar::t.tar": ["s-08", "s-09", "t"],
        "s-*.tar": ["s-08", "s-09", "s-10"],
    }
    for pattern, expected in names.items():
        if expected is None:
            assert "The shard 's-9.tar' does not exist: 1 of the 3 shards of" in refused(pattern)
        else:
            assert [path.stem for path in expanded(pattern)] == expected
    assert "No file matches 'u-*.tar'" in refused("u-*.tar")


def test_a_pattern_reads_no_environment(monkeypatch):
    monkeypatch.setenv("X", "a")
    monkeypatch.setenv("WDS_X", "a")
    tar("a.tar", PICTURES)
    assert "The shard '$X.tar' does not exist" in refused("${X}.tar")


def test_a_damaged_image_in_a_shard_is_named_counted_and_left_out(caplog):
    tar("a.tar", {**PICTURES, "05.png": b"hello", "07.png": b""})
    parts = {part: load_examples("a.tar", part, max_damaged=2) for part in PARTS}
    assert sum(map(len, parts.values())) == 38
    assert "'05' of 'a.tar' cannot be read as an image" in caplog.text
    assert "'07' of 'a.tar' cannot be read as an image" in caplog.text
    split = next(p for p in PARTS if len(parts[p]) < len(load_examples(PIXELS, p)))
    assert "' of 'a.tar' cannot be read as an image" in refused("a.tar", split=split)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "A.TAR.XZ"])
def test_a_compressed_shard_is_refused(name):
    Path(name).write_bytes(b"\x1f\x8b")
    assert f"{name!r} is compressed" in refused(f"./{name}")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("pipe:touch ran; cat {0..1}.tar", "is not a path: tar shards must be local files"),
        ("http://127.0.0.1:9/{0..1}.tar", "'http://127.0.0.1:9/0.tar' is not a path"),
        (
            "a-{0..3}.tar",
            "The shard 'a-0.tar' does not exist: 0 of the 4 shards of 'a-{0..3}.tar' exist",
        ),
        ("a-{0..99999999}.tar", "names more than 100,000 shards"),
        ("{a}{0..1}{.tar", "is not a valid pattern of shards"),
        ("a.tar::a.tar", "names a shard twice"),
    ],
)
def test_a_pattern_that_names_no_files_is_refused_and_nothing_is_run(pattern, why):
    assert why in refused(pattern)
    assert not Path("ran").exists()


# In memory and streamed


def test_where_images_are_held_changes_neither_their_order_nor_their_mean(monkeypatch):
    monkeypatch.setattr(Shards, "whole", 0)
    shards_of(4)
    held = load_examples("train-{000..003}.tar", "train")
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    streamed = load_examples("train-{000..003}.tar", "train")
    assert isinstance(streamed, StreamedExamples)
    assert not isinstance(held, StreamedExamples)
    assert torch.equal(held.order(3, 5), streamed.order(3, 5))
    assert torch.equal(held.mean(), streamed.mean())
    assert torch.equal(held.mean(), held.values.float().mean(0) / 255)
