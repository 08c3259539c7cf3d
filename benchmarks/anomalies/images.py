"""Sets of 28 x 28 gray images: pairs of datasets, transformed images, and folders of pictures."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.data import Examples, load_examples
from zoo.errors import DataError

SIDE = 28
SUFFIXES = (".png", ".jpg", ".jpeg")
TEST_PAIRS = {"mnist": "fashion-mnist", "fashion-mnist": "mnist"}
"""The dataset that is anomalous for each."""


@dataclass(frozen=True)
class Problem:
    """Normal images, several sets of anomalies, and what scores learn from."""

    reference: Examples
    """Training images."""
    normal: Examples
    anomalous: tuple[Examples, ...]


@dataclass(frozen=True)
class Folder:
    """A folder of pictures as anomalies."""

    name: str
    path: Path
    inverted: bool = False
    """Whether strokes are dark: they are bright in MNIST."""


def pairs(dataset: str, count: int, folders: Sequence[Folder]) -> Problem:
    """Test images of a dataset against those of the other, and against pictures of folders."""
    anomalous = (
        _drawn(TEST_PAIRS[dataset], "test", count),
        *(_pictures(folder, count) for folder in folders),
    )
    return Problem(_all(dataset, "train"), _drawn(dataset, "test", count), anomalous)


def choices(dataset: str, count: int) -> Problem:
    """Validation images of a dataset against sprites, noise, and other validation images transformed.

    The dataset's test split, other datasets and folders are not read.
    """
    held_out = _all(dataset, "validation")
    count = min(count, len(held_out) // 2)
    order = np.random.default_rng(0).permutation(len(held_out))[: 2 * count]
    normal, others = (
        held_out.values[torch.from_numpy(np.sort(some))] for some in (order[:count], order[count:])
    )
    random = np.random.default_rng(1)
    made: dict[str, Tensor] = {
        "sprites": _resized(_drawn("sprites", "validation", count).values),
        "flipped": others.flip(-2),
        "inverted": 255 - others,
        "shuffled-7": _shuffled(others, 7, random),
        "shuffled-14": _shuffled(others, 14, random),
        "noise": torch.from_numpy(random.integers(0, 256, others.shape, dtype=np.uint8)),
    }
    anomalous = tuple(Examples(name, "validation", images) for name, images in made.items())
    return Problem(_all(dataset, "train"), Examples(dataset, "validation", normal), anomalous)


def _all(dataset: str, split: str) -> Examples:
    examples = load_examples(dataset, split)
    return Examples(dataset, split, examples.first(len(examples)))


def _drawn(dataset: str, split: str, count: int) -> Examples:
    """`count` images, or all if there are fewer, drawn with seed 0."""
    examples = load_examples(dataset, split)
    chosen = _draw(len(examples), count)
    values = next(iter(examples.read([torch.from_numpy(chosen)])))
    return Examples(dataset, split, values)


def _draw(total: int, count: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(total, min(total, count), replace=False))


def _shuffled(images: Tensor, patch: int, random: np.random.Generator) -> Tensor:
    """Square patches of each image `(N, 1, H, W)` in a random order that is not the image's own."""
    side = images.shape[-1] // patch
    own = np.arange(side**2)
    patches = images.reshape(len(images), side, patch, side, patch).transpose(2, 3)
    patches = patches.reshape(len(images), side**2, patch, patch)
    for i in range(len(images)):
        order = own
        while np.array_equal(order, own):
            order = random.permutation(side**2)
        patches[i] = patches[i, torch.from_numpy(order)]
    grid = patches.reshape(len(images), side, side, patch, patch).transpose(2, 3)
    return grid.reshape(images.shape)


def _resized(images: Tensor) -> Tensor:
    """Gray images `(N, 1, H, W)` uint8 at 28 x 28, by PIL's bilinear filter."""
    return torch.stack([_gray(Image.fromarray(one)) for one in images[:, 0].numpy()])


def _gray(picture: Image.Image) -> Tensor:
    small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(small))[None]


def _pictures(folder: Folder, count: int) -> Examples:
    """`count` pictures drawn with seed 0 from all in a folder, and in its .zip and .tar files, sorted."""
    readers = [one for path in sorted(folder.path.rglob("*")) for one in _readers(path)]
    if not readers:
        raise DataError(f"{str(folder.path)!r} has no pictures ({', '.join(SUFFIXES)}).")
    chosen = _draw(len(readers), count)
    images = torch.stack([_gray(Image.open(io.BytesIO(readers[i]()))) for i in chosen])
    return Examples(folder.name, "all", 255 - images if folder.inverted else images)


def _readers(path: Path) -> Iterator[Callable[[], bytes]]:
    """What reads each picture of a file: itself, or the members of an archive, sorted by name."""
    if path.suffix.lower() in SUFFIXES:
        yield path.read_bytes
    elif path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        for name in sorted(archive.namelist()):
            if name.lower().endswith(SUFFIXES):
                yield lambda name=name: archive.read(name)
    elif path.suffix == ".tar":
        tar = tarfile.open(path)  # noqa: SIM115  # read from later
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            if member.isfile() and member.name.lower().endswith(SUFFIXES):
                yield lambda member=member: _content(tar, member)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()
