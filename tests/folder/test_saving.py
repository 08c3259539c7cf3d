"""Saving: what is there already, and disks that are full, read-only or gone."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
import torch
from disks import small_disk
from folders import WEIGHTS, contents, small
from torch.nn.utils import parametrizations, prune

import zoo
from zoo.errors import (
    InputError,
    PluginError,
    WeightsError,
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
    with pytest.raises(InputError, match=r"[Cc]hoose an empty or new folder"):
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
    assert "does not have the zoo's marker and was kept" in caplog.text


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


def linear(model):
    return next(layer for layer in model.modules() if isinstance(layer, torch.nn.Linear))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: prune.l1_unstructured(linear(m), "weight", 0.5), "unexpected 'encoder.0.weight_mask'"),
        (lambda m: parametrizations.weight_norm(linear(m)), "missing encoder.0.weight; unexpected"),
        (lambda m: setattr(m, "head", torch.nn.Linear(8, 10)), "unexpected 'head.bias'"),
        (lambda m: setattr(m, "posterior_head", torch.nn.Linear(512, 8)), "expected ("),
        (lambda m: setattr(m.decoder, "extra", torch.nn.BatchNorm1d(2)), "unexpected 'decoder.extra.bias'"),
    ],
    ids=["pruned", "weight-normed", "with a head", "with another layer", "with more layers"],
)  # fmt: skip
def test_what_could_not_be_loaded_is_not_saved(change, said, tmp_path):
    model = zoo.load("vae-digits-8")
    change(model)
    with pytest.raises(WeightsError) as caught:
        zoo.save(model, tmp_path / "model")
    assert said in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_a_pruned_model_that_was_made_permanent_is_saved(tmp_path):
    model = zoo.load("vae-digits-8")
    prune.l1_unstructured(linear(model), "weight", 0.5)
    prune.remove(linear(model), "weight")
    zoo.save(model, tmp_path / "model")
    assert torch.equal(linear(zoo.load(tmp_path / "model")).weight, linear(model).weight)


WRAPPERS = {
    "DataParallel": torch.nn.DataParallel,
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "both": lambda model: torch.compile(torch.nn.DataParallel(model), backend="eager"),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_a_wrapped_model_is_saved_and_measured_as_itself(wrap, tmp_path):
    model = zoo.load("vae-digits-8")
    zoo.save(wrap(model), tmp_path / "wrapped")
    zoo.save(zoo.load("vae-digits-8"), tmp_path / "plain")
    assert contents(tmp_path / "wrapped") == contents(tmp_path / "plain")
    alone = zoo.evaluate(model, limit=20, device="cpu")
    assert zoo.evaluate(wrap(model), limit=20, device="cpu") == alone
    levels, gray = torch.zeros(1, 1, 8, 8, dtype=torch.uint8), "native:color=gray"
    measured = [
        zoo.measure_reconstructions(one, levels, gray, device="cpu") for one in (model, wrap(model))
    ]
    assert measured[0].mse == measured[1].mse


def test_what_is_no_model_is_refused(tmp_path):
    for other in (
        torch.nn.Linear(2, 3),
        torch.nn.DataParallel(torch.nn.Linear(2, 3)),
        "vae-digits-8",
        None,
    ):
        with pytest.raises(InputError, match=r"Expected a model, as returned by zoo\.load, not"):
            zoo.save(other, tmp_path / "model")


@pytest.mark.parametrize("family", ["vae", "hierarchical-vae", "vq-vae"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_a_model_of_another_width_is_saved_in_float32(family, dtype, tmp_path):
    zoo.save(zoo.build(family, input_shape=(1, 8, 8), latent_dim=3, seed=0), tmp_path / "model")
    other = zoo.load(tmp_path / "model", dtype=dtype)
    zoo.save(other, tmp_path / dtype)
    again = zoo.load(tmp_path / dtype)
    for one, saved in zip(other.parameters(), again.parameters(), strict=True):
        assert torch.equal(one.float(), saved)
