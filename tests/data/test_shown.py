"""What a model is shown: the fixed test draw, and an unknown protocol."""

from __future__ import annotations

import hashlib
from typing import get_args

import numpy as np
import pytest
import torch

from zoo.data import as_gray, shifted, shown_in_testing, shown_in_training, training_draw
from zoo.errors import InputError
from zoo.specs.protocols import Protocol, identity

LEVELS = torch.arange(256, dtype=torch.uint8).repeat(40).reshape(10, 1, 32, 32)


def test_gray_levels_are_fractions_of_255():
    gray = as_gray(LEVELS)
    assert gray.dtype == torch.float32
    assert (gray.min(), gray.max()) == (0, 1)
    assert torch.equal((gray * 255).round().to(torch.uint8), LEVELS)
    assert LEVELS.dtype == torch.uint8


def test_the_binarized_test_draw_is_the_formula_in_the_design():
    draw = np.random.Philox(key=0).random_raw(LEVELS.numel()) >> np.uint64(40)
    levels = LEVELS.numpy().reshape(-1).astype(np.int64)
    expected = draw.astype(np.int64) * 255 < levels * 2**24
    shown = shown_in_testing(LEVELS, "binarized")
    assert np.array_equal(shown.numpy().reshape(-1) == 1, expected)
    assert set(shown.unique().tolist()) == {0.0, 1.0}


def test_the_dequantized_test_draw_is_the_formula_in_the_design():
    draw = np.random.Philox(key=0).random_raw(LEVELS.numel()) >> np.uint64(40)
    levels = LEVELS.numpy().reshape(-1)
    expected = ((levels + draw / 2**24) / 256).astype(np.float32)
    shown = shown_in_testing(LEVELS, "dequantized")
    assert np.array_equal(shown.numpy().reshape(-1), expected)
    assert 0 <= shown.min() < shown.max() <= 1


def test_the_test_draw_never_changes():
    bits = np.packbits(shown_in_testing(LEVELS, "binarized").numpy().astype(bool))
    assert hashlib.sha256(bits).hexdigest() == (
        "43d958a842f288adcce52b4794a5545f66106a83bfec960458c0d881a2244dee"
    )


@pytest.mark.parametrize("protocol", ["binarized", "dequantized", "gray", "levels"])
def test_the_first_images_are_drawn_alike_however_many_follow(protocol):
    assert torch.equal(
        shown_in_testing(LEVELS[:3], protocol), shown_in_testing(LEVELS, protocol)[:3]
    )


def test_testing_draws_nothing_from_the_global_random_state():
    before = torch.get_rng_state()
    shown_in_testing(LEVELS, "binarized")
    assert torch.equal(torch.get_rng_state(), before)


GENERATOR = torch.Generator().manual_seed(0)


def trained_on(levels, protocol):
    return shown_in_training(levels, protocol, training_draw(levels.shape, protocol, GENERATOR))


def test_black_is_never_and_white_is_always_one():
    for shown in (shown_in_testing, trained_on):
        assert shown(torch.zeros(9, 1, 30, 30, dtype=torch.uint8), "binarized").sum() == 0
        assert shown(torch.full((9, 1, 30, 30), 255, dtype=torch.uint8), "binarized").mean() == 1


def test_training_draws_afresh_and_on_average_shows_the_gray_level():
    level = torch.full((1, 1, 300, 300), 64, dtype=torch.uint8)
    first, second = (trained_on(level, "binarized") for _ in range(2))
    assert not torch.equal(first, second)
    assert abs(float(first.mean()) - 64 / 255) < 0.01
    dequantized = trained_on(level, "dequantized")
    assert 64 / 256 <= dequantized.min() < dequantized.max() <= 65 / 256


@pytest.mark.parametrize(
    ("protocol", "hint"),
    [("binarised", " Did you mean 'binarized'?"), ("grey", " Did you mean 'gray'?"), (None, "")],
)
def test_a_protocol_that_there_is_not_is_refused(protocol, hint):
    with pytest.raises(InputError) as caught:
        shown_in_testing(LEVELS, protocol)
    assert f"Unknown protocol {protocol!r}.{hint} Protocols: binarized" in str(caught.value)


def test_an_image_is_moved_and_nothing_comes_in():
    pixels = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3).repeat(3, 2, 1, 1)
    moved = shifted(pixels, torch.tensor([[1, 0], [0, -1], [0, 0]]))
    assert moved[0, 1].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert moved[1, 0].tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    assert torch.equal(moved[2], pixels[2])
    assert moved.dtype == torch.uint8


def test_every_protocol_has_an_identity_that_stays():
    assert {name: identity(name) for name in get_args(Protocol)} == {
        "binarized": "31b048e7",
        "dequantized": "ca181429",
        "gray": "a79d462a",
        "levels": "5a221361",
        "real": "170e7879",
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_real_values_are_shown_as_they_are(dtype):
    values = torch.randn(5, 3, generator=GENERATOR, dtype=dtype) * 1e9
    assert training_draw(values.shape, "real", GENERATOR) is None
    for shown in (shown_in_testing(values, "real"), shown_in_training(values, "real", None)):
        assert shown.dtype == dtype
        assert torch.equal(shown, values)
