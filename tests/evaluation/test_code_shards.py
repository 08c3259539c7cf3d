"""`zoo encode --shards`: codes as tar shards of WebDataset's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.cli import main


def test_codes_as_tar_shards_are_those_of_the_npy(tmp_path, monkeypatch):
    from webdataset import WebDataset

    monkeypatch.chdir(tmp_path)
    body = {"kind": "mlp", "hidden": [5]}
    zoo.save(zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3, body=body, seed=0), "model")
    pixels = np.random.Generator(np.random.Philox(2)).integers(0, 256, (25, 8, 8), np.uint8)
    np.save("pixels.npy", pixels)
    command = ["encode", "./model", "pixels.npy", "--flip", "--shards", "10", "-o", "codes.npy"]
    with pytest.raises(SystemExit, match="0"):
        main(command)
    shards = sorted(Path().glob("*.tar"))
    assert [shard.name for shard in shards] == [f"codes-0000{n}-of-00003.tar" for n in range(3)]
    found = list(WebDataset([str(one) for one in shards], shardshuffle=False).decode())
    for name, part in (("npy", "codes.npy"), ("flipped.npy", "codes.flipped.npy")):
        np.testing.assert_array_equal(np.stack([one[name] for one in found]), np.load(part))
    keys = [json.loads(line) for line in Path("codes.keys.jsonl").read_text().splitlines()]
    assert [one["json"]["key"] for one in found] == keys
    before = [shard.read_bytes() for shard in shards]
    with pytest.raises(SystemExit, match="0"):
        main(command)
    assert [shard.read_bytes() for shard in shards] == before
