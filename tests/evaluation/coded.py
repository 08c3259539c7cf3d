"""Encodings for tests: images, a model, and what is written."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.data import open_all
from zoo.evaluation import encode
from zoo.specs.data import Transform

PIXELS = np.random.Generator(np.random.Philox(2)).integers(0, 256, (1700, 8, 8), np.uint8)
CPU = torch.device("cpu")


def small_model(seed: int = 0) -> zoo.Autoencoder:
    body = {"kind": "mlp", "hidden": [5]}
    return zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3, body=body, seed=seed).eval()


def images(*files: str, transform: Transform | None = None):
    return open_all(files, shape=(1, 8, 8), transform=transform or Transform())


def encoded(model, files, folder: str, **options) -> dict[str, bytes]:
    """What is written, by name."""
    encode.encode_images(model, images(*files), Path(folder, "codes.npy"), device=CPU, **options)
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def codes_of(files: dict[str, bytes]) -> list[bytes]:
    """Codes and keys: files that were written anew have another fingerprint."""
    return [files["codes.npy"], files["codes.keys.jsonl"]]


def stop_at(count: int, how: BaseException):
    def on_progress(done: int) -> None:
        if done >= count:
            raise how

    return on_progress


def as_it_is(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def dataset_of(kind: str, pixels: np.ndarray) -> str:
    """The same images of several kinds, of the same names whatever they show."""
    if "npy" in kind:
        np.save("many.npy", pixels)
        return "many.npy"
    buffers = [io.BytesIO() for _ in pixels]
    for picture, buffer in zip(pixels, buffers, strict=True):
        Image.fromarray(picture).save(buffer, "bmp")  # of one size in bytes
    members = {f"{number:04}.bmp": one.getvalue() for number, one in enumerate(buffers)}
    if kind == "folder":
        Path("folder").mkdir(exist_ok=True)
        for name, data in members.items():
            Path("folder", name).write_bytes(data)
    elif kind == "tar":
        with tarfile.open("folder.tar", "w") as tar:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    else:
        pytest.importorskip("pyarrow.parquet")
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"image": list(members.values())}), "folder.parquet")
    return {"folder": "folder", "tar": "folder.tar"}.get(kind, "folder.parquet")
