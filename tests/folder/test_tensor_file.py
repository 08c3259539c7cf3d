"""Reading safetensors: what the safetensors library reads, in one pass, each tensor in memory of its own."""

from __future__ import annotations

import hashlib
import json
import struct

import pytest
import safetensors.torch
import torch

from zoo.errors import WeightsError
from zoo.folder.tensor_file import DTYPES, read_tensors


def read(path, limit=10**6):
    seen = []
    found = read_tensors(path, limit, seen.append)
    assert seen == [found.sha256]
    return found


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_every_dtype_is_read_as_the_library_reads_it(dtype, tmp_path):
    path = tmp_path / "a.safetensors"
    numbers = torch.arange(24).view(2, 3, 4)
    tensors = {
        "b": numbers.to(dtype),
        "a": numbers[0, 0].to(dtype, copy=True),
        "none": torch.zeros(0, 5),
    }
    safetensors.torch.save_file(
        tensors | {"one": torch.tensor(7).to(dtype)}, path, {"format": "pt"}
    )
    found, expected = read(path), safetensors.torch.load_file(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


def test_a_header_that_ends_anywhere_is_read(tmp_path):
    path = tmp_path / "a.safetensors"
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for spaces in range(9):
        header = json.dumps({"x": entry}).encode() + b" " * spaces
        path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1.5, -2))
        assert read(path).tensors["x"].tolist() == [1.5, -2]


def test_tensors_share_no_memory_and_may_be_written(tmp_path):
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(3), "b": torch.ones(3)}, path)
    found = read(path).tensors
    found["a"] += 5
    assert found["b"].tolist() == [1, 1, 1]
    assert found["a"].untyped_storage().nbytes() == 12


def test_a_wrong_hash_is_said_before_a_wrong_format(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"neither one nor the other" * 100)

    def refuse(sha256):
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        raise WeightsError("another hash")

    with pytest.raises(WeightsError, match="another hash"):
        read_tensors(path, 10**6, refuse)
    with pytest.raises(WeightsError, match=r"is not a safetensors file \(invalid header length"):
        read_tensors(path, 10**6, lambda sha256: None)
