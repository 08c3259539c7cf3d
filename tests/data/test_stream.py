"""Streamed images: the same batches whoever reads them, and no process that stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from made import PICTURES, tar
from torch.utils.data import Dataset

from zoo.data import StreamedExamples, load_examples
from zoo.data.examples import Examples
from zoo.errors import DataError
from zoo.specs.data import Transform

RANDOM = Transform(crop="random", flip=True)
SHAPE = (3, 7, 8)
MANY = np.random.Generator(np.random.Philox(3)).integers(0, 256, (700, 1, 9, 10), np.uint8)


class Pictures(Dataset):
    """More than are read without workers; `wait` seconds for each."""

    def __init__(self, wait: float = 0) -> None:
        self.wait = wait

    def __len__(self) -> int:
        return len(MANY)

    def __getitem__(self, number: int):
        time.sleep(self.wait)
        return MANY[number]


def batches(dataset, workers: int, monkeypatch, in_memory: int = 0, **settings) -> list:
    """An epoch of training as this many processes read it, and its images."""
    monkeypatch.setenv("ZOO_WORKERS", str(workers))
    monkeypatch.setattr("zoo.data.stream.FEW", 0)
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", in_memory)
    images = load_examples(dataset, "train", **settings)
    read = images.read(images.order(5, 2).split(13), epoch_seed=7)
    return [images, *(batch.clone() for batch in read)]


def same(some: list, others: list) -> bool:
    return len(some) == len(others) > 2 and all(map(torch.equal, some[1:], others[1:]))


def written(kind: str) -> str:
    """The same pictures as a folder, as shards and as one array."""
    if kind == "shards":
        names = np.array_split(sorted(PICTURES), 3)
        for i, some in enumerate(names):
            tar(f"{i}.tar", {name: PICTURES[name] for name in some})
        return "{0..2}.tar"
    Path("images").mkdir()
    for name, data in PICTURES.items():
        Path("images", name).write_bytes(data)
    return "images"


@pytest.mark.parametrize("settings", [{}, {"transform": RANDOM, "shape": SHAPE}])
@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_batches_are_the_same_however_many_processes_read_them(kind, settings, monkeypatch):
    dataset = written(kind)
    expected = batches(dataset, 0, monkeypatch, **settings)
    assert isinstance(expected[0], StreamedExamples)
    for workers in (1, 2):
        assert same(batches(dataset, workers, monkeypatch, **settings), expected)


def test_batches_are_the_same_in_memory_and_streamed(monkeypatch):
    dataset = written("folder")
    held = batches(dataset, 0, monkeypatch, in_memory=2**29)
    assert isinstance(held[0], Examples)
    assert same(held, batches(dataset, 0, monkeypatch))


def test_a_random_transform_is_drawn_anew_each_epoch_and_never_in_a_test(monkeypatch):
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    images = load_examples(written("folder"), "train", shape=SHAPE, transform=RANDOM)
    order = [torch.arange(len(images))]
    first, again, second = (next(images.read(order, epoch_seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert torch.equal(next(images.read(order)), next(images.read(order)))
    test = load_examples("images", "test", shape=SHAPE, transform=RANDOM)
    centered = load_examples("images", "test", shape=SHAPE, transform=Transform(crop="center"))
    assert torch.equal(test.first(9), centered.first(9))


def test_reading_leaves_the_random_numbers_of_the_program_alone(monkeypatch):
    state = torch.get_rng_state()
    batches(written("folder"), 0, monkeypatch, transform=RANDOM, shape=SHAPE)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_damaged_image_is_named_wherever_it_is_read(monkeypatch):
    written("folder")
    for name in PICTURES:
        Path("images", name).write_bytes(b"hello" if name > "00.png" else PICTURES[name])
    for workers in (0, 2):
        with pytest.raises(DataError, match=r"'images/\d\d.png' cannot be read as an image"):
            batches("images", workers, monkeypatch)


def test_more_damaged_images_than_may_be_are_counted_and_named(monkeypatch):
    written("folder")
    for name in list(PICTURES)[::2]:
        Path("images", name).write_bytes(b"hello")
    with pytest.raises(DataError) as caught:
        load_examples("images", "train", shape=(1, 9, 10), max_damaged=3)
    assert "images of the train split of images are damaged, more than data.max_damaged = 3" in str(
        caught.value
    )
    assert ".png' cannot be read as an image" in str(caught.value)
    assert str(caught.value).endswith(" more")


# Processes


def children() -> set[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for path in tasks for pid in path.read_text().split()}


def none_left(before: set[int]) -> bool:
    for _ in range(1200):
        if children() <= before:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def reading(monkeypatch):
    """Images that two processes read, slowly."""
    monkeypatch.setenv("ZOO_WORKERS", "2")
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    return load_examples(Pictures(wait=0.01), "train", shape=(1, 9, 10))


def test_a_worker_that_is_killed_is_a_sentence_and_leaves_no_process(reading):
    before = children()
    batches = reading.read(torch.arange(len(reading)).split(8))
    next(batches)
    os.kill(min(children() - before), signal.SIGKILL)
    with pytest.raises(
        DataError, match=r"A worker process that reads examples died .* ZOO_WORKERS=1 "
    ):
        list(batches)
    assert none_left(before)


@pytest.mark.parametrize("error", [ConnectionResetError, EOFError, FileNotFoundError, RuntimeError])
def test_every_way_in_which_a_dead_worker_shows_is_one_sentence(reading, monkeypatch, error):
    def dying(loader):
        yield torch.zeros(1, 1, 9, 10), []
        raise error("gone")

    monkeypatch.setattr("zoo.data.stream.DataLoader.__iter__", dying)
    with pytest.raises(DataError, match=r"A worker process that reads examples died \(gone\)"):
        list(reading.read(torch.arange(len(reading)).split(8)))


def test_reading_leaves_the_signals_of_the_program_as_they_are(reading):
    before = signal.getsignal(signal.SIGCHLD)
    batches = reading.read(torch.arange(len(reading)).split(8))
    next(batches)
    assert signal.getsignal(signal.SIGCHLD) == before


def no_room(*_):
    raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")


def test_batches_are_the_same_where_there_is_no_shared_memory(monkeypatch):
    dataset = written("folder")
    expected = batches(dataset, 0, monkeypatch)
    monkeypatch.setattr(torch.Tensor, "share_memory_", no_room)
    assert same(batches(dataset, 2, monkeypatch), expected)


@pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/shm")
def test_batches_are_the_same_where_shared_memory_is_smaller_than_one(monkeypatch):
    code = """
import numpy as np, torch
from zoo.data import load_examples
pixels = np.random.Generator(np.random.Philox(0)).integers(0, 256, (40, 128, 128), np.uint8)
images = load_examples(list(pixels), "train")
for batch in images.read(torch.arange(len(images)).split(16)):
    print(batch.shape[0], batch.sum().item())
"""
    settings = {"ZOO_IN_MEMORY": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    code = code.replace("images = load", "import zoo.data.stream as s; s.FEW = 0; images = load")
    run = [sys.executable, "-c", code]
    shell = 'mount -t tmpfs -o size=256k none /dev/shm && exec "$@"'
    small = ["unshare", "-m", "sh", "-c", shell, "sh"]
    if subprocess.run([*small, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    said = [
        subprocess.run(
            words,
            env={**os.environ, **settings, "ZOO_WORKERS": workers},
            capture_output=True,
            check=True,
            timeout=300,
        ).stdout
        for words, workers in ((run, "0"), ([*small, *run], "2"))
    ]
    assert said[0] == said[1] != b""


def test_no_memory_to_hand_images_over_in_is_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "share_memory_", no_room)
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(DataError, match=r"cannot return examples \(unable .*ZOO_WORKERS=0 reads"):
        batches(written("folder"), 2, monkeypatch)


def test_a_dataset_that_ends_the_program_is_a_sentence(monkeypatch):
    class Ending(Pictures):
        def __getitem__(self, number: int):
            sys.exit(3)

    for workers in (0, 2):
        with pytest.raises(DataError, match=r"it raised SystemExit \(3\)"):
            batches(Ending(), workers, monkeypatch, shape=(1, 9, 10))


def test_reading_that_is_given_up_leaves_no_process(reading):
    before = children()
    batches = reading.read(torch.arange(len(reading)).split(8))
    next(batches)
    assert len(children() - before) >= 2
    batches.close()
    assert none_left(before)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_program_leaves_no_process(sent):
    code = """
import os, sys, time, torch
sys.path[:0] = {tests!r}  # this folder, and made.py's
from test_stream import Pictures
from zoo.data import load_examples
images = load_examples(Pictures(wait=0.02), "train", shape=(1, 9, 10))
for n, batch in enumerate(images.read(torch.arange(len(images)).split(8))):
    if n == 1:
        print("reading", flush=True)
"""
    environment = {**os.environ, "ZOO_WORKERS": "2", "ZOO_IN_MEMORY": "0"}
    with subprocess.Popen(
        [sys.executable, "-c", code.format(tests=[str(one) for one in Path(__file__).parents[:2]])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"reading\n"
        os.kill(program.pid, sent)
        program.wait(60)
        for _ in range(1200):
            if not in_session(program.pid):
                return
            time.sleep(0.05)
    raise AssertionError(in_session(program.pid))


def in_session(session: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number = path.read_text().rpartition(") ")[2].split()[:4]
        except OSError:
            continue  # it has ended
        if int(number) == session and state != "Z":
            found.append(str(path))
    return found


def test_where_nothing_can_be_shared_a_sentence_says_so_and_no_loader_is_torn_down(monkeypatch):
    def read_only() -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    monkeypatch.setenv("ZOO_WORKERS", "1")
    monkeypatch.setattr("multiprocessing.Event", read_only)
    monkeypatch.setattr("zoo.data.stream.DataLoader.__iter__", lambda loader: pytest.fail("made"))
    images = load_examples(Pictures(), "train")
    with pytest.raises(DataError, match=r"1 worker processes cannot be started .*ZOO_WORKERS=0"):
        next(images.in_order(8))
