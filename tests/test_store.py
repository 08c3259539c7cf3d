"""The store: a folder <-> a model. Strict, verified, byte-reproducible; a failure loses nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import shutil
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import safetensors.torch
import torch

import zoo
from zoo import families, published, store
from zoo.errors import (
    InputError,
    IntegrityError,
    MismatchError,
    PluginError,
    UnsafeFormatError,
    WeightsError,
    ZooError,
)

WEIGHTS = "model.safetensors"
RECIPE = """
[model]
family = "vae"
image_shape = [1, 8, 8]
latent_dim = 3
body = {kind = "mlp", hidden = [5]}
[data]
dataset = "digits"
protocol = "binarised"
[training]
epochs = 1
"""


def small(seed: int = 0, hidden: int = 5) -> zoo.Autoencoder:
    body = {"kind": "mlp", "hidden": [hidden]}
    return zoo.build("vae", image_shape=(1, 8, 8), latent_dim=3, body=body, seed=seed)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """A model that was built and saved."""
    path = tmp_path_factory.mktemp("store") / "model"
    zoo.save(small(), path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model that was trained: with recipe, metrics and figures."""
    path = tmp_path_factory.mktemp("store")
    (path / "recipe.toml").write_text(RECIPE)
    return zoo.train(path / "recipe.toml", out=path / "run", device="cpu").folder / "model"


@pytest.fixture
def here(plain, tmp_path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "model"))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def put_weights(folder: Path, data: bytes, *, say_so: bool = True) -> None:
    """Other weights, and, unless told otherwise, their own sha256 in config.json."""
    (folder / WEIGHTS).write_bytes(data)
    if say_so:
        config = json.loads((folder / "config.json").read_text())
        config["weights_sha256"] = hashlib.sha256(data).hexdigest()
        (folder / "config.json").write_text(json.dumps(config))


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load((folder / WEIGHTS).read_bytes())


def refused(folder: Path, error: type[ZooError]) -> str:
    with pytest.raises(error) as caught:
        zoo.load(folder)
    assert type(caught.value) is error
    return str(caught.value)


# What comes back


def test_what_was_saved_is_loaded_in_eval_mode(plain):
    model, again = small(), zoo.load(plain)
    assert again.spec == model.spec
    assert not again.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(model.encode(x), again.encode(x))
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_the_info_says_what_the_folder_says(trained):
    info = zoo.load(trained).info
    assert (info.family, info.data, info.parameters) == ("vae", "digits", 765)
    assert info.sha256 == hashlib.sha256((trained / WEIGHTS).read_bytes()).hexdigest()
    assert info == zoo.info(trained)


@pytest.mark.parametrize("family", sorted(families.BUILT_IN))
def test_saving_the_same_model_twice_gives_byte_equal_folders(family, tmp_path):
    model = zoo.build(family, image_shape=(1, 9, 12), latent_dim=3, seed=1)
    zoo.save(model, "one")
    zoo.save(model, "two/deep")
    assert contents(tmp_path / "one") == contents(tmp_path / "two" / "deep")
    assert set(contents(tmp_path / "one")) == {"config.json", WEIGHTS, "README.md"}


def test_loading_and_saving_gives_a_byte_equal_folder(trained, tmp_path):
    before = contents(trained)
    assert "figures/samples.png" in before
    zoo.save(zoo.load(trained), tmp_path / "again")
    assert contents(tmp_path / "again") == before
    zoo.save(zoo.load(tmp_path / "again"), tmp_path / "again")
    assert contents(tmp_path / "again") == before


def test_no_file_names_a_path_or_a_host(trained):
    strangers = (str(trained.parent), os.uname().nodename, str(Path.home()))
    for name, data in contents(trained).items():
        for stranger in strangers:
            assert len(stranger) < 3 or stranger.encode() not in data, name


def test_the_weights_file_has_one_plain_key_of_metadata(plain):
    data = (plain / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert json.loads(data[8 : 8 + length])["__metadata__"] == {"format": "pt"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_are_stored_as_float32_whatever_the_models_dtype(here, dtype):
    zoo.save(zoo.load(here, dtype=dtype), "other")
    assert all(tensor.dtype == torch.float32 for tensor in tensors_of(Path("other")).values())
    assert next(zoo.load(Path("other"), dtype=dtype).parameters()).dtype == dtype


def test_loading_and_saving_leave_the_global_random_state_alone(plain):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model = zoo.load(plain)
    assert torch.equal(torch.get_rng_state(), before)
    zoo.save(model, "other")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_changed_model_loses_its_numbers_and_pictures(trained, tmp_path):
    model = zoo.load(trained)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    zoo.save(model, "changed")
    assert set(contents(tmp_path / "changed")) == {"config.json", WEIGHTS, "README.md"}


def test_saving_over_a_trained_folder_leaves_nothing_of_the_old_model(trained, tmp_path):
    shutil.copytree(trained, "model")
    Path("model/notes.txt").write_text("mine")
    zoo.save(small(seed=9), "model")
    zoo.save(small(seed=9), "fresh")
    assert contents(tmp_path / "model") == {**contents(tmp_path / "fresh"), "notes.txt": b"mine"}


# Weights that are not what they should be


def test_a_flipped_byte_is_refused_wherever_it_is(here):
    data = (here / WEIGHTS).read_bytes()
    for place in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[place] ^= 1
        (here / WEIGHTS).write_bytes(flipped)
        message = refused(here, IntegrityError)
        assert hashlib.sha256(flipped).hexdigest()[:12] in message
        assert hashlib.sha256(data).hexdigest()[:12] in message
        assert "Fetch it again" in message


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1])
def test_a_truncated_file_is_refused(here, length):
    data = (here / WEIGHTS).read_bytes()
    put_weights(here, data[:length], say_so=False)
    assert "its bytes are not the published ones" in refused(here, IntegrityError)
    put_weights(here, data[:length])
    assert "is not a safetensors file" in refused(here, WeightsError)


def test_a_file_with_more_at_its_end_is_refused(here):
    put_weights(here, (here / WEIGHTS).read_bytes() + b"\0")
    assert "is not a safetensors file" in refused(here, WeightsError)


def test_an_oversized_file_is_refused_unread(here):
    os.truncate(here / WEIGHTS, 10**12)
    assert "has 1,000,000,000,000 bytes; at most" in refused(here, WeightsError)


def test_a_file_far_too_small_for_its_spec_is_refused_unread(here):
    config = json.loads((here / "config.json").read_text())
    config["spec"]["body"]["hidden"] = [20_000, 20_000]
    (here / "config.json").write_text(json.dumps(config))
    message = refused(here, MismatchError)
    assert "802,820,070 parameters, as its Spec says, need 3,211,280,280" in message
    assert "It was not read." in message


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("say_so", [True, False])
def test_a_renamed_pickle_is_refused_and_never_run(here, zipped, say_so):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (Path("ran").absolute(),))

    buffer = io.BytesIO()
    torch.save({"evil": Evil(), **tensors_of(here)}, buffer, _use_new_zipfile_serialization=zipped)
    put_weights(here, buffer.getvalue(), say_so=say_so)
    message = refused(here, UnsafeFormatError)
    assert "is a pickle by its first bytes, whatever its name" in message
    assert "Pickle files can run code" in message
    assert not Path("ran").exists()


def test_a_header_of_any_length_is_not_taken_for_a_pickle(here):
    """A length of 0x380 begins with the two bytes with which a pickle begins."""
    data = (here / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    for wanted in (0x380, 0x480, 0x580):
        header = data[8 : 8 + length].rstrip().ljust(wanted)
        put_weights(here, struct.pack("<Q", wanted) + header + data[8 + length :])
        assert (here / WEIGHTS).read_bytes()[0] == 0x80
        zoo.load(here)


def test_missing_unexpected_and_misshapen_tensors_are_all_listed(here):
    tensors = tensors_of(here)
    del tensors["posterior_head.bias"]
    tensors["extra\x1b[2J"] = torch.zeros(1)
    tensors["encoder.0.weight"] = torch.zeros(5, 63)
    tensors["decoder.0.bias"] = torch.zeros(5, dtype=torch.int32)
    put_weights(here, safetensors.torch.save(tensors))
    message = refused(here, MismatchError)
    for problem in (
        "missing posterior_head.bias",
        r"unexpected 'extra\x1b[2J'",
        "encoder.0.weight is (5, 63), expected (5, 64)",
        "decoder.0.bias is torch.int32, expected torch.float32",
        "Nothing was loaded.",
    ):
        assert problem in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16, torch.int8])
def test_weights_of_another_dtype_are_refused(here, dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in tensors_of(here).items()}
    put_weights(here, safetensors.torch.save(tensors))
    assert f"is {dtype}, expected torch.float32" in refused(here, MismatchError)


def test_weights_of_another_family_are_refused(here):
    zoo.save(zoo.build("ae", image_shape=(1, 8, 8), latent_dim=3), "ae")
    put_weights(here, Path("ae", WEIGHTS).read_bytes())
    message = refused(here, MismatchError)
    assert "missing posterior_head.weight" in message
    assert "unexpected 'code.weight'" in message


def test_many_problems_with_tensors_give_a_short_message(here):
    many = {f"t{i}": torch.zeros(1) for i in range(500)}
    put_weights(here, safetensors.torch.save({**tensors_of(here), **many}))
    message = refused(here, MismatchError)
    assert "unexpected 't0'" in message
    assert "and 494 more like it" in message
    assert len(message) < 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_both_ways(here, value):
    tensors = tensors_of(here)
    tensors["decoder.1.bias"][3] = value
    put_weights(here, safetensors.torch.save(tensors))
    assert "decoder.1.bias holds numbers that are not finite" in refused(here, WeightsError)
    model = small()
    with torch.no_grad():
        model.get_parameter("decoder.1.bias")[3] = value
    with pytest.raises(WeightsError, match=r"decoder.1.bias .* not finite: nothing was saved"):
        zoo.save(model, "nan")
    assert not Path("nan").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [-1, 64]},
        {"shape": [2**62, 2**62]},
        {"shape": [2**40]},
        {"data_offsets": [0, 2**62]},
        {"data_offsets": [2**62, 0]},
        {"data_offsets": [0, 4]},
        {"dtype": "OBJECT"},
        {"dtype": "F8_E4M3"},
        {"dtype": None},
    ],
    ids=str,
)
def test_a_hostile_header_is_refused(here, change):
    data = (here / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["encoder.0.weight"].update(change)
    text = json.dumps(header).encode()
    put_weights(here, struct.pack("<Q", len(text)) + text + data[8 + length :])
    assert "is not a safetensors file" in refused(here, WeightsError)


@pytest.mark.parametrize("length", [0, 2, 2**31, 2**63, 2**64 - 1])
def test_a_header_of_impossible_length_is_refused(here, length):
    put_weights(here, struct.pack("<Q", length) + (here / WEIGHTS).read_bytes()[8:])
    assert "is not a safetensors file" in refused(here, WeightsError)


def test_a_published_model_is_held_to_the_index(here, monkeypatch):
    data = {name: hashlib.sha256((here / name).read_bytes()).hexdigest() for name in contents(here)}

    def line(**changes) -> None:
        fields = {"config_sha256": data["config.json"], "weights_sha256": data[WEIGHTS], **changes}
        index = published.IndexLine("tiny", "vae", "mit", 1, **fields)
        monkeypatch.setattr(published, "index", lambda: {"tiny": index})

    monkeypatch.setattr(published, "folder", lambda name: here)
    line()
    assert zoo.load("tiny").info.licence == "mit"
    line(config_sha256="0" * 64)
    with pytest.raises(IntegrityError, match=r"config.json' is .*, expected 000000000000"):
        zoo.load("tiny")
    line(weights_sha256="0" * 64)
    with pytest.raises(IntegrityError, match=r"model.safetensors' is .*, expected 000000000000"):
        zoo.load("tiny")
    line()
    tensors = tensors_of(here)
    tensors["decoder.1.bias"][0] += 1
    put_weights(here, safetensors.torch.save(tensors))  # with its hash in the folder
    with pytest.raises(IntegrityError, match=r"config\.json"):
        zoo.load("tiny")


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


@contextmanager
def small_disk(folder: Path):
    """A file system of 64 kB, where this user may make one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("no file system can be mounted here")
    try:
        yield lambda mode: subprocess.run(["mount", "-o", f"remount,{mode}", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_card_of_its_author_and_the_pictures_it_shows_stay(here, caplog):
    (here / "README.md").write_text("# Mine\n![m](figures/mine.png)\n")
    (here / "figures").mkdir(exist_ok=True)
    (here / "figures" / "mine.png").write_bytes(b"mine")
    zoo.save(small(seed=9), here)
    assert (here / "README.md").read_text().startswith("# Mine")
    assert (here / "figures" / "mine.png").read_bytes() == b"mine"
    assert "lacks the zoo's mark and was left as it is" in caplog.text
