"""Training and measuring on several processes: which bits they share, and which differ."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from launched import train_all, what_they_print

import zoo
from recipes import GOOD
from zoo.data import open_dataset
from zoo.errors import TrainingError
from zoo.training.parallel import Share
from zoo.training.settings import TrainingSettings

RAGGED = 81
"""A batch size that leaves one image for an epoch's last batch: fewer than four parts."""
EVERYTHING = {
    "batch_size": RAGGED,
    "ema_decay": 0.9,
    "clip_norm": 5.0,
    "warmup_steps": 10,
    "term_warmup_epochs": {"kl": 1.5},
    "gradient": "stl",
    "early_stopping": 2,
}
CONV = {
    "family": "conv-vae",
    "input_shape": [1, 8, 8],
    "latent_dim": 4,
    "body": {"kind": "conv", "channels": [8, 16], "hidden": [32]},
}
GAUSSIAN = CONV | {"family": "vae", "likelihood": {"kind": "gaussian"}}
VQ = {
    "family": "vq-vae",
    "input_shape": [1, 8, 8],
    "latent_dim": 4,
    "codes": 12,
    "body": {"kind": "conv", "channels": [8], "residual_blocks": 1},
}
DEQUANTIZED = {"dataset": "digits", "protocol": "dequantized"}


def tiny(**training) -> dict:
    """A recipe of two epochs that trains in a second, with these settings."""
    training = {"epochs": 2, "batch_size": 64, **training}
    return GOOD | {"data": {**GOOD["data"], "fit": "train"}, "training": training}


EXACT = {
    "exact": tiny(exact_shards=4, **EVERYTHING),
    "exact-bf16": tiny(exact_shards=4, precision="bf16", **EVERYTHING),
    "exact-conv": tiny(exact_shards=4) | {"model": CONV},
    "exact-vq": tiny(exact_shards=4, batch_size=RAGGED) | {"model": VQ},
    "exact-dequantized": tiny(exact_shards=4) | {"model": GAUSSIAN, "data": DEQUANTIZED},
    "exact-corrupted": tiny(exact_shards=4, corruption={"kind": "gaussian", "sigma": [0.0, 0.4]}),
}
"""The same bits on 1, 2 and 4 processes."""
ALIKE = {
    "plain": tiny(**EVERYTHING),
    "conv": tiny() | {"model": CONV},
    "accumulate": tiny(accumulate=3, **EVERYTHING),
}
"""The same losses to rounding."""


def bits(folder: str) -> bytes:
    return Path(folder, "model/model.safetensors").read_bytes()


def losses(folder: str) -> list[float]:
    lines = Path(folder, "history.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [
        loss
        for one in records
        for loss in (one["terms"]["reconstruction"], one["terms"]["kl"], one["validation_loss"])
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The recipes above, each trained on 1, 2 and 4 processes: `<count>/<name>`."""
    folder = tmp_path_factory.mktemp("trained")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for name, recipe in (EXACT | ALIKE).items():
            zoo.train(recipe, out=f"1/{name}", device="cpu")
        train_all(2, EXACT | ALIKE | {"plain-again": ALIKE["plain"]})
        train_all(4, EXACT)
    finally:
        os.chdir(before)
    return folder


def test_the_last_batch_has_fewer_images_than_parts():
    images = open_dataset("digits", ("train",), shape=(1, 8, 8))["train"]
    assert len(images) % RAGGED == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_exact_shards_give_the_same_bits_on_1_2_and_4_processes(name, trained):
    assert bits(trained / "1" / name) == bits(trained / "2" / name) == bits(trained / "4" / name)


@pytest.mark.slow
def test_the_same_number_of_processes_gives_the_same_bits_twice(trained):
    assert bits(trained / "2/plain") == bits(trained / "2/plain-again") != bits(trained / "1/plain")


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIKE)
def test_the_losses_of_two_processes_are_those_of_one(name, trained):
    assert losses(trained / "2" / name) == pytest.approx(losses(trained / "1" / name), rel=1e-4)


def test_a_batch_computed_in_parts_has_the_losses_of_a_whole_one():
    for name in ("plain", "accumulate"):
        zoo.train(ALIKE[name], out=name, device="cpu")
    assert losses("accumulate") == pytest.approx(losses("plain"), rel=1e-4)
    assert bits("accumulate") != bits("plain")


@pytest.mark.slow
def test_two_processes_measure_the_same_bytes_as_one():
    body = {"kind": "mlp", "hidden": [32]}
    zoo.save(zoo.build("vae", seed=0, input_shape=(1, 8, 8), latent_dim=3, body=body), "m")
    common = "eval ./m --dataset digits --split train --json --device cpu"
    lines = [f"{common} --limit {count}" for count in (1, 7, 301, 1201)]
    lines += [f"{common} --limit {count} --nll-samples 10" for count in (1, 7, 301)]
    lines += [f"{common} --limit 301 --protocol gray"]
    one, two = what_they_print(1, *lines), what_they_print(2, *lines)
    assert one == two
    assert one.count('"nll_samples": 10') == 3


@pytest.mark.slow
def test_two_processes_measure_the_same_reconstructions_as_one():
    zoo.save(zoo.build("conv-ae", seed=0, input_shape=(1, 32, 32), latent_dim=3), "m")
    common = "eval ./m digits --protocol center-32:color=gray --json --device cpu"
    lines = [f"{common} --limit {count}" for count in (1, 7)]
    lines += [f"{common} --limit 6 --extractor ./m"]
    one, two = (
        [
            line
            for line in what_they_print(count, *lines).splitlines()
            if "seconds_per_image" not in line
        ]
        for count in (1, 2)
    )
    assert one == two
    assert sum('"ssim": 0.' in line or '"ssim": -' in line for line in one) == 3


@pytest.mark.parametrize(
    ("processes", "settings", "why"),
    [
        (
            4,
            {"exact_shards": 2},
            r"exact_shards = 2 supports 1 or 2 processes; the launcher ",
        ),
        (3, {"exact_shards": 4}, r"supports 1 or 2 or 4 processes; the launcher started 3"),
        (4, {"batch_size": 3}, r"A batch of 3 images cannot be cut into 4 parts, for 4 processes"),
        (2, {"accumulate": 30}, r"A batch of 50 images cannot be cut into 60 parts"),
    ],
)
def test_what_cannot_be_shared_out_is_a_sentence(processes, settings, why, as_rank):
    as_rank(processes, 0)
    with pytest.raises(TrainingError, match=why):
        Share(TrainingSettings(epochs=1, **settings), images=50)


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [1, 3, 7, 64])
def test_every_image_of_a_batch_has_one_process(parts, size, as_rank):
    seen, weights = [], 0.0
    for index in range(parts):
        as_rank(parts, index)
        for rows, weight in Share(TrainingSettings(epochs=1), images=64).rows(size):
            seen += list(range(size))[rows] if weight else []
            weights += weight
    assert seen == list(range(size))
    assert weights == pytest.approx(1)
