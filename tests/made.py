"""What the tests of data are given: arrays, archives and pictures, good and bad."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.data import load_examples, open_all
from zoo.errors import DataError, ZooError
from zoo.specs.data import Transform

PIXELS = np.random.Generator(np.random.Philox(1)).integers(0, 256, (40, 9, 10), np.uint8)
WANTED = "images are (N, C, H, W) or (N, H, W), uint8, 0 to 255"
ROWS = "rows are (N, D), float32 or float64"
SERIES = "series are (N, C, L), float32 or float64"
ANY = f"{WANTED}; {ROWS}; {SERIES}"


def refused(dataset, error: type[ZooError] = DataError, split: str = "test", **how) -> str:
    with pytest.raises(error) as caught:
        load_examples(dataset, split, **how)
    assert type(caught.value) is error
    return str(caught.value)


def read_images_for(shape: tuple[int, int, int], files: list[Path]) -> torch.Tensor:
    """All images of some files as a model of that shape is given them to encode."""
    images = open_all([str(path) for path in files], shape=shape, transform=Transform())
    return images.held().values


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    header = text.encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + header + data


def described(shape: str, dtype: str = "|u1") -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}"


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def tar(path: Path | str, members: Mapping[str, bytes], *others: tarfile.TarInfo) -> Path:
    """A tar file of these files, and then of members that are none."""
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for other in others:
            archive.addfile(other)
    return Path(path)


PICTURES = {f"{i:02}.png": encoded(pixels) for i, pixels in enumerate(PIXELS)}
"""PIXELS as files, by name."""


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("ran").absolute(),))
