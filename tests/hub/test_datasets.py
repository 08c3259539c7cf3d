"""Datasets of the Hub: streamed by range requests, resolved by the `datasets` library."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("datasets")

import pyarrow
from pyarrow import parquet

from zoo.data import load_examples

PIXELS = np.random.Generator(np.random.Philox(4)).integers(0, 256, (40, 9, 10), np.uint8)
TRY = """
import zoo
from zoo.data import load_examples, stream
from zoo.data import open as load
stream.FEW = 0
load.IN_MEMORY *= not streamed
try:
    images = load_examples(name, "train", shape=(1, 9, 10) if streamed else None)
    read = images.in_order(8) if streamed else [images.values]
    import torch
    from zoo.data.examples import sha256_of
    print(type(images).__name__, sha256_of(torch.cat(list(read))))
except zoo.ZooError as wrong:
    print(type(wrong).__name__, wrong)
"""
STREAMED = {"ZOO_WORKERS": "2"}
FILES = {"train-00000-of-00001": PIXELS[:30], "test-00000-of-00001": PIXELS[30:]}


def table(pixels: np.ndarray, **columns: list) -> bytes:
    rows = []
    for one in pixels:
        buffer = io.BytesIO()
        Image.fromarray(one).save(buffer, "PNG")
        rows.append({"bytes": buffer.getvalue(), "path": None})
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"image": rows, **columns}), file, row_group_size=5)
    return file.getvalue()


def read_here(files: dict[str, bytes]) -> str:
    """The sha256 of the training images of the same files in a folder."""
    Path("here").mkdir()
    for name, data in files.items():
        Path("here", name).write_bytes(data)
    return load_examples("here", "train").sha256


@pytest.fixture
def pictures(hub, client) -> str:
    """A dataset of the Hub."""
    client.imports = ["datasets", "torchvision"]
    hub.create("acme/pictures")
    hub.commit("acme/pictures", {f"data/{name}.parquet": table(p) for name, p in FILES.items()})
    return "hf-dataset:acme/pictures"


def tried(client, name: str, env: dict | None = None) -> str:
    done = client.run(TRY, env=env, args={"name": name, "streamed": env == STREAMED})
    assert done.returncode == 0, done.err
    return done.out.strip()


def test_a_dataset_of_the_hub_is_read_by_its_splits(hub, client, pictures):
    expected = read_here({f"{name}.parquet": table(p) for name, p in FILES.items()})
    assert tried(client, pictures) == f"Examples {expected}"
    assert tried(client, f"{pictures}:default@main") == f"Examples {expected}"
    streamed = tried(client, pictures, STREAMED)
    assert streamed == f"StreamedExamples {expected}"
    sha = hub.head("acme/pictures")
    hub.commit("acme/pictures", {}, delete=["data/train-00000-of-00001.parquet"])
    assert tried(client, f"{pictures}@{sha}") == f"Examples {expected}"
    assert tried(client, pictures) != f"Examples {expected}"


def test_a_dataset_is_streamed_and_never_kept(hub, client, pictures):
    tried(client, pictures, STREAMED)
    ranges = [r.headers["range"] for r in hub.requests if r.path.startswith("/files/")]
    assert len(ranges) > 6
    assert not [path for path in Path(client.home).rglob("*") if path.suffix == ".parquet"]


def test_a_dataset_with_train_alone_is_split(hub, client, pictures):
    hub.create("acme/one")
    hub.commit("acme/one", {"train.parquet": table(PIXELS)})
    expected = read_here({"train.parquet": table(PIXELS)})
    assert tried(client, "hf-dataset:acme/one") == f"Examples {expected}"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("acme/absent", "'acme/absent' doesn't exist on the Hub or cannot be accessed"),
        ("acme/pictures:other", "BuilderConfig 'other' not found. Available: ['default']"),
        ("acme/pictures@nope", "Revision 'nope' doesn't exist"),
        ("acme/text", "is not in parquet files (it has 'hf://datasets/acme/text@"),
        ("../../etc", "is not a valid Hub dataset: use hf-dataset:org/name"),
        ("acme/script", "script"),
    ],
)
def test_what_is_no_dataset_of_images_is_a_sentence(hub, client, pictures, name, why):
    hub.create("acme/text")
    hub.commit("acme/text", {"train.csv": b"a,b"})
    hub.create("acme/script")
    hub.commit("acme/script", {"script.py": b"open('ran', 'w')"})
    said = tried(client, f"hf-dataset:{name}")
    assert said.startswith("DataError ")
    assert why in said
    assert "\n" not in said


BOMB = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"README.md": b"---\n" + BOMB + b"---\n"}, "YAML of its README.md has an alias"),
        ({".huggingface.yaml": BOMB}, "YAML of its .huggingface.yaml has an alias"),
        ({"README.md": b"---\na: " + b"[" * 9000 + b"\n---\n"}, "is nested more than 50 deep"),
        ({"README.md": b"---\n" + b"\n" * 2**20}, "has 99 consecutive empty lines"),
        ({"README.md": b"---\na: b\n---\n" + b"a" * 2**21}, "is 2,097,165 bytes; the limit is"),
        ({"README.md": b"---\n%YAML 1.3\n--- # x\n" + BOMB + b"---\n"}, "README.md has an alias"),
        ({"README.md": b"*No* front matter.\n"}, ""),
        ({"README.md": b"---\n*A* rule, no front matter.\n"}, ""),
    ],
)  # fmt: skip
def test_a_card_that_would_fill_memory_is_refused_before_it_is_parsed(hub, client, pictures, files, why):  # fmt: skip
    hub.commit("acme/pictures", files)
    said = tried(client, pictures)
    assert said.startswith(
        "DataError hf-dataset:acme/pictures was not read: " if why else "Examples "
    )
    assert why in said


def test_a_hub_that_breaks_off_is_a_sentence_and_one_that_is_away_too(hub, client, pictures):
    hub.fault(path="/files/", flip=9, skip=3, times=None)
    said = tried(client, pictures, STREAMED)
    assert said.startswith(("DataError ", "StreamedExamples "))
    hub.clear_faults()
    hub.fault(path="/files/", status=403, skip=4, times=None)
    said = tried(client, pictures, STREAMED)
    assert said.startswith("DataError 'hf://datasets/acme/pictures@")
    hub.clear_faults()
    hub.stop("hub")
    assert tried(client, pictures).startswith("OfflineError hf-dataset:acme/pictures cannot be")
    assert tried(client, pictures, {"HF_HUB_OFFLINE": "1"}).startswith("OfflineError ")
