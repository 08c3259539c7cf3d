"""Mean and standard deviation of each channel or column, computed in one pass over the data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.data.examples import PIECE, Examples
from zoo.data.stream import StreamedExamples
from zoo.errors import DataError


@dataclass(frozen=True)
class Moments:
    """Running moments of each channel, `(C,)`, in float64.

    Batches are merged as in Chan, Golub and LeVeque (1983), which is accurate even if the mean is
    large. The same batches in the same order give bitwise identical results.
    """

    count: int | np.ndarray
    """Number of values per channel; `(C,)` if some were missing."""
    mean: np.ndarray
    squares: np.ndarray
    """Sum of squared deviations from the mean."""

    @classmethod
    def none(cls, channels: int) -> Moments:
        """Moments of no values."""
        return cls(0, np.zeros(channels), np.zeros(channels))

    def with_batch(self, values: np.ndarray) -> Moments:
        """The moments after adding a batch `(N, C, ...)`; NaN is a missing value, and left out."""
        numbers = values.reshape(*values.shape[:2], -1).astype(np.float64)  # (N, C, numbers)
        if np.isnan(numbers).any():
            new, mean, squares = _of_observed(numbers)
        else:
            new = numbers.shape[0] * numbers.shape[2]
            mean = numbers.mean((0, 2))
            squares = np.square(numbers - mean[:, None]).sum((0, 2))
        count, apart = self.count + new, mean - self.mean
        some = np.maximum(count, 1)  # of a channel without a number yet, 0 of 1
        between = np.square(apart) * (self.count * new / some)
        return Moments(count, self.mean + apart * (new / some), self.squares + squares + between)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each channel, `(C,)`, with divisor N, not N - 1."""
        return np.sqrt(self.squares / np.maximum(self.count, 1))

    @property
    def overall_std(self) -> float:
        """Standard deviation of all values around their common mean, ignoring channels."""
        return math.sqrt((self.squares / self.count).mean() + self.mean.var())


def _of_observed(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and squares `(C,)` of the numbers `(N, C, n)` that are not NaN."""
    missing = np.isnan(numbers)
    count = (~missing).sum((0, 2))
    mean = np.where(missing, 0.0, numbers).sum((0, 2)) / np.maximum(count, 1)
    apart = np.where(missing, 0.0, numbers - mean[:, None])
    return count, mean, np.square(apart).sum((0, 2))


def moments(examples: Examples | StreamedExamples) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column of rows, or of each channel of series.

    They are computed relative to the first example, so that columns such as timestamps keep their
    precision, and in pieces of a fixed size: results are bitwise identical for examples in memory and
    streamed ones, and for any number of workers or processes.

    Args:
        examples: rows `(N, D)` or series `(N, C, L)`, N >= 1.

    Returns:
        mean and scale, float64, `(D,)` for rows and `(C, 1)` for series, in the user's units. The scale
        is the standard deviation with divisor N, or 1 for a constant column. Missing values, NaN, are
        left out; a column with no other values has mean 0.

    Raises:
        DataError: if the squares of a column overflow.
    """
    begin = examples.first(1).cpu().double().numpy()  # (1, D) or (1, C, L)
    begin = begin if begin.ndim == 2 else begin[..., :1]
    if np.isnan(begin).any():
        observed = _first_observed(examples.first(PIECE).cpu().double().numpy())
        begin = observed[None] if begin.ndim == 2 else observed[None, :, None]
    found = Moments.none(begin.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        for values in examples.read(torch.arange(len(examples)).split(PIECE)):
            found = found.with_batch(values.cpu().double().numpy() - begin)
    mean, scale = begin[0] + found.mean.reshape(begin.shape[1:]), found.std.reshape(begin.shape[1:])
    if (wide := np.flatnonzero(~np.isfinite(scale))).size:
        place = "column" if scale.ndim == 1 else "channel"
        raise DataError(
            f"The {examples.split} split of {examples.dataset}: the values of {place} {wide[0]} are too "
            "large to be standardized. Divide them by a constant."
        )
    return torch.from_numpy(mean), torch.from_numpy(np.where(scale == 0, 1.0, scale))


def _first_observed(values: np.ndarray) -> np.ndarray:
    """The first number of each column or channel of `(N, C, ...)` that is not NaN, `(C,)`; else 0."""
    columns = np.moveaxis(values, 1, 0)
    columns = columns.reshape(len(columns), -1)  # (C, numbers)
    first = np.argmax(~np.isnan(columns), axis=1)
    return np.nan_to_num(columns[np.arange(len(columns)), first])
