"""Saving: what is there already, and disks that are full, read-only or gone."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
import torch
from disks import small_disk
from folders import WEIGHTS, contents, small

import zoo
from zoo.errors import (
    InputError,
    PluginError,
    ZooError,
)
from zoo.folder import store

# Saving where something is


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.txt", "mine"),
        ("config.json", '{"model_type": "bert"}'),
        ("config.json", "{"),
        ("config.json", '{"format": "autoencoder-zoo/2"}'),
        ("config.json", '{"format": "mine/1"}'),
    ],
)
def test_a_folder_of_something_else_is_not_saved_into(tmp_path, name, text):
    Path("other").mkdir()
    Path("other", name).write_text(text)
    with pytest.raises(InputError, match=r"[Nn]ame an empty or new folder"):
        zoo.save(small(), "other")
    assert contents(tmp_path / "other") == {name: text.encode()}


@pytest.mark.parametrize("kind", ["fifo", "folder", "zero"])
@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "README.md"])
def test_what_is_no_file_in_a_files_place_is_not_replaced(here, name, kind):
    (here / name).unlink()
    if kind == "fifo":
        os.mkfifo(here / name)
    elif kind == "folder":
        (here / name).mkdir()
    else:
        (here / name).symlink_to("/dev/zero")
    before, status = contents(here), os.lstat(here / name)
    with pytest.raises(ZooError, match="not a regular file"):
        zoo.save(small(seed=9), here)
    assert contents(here) == before
    assert os.lstat(here / name).st_mode == status.st_mode


def test_a_file_is_no_folder_to_save_into(tmp_path):
    Path("file").write_text("mine")
    with pytest.raises(InputError, match="'file' is a file, not a folder"):
        zoo.save(small(), "file")
    with pytest.raises(ZooError, match=r"Cannot write 'file/below': Not a directory"):
        zoo.save(small(), "file/below")
    assert Path("file").read_text() == "mine"


def test_a_file_where_the_figures_go_changes_nothing(trained, here):
    (here / "figures").write_text("mine")
    before = contents(here)
    with pytest.raises(ZooError, match="figures"):
        zoo.save(zoo.load(trained), here)
    assert contents(here) == before


def test_pictures_in_a_linked_folder_are_not_deleted(here):
    Path("album").mkdir()
    Path("album/holiday.png").write_bytes(b"mine")
    (here / "figures").symlink_to("../album")
    zoo.save(small(seed=9), here)
    assert Path("album/holiday.png").read_bytes() == b"mine"


def test_a_class_that_is_no_family_is_not_saved(tmp_path):
    class Mine(type(small())):
        pass

    with pytest.raises(PluginError, match=r"Mine is not a registered family. Put @zoo.register"):
        zoo.save(Mine(small().spec), "mine")
    assert not Path("mine").exists()


def test_a_card_of_its_author_and_the_pictures_it_shows_stay(here, caplog):
    (here / "README.md").write_text("# Mine\n![m](figures/mine.png)\n")
    (here / "figures").mkdir(exist_ok=True)
    (here / "figures" / "mine.png").write_bytes(b"mine")
    zoo.save(small(seed=9), here)
    assert (here / "README.md").read_text().startswith("# Mine")
    assert (here / "figures" / "mine.png").read_bytes() == b"mine"
    assert "lacks the zoo's mark and was left as it is" in caplog.text


# A disk that is full, read-only, or gone


def still_loads(folder: Path, before: dict[str, bytes]) -> None:
    assert contents(folder) == before
    assert torch.equal(
        zoo.load(folder).get_parameter("decoder.1.bias"), small().get_parameter("decoder.1.bias")
    )


def fail_at(call: str, moment: int, errno: int, monkeypatch) -> None:
    """Makes one call of `os` fail: the n-th that is on the way, before the renames at the end."""
    real, left = getattr(os, call), [moment]

    def fails_once(*arguments, **options):
        on_the_way = call != "replace" or ".saving." in str(Path(arguments[1]).parent)
        left[0] -= on_the_way
        if on_the_way and left[0] == -1:
            raise OSError(errno, os.strerror(errno))
        return real(*arguments, **options)

    monkeypatch.setattr(os, call, fails_once)


@pytest.mark.parametrize("errno", [28, 30, 5], ids=["full", "read-only", "broken"])
@pytest.mark.parametrize(
    ("call", "moments"),
    [("fsync", 3), ("replace", 3), ("mkdir", 1)],
    ids=["fsync", "replace", "mkdir"],
)
def test_a_save_that_fails_at_any_moment_leaves_the_old_model(
    here, monkeypatch, call, moments, errno
):
    before, model = contents(here), small(seed=9, hidden=6)
    for moment in range(moments):  # config, weights, card
        with monkeypatch.context() as patch:
            fail_at(call, moment, errno, patch)
            with pytest.raises(ZooError) as failed:
                zoo.save(model, here)
        assert os.strerror(errno) in str(failed.value)
        assert ("Free some space" in str(failed.value)) == (errno == 28)
        still_loads(here, before)
    fail_at(call, moments, errno, monkeypatch)
    zoo.save(model, here)
    assert zoo.load(here).spec.body.hidden == (6,)


def test_a_disk_with_room_for_half_a_model_keeps_the_old_one(tmp_path):
    disk = tmp_path / "disk"
    with small_disk(disk) as remount:
        zoo.save(small(), disk / "model")
        before = contents(disk / "model")
        with pytest.raises(ZooError, match=r"No space left on device\. Free some space"):
            zoo.save(small(seed=9, hidden=2000), disk / "model")
        still_loads(disk / "model", before)
        with pytest.raises(ZooError, match="No space left on device"):
            zoo.save(small(seed=9, hidden=2000), disk / "new")
        assert not (disk / "new").exists()
        remount("ro")
        with pytest.raises(ZooError, match="Read-only file system"):
            zoo.save(small(seed=9), disk / "model")
        still_loads(disk / "model", before)


def test_a_limit_on_the_size_of_files_keeps_the_old_model(here):
    before = contents(here)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # Python ignores SIGXFSZ by itself
    try:
        with pytest.raises(ZooError, match="File too large"):
            zoo.save(small(seed=9), here)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    still_loads(here, before)


def test_an_interrupted_save_keeps_the_old_model(here, monkeypatch):
    before = contents(here)

    def interrupted(info):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.save_folder(small(seed=9), here, card=interrupted)
    still_loads(here, before)
