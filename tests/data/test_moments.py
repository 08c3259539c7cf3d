"""Means and standard deviations of columns and channels, held against NumPy and exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from zoo.data import Examples, moments
from zoo.errors import DataError

GENERATOR = np.random.Generator(np.random.Philox(4))


def of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, scale = moments(Examples("made", "train", torch.from_numpy(values)))
    assert mean.dtype == scale.dtype == torch.float64
    return mean.numpy(), scale.numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_have_the_moments_of_each_column(dtype):
    values = (GENERATOR.normal(size=(1000, 4)) * [1, 1e-3, 50, 2] + [0, 1, -9, 1e4]).astype(dtype)
    mean, scale = of(values)
    assert mean.shape == scale.shape == (4,)
    assert np.allclose(mean, values.astype(np.float64).mean(0), rtol=1e-12)
    assert np.allclose(scale, values.astype(np.float64).std(0), rtol=1e-10)


def test_series_have_the_moments_of_each_channel():
    values = GENERATOR.normal(size=(300, 3, 7)) + np.array([0, 5, -2])[:, None]
    mean, scale = of(values)
    assert mean.shape == scale.shape == (3, 1)
    assert np.allclose(mean[:, 0], values.mean((0, 2)))
    assert np.allclose(scale[:, 0], values.std((0, 2)))


def test_timestamps_keep_their_digits():
    values = 1.7e9 + 0.001 * GENERATOR.normal(size=(5000, 1))
    mean, scale = of(values)
    exact = [Fraction(float(value)) for value in values[:, 0]]
    middle = sum(exact) / len(exact)
    spread = float(sum((value - middle) ** 2 for value in exact) / len(exact)) ** 0.5
    assert abs(mean[0] - float(middle)) <= np.spacing(1.7e9)
    assert abs(scale[0] / spread - 1) < 1e-9


def test_a_constant_column_has_scale_one():
    for value in (0.1, 1.7e9 + 0.001, 0.0, -3e7):
        mean, scale = of(np.full((777, 2), value))
        assert mean.tolist() == [value, value]
        assert scale.tolist() == [1, 1]


def test_one_row_is_enough():
    mean, scale = of(np.array([[3.0, 4.0]]))
    assert (mean.tolist(), scale.tolist()) == ([3, 4], [1, 1])


def test_a_column_whose_squares_overflow_is_named():
    values = GENERATOR.normal(size=(9, 3)) * [1, 1e200, 1]
    with pytest.raises(DataError, match="the values of column 1 are too large to be standardized"):
        of(values)


def test_missing_values_are_left_out():
    values = GENERATOR.normal(size=(1000, 3)) * [1, 50, 2] + [1.7e9, 0, -3]
    values[GENERATOR.random(values.shape) < 0.3] = np.nan
    values[0] = np.nan
    mean, scale = of(values)
    assert np.allclose(mean, np.nanmean(values, 0), rtol=1e-12)
    assert np.allclose(scale, np.nanstd(values, 0), rtol=1e-9)


def test_a_column_of_missing_values_alone_has_mean_zero_and_scale_one():
    values = np.array([[np.nan, 1.0], [np.nan, 3.0]])
    mean, scale = of(values)
    assert (mean.tolist(), scale.tolist()) == ([0, 2], [1, 1])
