"""Thresholds and p-values from scores of examples that are known, or mostly known, to be normal."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from zoo.errors import InputError

Method = Literal["conformal", "contamination"]


@dataclass(frozen=True)
class Calibration:
    """Which scores raise an alarm.

    `conformal`: split conformal prediction (Bates et al. 2023). The p-value of a score s is
    (1 + #{held-out scores >= s}) / (n + 1), and p <= rate raises an alarm. If the training data are
    normal and exchangeable with the data scored, false alarms have probability at most `rate`,
    averaged over training sets; not for a particular one.

    `contamination`: the share `rate` of the training examples with the highest scores raises an
    alarm, for training data that contain anomalies. It gives no guarantee.
    """

    method: Method
    rate: float
    scores: np.ndarray = field(repr=False)
    """Held-out scores, or those of the training examples; ascending, float64."""

    @classmethod
    def of(cls, method: Method, rate: float, scores: np.ndarray) -> Calibration:
        """A calibration from scores in any order.

        Raises InputError for conformal calibration with fewer scores than the rate requires.
        """
        if method == "conformal":
            check_enough(rate, len(scores))
        return cls(method, rate, np.sort(scores))

    @property
    def threshold(self) -> float:
        """The lowest score that raises an alarm: alarms are scores >= threshold."""
        if (
            self.method == "conformal"
        ):  # p <= rate iff fewer than `allowed` held-out scores are >= s
            allowed = _allowed(self.rate, len(self.scores))
            return float(np.nextafter(self.scores[len(self.scores) - allowed], np.inf))
        return float(np.quantile(self.scores, 1 - self.rate))

    def p_values(self, values: np.ndarray) -> np.ndarray:
        """p-values of scores, `(N,)`: valid for conformal calibration, else tail shares of the training scores."""
        as_high = len(self.scores) - np.searchsorted(self.scores, values, side="left")
        return (1 + as_high) / (len(self.scores) + 1)

    def alarms(self, values: np.ndarray) -> np.ndarray:
        """Whether each score raises an alarm, `(N,)` bool."""
        return values >= self.threshold


def check_enough(rate: float, count: int) -> None:
    """Raises InputError for fewer held-out examples than a false-alarm rate requires."""
    if not _allowed(rate, count):
        needed = math.ceil(1 / rate - 1e-9) - 1
        raise InputError(
            f"A false-alarm rate of {rate:g} needs at least {needed:,} held-out examples; there are "
            f"{count:,}. Give more examples, or a rate of at least {_rounded_up(1 / (count + 1)):g}."
        )


def _allowed(rate: float, count: int) -> int:
    """The most k with k / (count + 1) <= rate, as floating-point numbers compare."""
    allowed = math.floor(rate * (count + 1))
    if (allowed + 1) / (count + 1) <= rate:
        return allowed + 1
    return allowed if allowed / (count + 1) <= rate else allowed - 1


def _rounded_up(rate: float) -> float:
    """A rate with three digits, no less than it is."""
    digits = 2 - math.floor(math.log10(rate))
    return min(1.0, math.ceil(round(rate * 10**digits, 9)) / 10**digits)
