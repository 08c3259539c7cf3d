"""The family and its dataset keep what the zoo relies on."""

from __future__ import annotations

import numpy as np
import pytest
from acme_vq.rings import SPLITS, rings

import zoo.testing


def test_the_family_keeps_the_contract():
    zoo.testing.check_family("vq")


@pytest.mark.parametrize(("split", "count"), SPLITS.items())
def test_rings_are_the_same_every_time(split, count):
    images = rings(split)
    assert (images.shape, images.dtype) == ((count, 1, 16, 16), np.uint8)
    assert np.array_equal(images, rings(split))


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="no split 'training'"):
        rings("training")
