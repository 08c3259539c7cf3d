"""Named datasets: digits, and MNIST and its kin in torchvision's layout, damaged in every way.

No test reaches the network: every download fails, each in its own way.
"""

from __future__ import annotations

import errno
import http.client
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.data import load_examples, open_dataset
from zoo.datasets import NAMED, WITH_FACTORS, digits, idx
from zoo.datasets.idx import data_folder
from zoo.errors import DataError, OfflineError, UnknownNameError, ZooError

TRAIN, TEST = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"
COUNTS = {TRAIN: 6_000, TEST: 1_000}
"""A tenth of the real ones, to be quick."""
REAL = idx.FILES
NO_NAME = urllib.error.URLError(OSError(-2, "Name or service not known"))


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch) -> Path:
    """ZOO_DATA, empty, and a network that is not there."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    network_fails(monkeypatch, NO_NAME)
    monkeypatch.setattr(idx, "FILES", {"train": (TRAIN, 6_000), "test": (TEST, 1_000)})
    return tmp_path / "data"


def network_fails(monkeypatch, failure: BaseException) -> None:
    def fail(*arguments, **options):
        raise failure

    monkeypatch.setattr(urllib.request, "urlopen", fail)


def header(count: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in (0x0803, count, 28, 28))


def write_kin(data: Path, kind: str = "KMNIST", counts: dict[str, int] = COUNTS) -> Path:
    """Files of the right sizes: image i of each part is of level i % 256."""
    raw = data / kind / "raw"
    raw.mkdir(parents=True)
    for name, count in counts.items():
        levels = np.arange(count).astype(np.uint8)
        (raw / name).write_bytes(header(count) + np.repeat(levels, 784).tobytes())
    return raw


def refused(name: str, error: type[ZooError]) -> str:
    with pytest.raises(error) as caught:
        load_examples(name, "test")
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is there


def test_the_parts_of_digits_are_fixed():
    parts = open_dataset("digits", ("train", "validation", "test", "train+validation"))
    assert [len(images) for images in parts.values()] == [1297, 200, 300, 1497]
    assert all(images.shape == (1, 8, 8) for images in parts.values())
    joined = torch.cat([parts["train"].values, parts["validation"].values])
    assert torch.equal(parts["train+validation"].values, joined)


def test_digits_have_levels_from_0_to_255():
    from sklearn.datasets import load_digits

    test = load_examples("digits", "test").values[:, 0].numpy()
    assert test.dtype == np.uint8
    assert np.array_equal(test, np.rint(load_digits().images[-300:] * 255 / 16))
    assert (test.min(), test.max()) == (0, 255)


def test_the_validation_part_is_the_last_5000_training_images(data, monkeypatch):
    monkeypatch.setattr(idx, "FILES", REAL)
    write_kin(data, counts=dict(REAL.values()))
    parts = open_dataset("kmnist", ("train", "validation", "test", "train+validation"))
    assert [len(images) for images in parts.values()] == [55_000, 5_000, 10_000, 60_000]
    first = {name: int(images.values[0, 0, 0, 0]) for name, images in parts.items()}
    assert first == {"train": 0, "validation": 55_000 % 256, "test": 0, "train+validation": 0}
    for images in parts.values():
        assert images.shape == (1, 28, 28)
        assert images.values.dtype == torch.uint8
        assert torch.equal(images.values[5], images.values[5, 0, 0, 0].expand(1, 28, 28))


def test_a_home_folder_in_zoo_data_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ZOO_DATA", "~/data")
    assert data_folder() == tmp_path / "data"
    monkeypatch.setenv("ZOO_DATA", "~nobody-of-that-name/data")
    assert "Cannot expand '~' in" in refused("mnist", DataError)


def test_without_zoo_data_it_is_the_platforms_cache(monkeypatch):
    monkeypatch.delenv("ZOO_DATA")
    assert data_folder().name == "autoencoder-zoo"
    monkeypatch.setenv("ZOO_DATA", "")
    assert data_folder().name == "autoencoder-zoo"


# What is not there


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist"])
def test_missing_data_say_where_they_would_lie_and_what_to_do(data, name):
    message = refused(name, OfflineError)
    assert message.startswith(f"{name} is not in {str(data)!r} and could not be downloaded (")
    assert "Name or service not known" in message
    assert "Connect to the internet once, or set ZOO_DATA" in message
    assert f"torchvision's layout ({NAMED[name].torchvision}/raw/)." in message


@pytest.mark.parametrize("missing", [TRAIN, TEST])
def test_one_missing_file_is_missing_data(data, missing):
    (write_kin(data, "MNIST") / missing).unlink()
    assert "could not be downloaded" in refused("mnist", OfflineError)


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.HTTPError(
            "http://x", 503, "Service Unavailable", http.client.HTTPMessage(), None
        ),
        urllib.error.URLError(ssl.SSLCertVerificationError("certificate has expired")),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("The read operation timed out"),
        http.client.IncompleteRead(b"half"),
        http.client.RemoteDisconnected("Remote end closed connection"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_download_that_fails_in_any_way_is_offline(data, monkeypatch, failure):
    network_fails(monkeypatch, failure)
    assert "could not be downloaded (" in refused("mnist", OfflineError)


def test_a_download_of_other_bytes_is_refused(data, monkeypatch):
    import io

    class Answer(io.BytesIO):
        headers = http.client.HTTPMessage()
        length = 5
        url = "http://x"

    monkeypatch.setattr(urllib.request, "urlopen", lambda *a, **k: Answer(b"hello"))
    assert "could not be downloaded (" in refused("mnist", OfflineError)


def test_what_torchvision_prints_is_not_in_the_output(monkeypatch, capsys):
    from torchvision import datasets

    def tell(self):
        print("Downloading http://x")
        raise RuntimeError("Error downloading")

    monkeypatch.setattr(datasets.MNIST, "download", tell)
    refused("mnist", OfflineError)
    captured = capsys.readouterr()
    assert captured.out == ""  # which may be somebody's JSON
    assert captured.err == "Downloading http://x\n"


def test_a_full_disk_is_no_network_failure(monkeypatch):
    network_fails(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    message = refused("mnist", DataError)
    assert "No space left on device" in message
    assert "set ZOO_DATA to a writable folder" in message


@pytest.mark.parametrize("place", ["", "MNIST", "MNIST/raw"])
def test_a_file_in_a_folders_place_is_a_sentence(data, place):
    file = data / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    message = refused("mnist", DataError)
    assert str(data) in message
    assert file.read_text() == "mine"


def test_an_old_pickle_of_torchvision_is_not_opened(data, monkeypatch):
    processed = data / "MNIST" / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(3, 28, 28, dtype=torch.uint8), torch.zeros(3)), processed / name)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("a pickle was opened"))
    refused("mnist", OfflineError)
    write_kin(data, "KMNIST")
    (data / "MNIST" / "processed").rename(data / "KMNIST" / "processed")
    assert len(load_examples("kmnist", "test")) == 1_000


# What is damaged


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[:5000],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: b"hello, world" * 100,
        lambda data: b"\x1f\x8b" + data[2:],
        lambda data: data[:2] + b"\x0e" + data[3:],
        lambda data: header(2**31) + data[16:],
        lambda data: header(60_000) + data[16:],
    ],
    ids=["empty", "10", "5000", "cut", "longer", "text", "gzip", "dtype", "2**31", "count"],
)
def test_a_damaged_file_is_refused_by_name(data, damage):
    raw = write_kin(data)
    (raw / TEST).write_bytes(damage((raw / TEST).read_bytes()))
    message = refused("kmnist", DataError)
    assert message.startswith(f"The files of kmnist in {str(raw)!r} are damaged (")
    assert TEST in message
    assert "Delete that folder and run again to download them again." in message


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_bytes_that_are_not_the_published_ones_are_refused(data, name):
    write_kin(data, NAMED[name].torchvision)
    message = refused(name, DataError)
    assert "sha256 of 'train' is " in message
    assert f"expected {NAMED[name].sha256['train'][:12]}" in message
    assert "Delete that folder" in message


@pytest.mark.parametrize("kind", ["fifo", "zero", "folder", "nothing", "large"])
def test_what_is_no_data_file_is_refused_unread(data, kind):
    path = write_kin(data) / TEST
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.touch()
        os.truncate(path, 10**12)
    else:
        path.symlink_to({"zero": "/dev/zero", "nothing": "/nowhere"}[kind])
    assert "are damaged" in refused("kmnist", DataError)


def test_a_clash_of_torch_and_torchvision_says_which_versions(monkeypatch):
    def clash(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("zoo.runtime.torchvision.import_module", clash)
    message = refused("mnist", DataError)
    assert "torchvision::nms does not exist" in message
    assert f"and torch {torch.__version__}" in message


def test_data_that_are_here_need_no_torchvision(data, monkeypatch):
    import sys

    write_kin(data)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert len(load_examples("kmnist", "test")) == 1_000


def test_other_digits_than_the_published_ones_are_refused(monkeypatch):
    other = {"all": np.zeros((1797, 8, 8), np.uint8)}
    monkeypatch.setattr(digits.Digits, "whole", lambda self: other)
    assert "the installed scikit-learn has other data than the published ones" in refused(
        "digits", DataError
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [("mnsit", "mnist"), ("MNIST", "mnist"), ("fashion_mnist", "fashion-mnist")],
)
def test_a_misspelled_dataset_gets_the_nearest(written, meant):
    message = refused(written, UnknownNameError)
    assert f"No dataset named {written!r}. Did you mean {meant!r}?" in message
    assert f"Datasets: {', '.join(NAMED)}; or a folder of images" in message


# Records


@pytest.mark.parametrize("name", NAMED)
def test_a_record_says_what_others_ask_of_it(name):
    record = NAMED[name]
    assert record.name == name
    assert record.title
    assert len(set(record.classes)) == len(record.classes) != 1
    assert all(len(digest) == 64 for digest in record.sha256.values())
    assert (name in WITH_FACTORS) == bool(record.factors)
    labels = record.test_labels()  # none, where nothing was downloaded
    assert labels is None or (min(labels) >= 0 and max(labels) < len(record.classes))


def test_labels_of_kin_are_read_and_damaged_ones_are_as_if_missing(data):
    raw = write_kin(data, "KMNIST")
    path = raw / "t10k-labels-idx1-ubyte"
    labels = np.arange(10_000).astype(np.uint8) % 10
    whole = (0x0801).to_bytes(4, "big") + (10_000).to_bytes(4, "big") + labels.tobytes()
    path.write_bytes(whole)
    assert NAMED["kmnist"].test_labels() == labels.tolist()
    for damaged in (whole[:-1], b"x" + whole[1:], whole[:-1] + b"\x0a"):
        path.write_bytes(damaged)
        assert NAMED["kmnist"].test_labels() is None
