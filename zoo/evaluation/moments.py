"""Mean and standard deviation of each channel, of more numbers than fit in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """What is known of the numbers of each channel, `(C,)`, in float64.

    Merged batch by batch by Chan, Golub and LeVeque (1983), which loses no digits where the mean is
    large. The same batches in the same order give the same bits.
    """

    count: int
    """Numbers of one channel."""
    mean: np.ndarray
    squares: np.ndarray
    """Sum of the squared deviations from the mean."""

    @classmethod
    def none(cls, channels: int) -> Moments:
        """Of no numbers at all."""
        return cls(0, np.zeros(channels), np.zeros(channels))

    def with_batch(self, codes: np.ndarray) -> Moments:
        """Those of a batch `(N, C, ...)` added."""
        numbers = codes.reshape(*codes.shape[:2], -1).astype(np.float64)  # (N, C, numbers)
        new = numbers.shape[0] * numbers.shape[2]
        mean = numbers.mean((0, 2))
        squares = np.square(numbers - mean[:, None]).sum((0, 2))
        count, apart = self.count + new, mean - self.mean
        between = np.square(apart) * (self.count * new / count)
        return Moments(count, self.mean + apart * (new / count), self.squares + squares + between)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each channel, `(C,)`; the mean square is over N, not N - 1."""
        return np.sqrt(self.squares / self.count)

    @property
    def overall_std(self) -> float:
        """Standard deviation of all numbers, whatever their channel, around their one mean."""
        return math.sqrt((self.squares / self.count).mean() + self.mean.var())
