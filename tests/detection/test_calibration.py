"""p-values, thresholds, and the rate of false alarms that they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.detection.calibration import Calibration
from zoo.errors import InputError

RATES = (0.01, 0.05, 0.07, 0.1, 0.29, 0.57, 1 / 3, 0.5, 0.9)


def draws(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count)


def test_p_values_are_by_the_formula():
    known, values = draws(19), draws(50, seed=1)
    expected = [(1 + sum(one >= s for one in known)) / 20 for s in values]
    assert Calibration.of("conformal", 0.1, known).p_values(values).tolist() == expected


@pytest.mark.parametrize("count", [2, 9, 19, 48, 99, 100, 9_999])
@pytest.mark.parametrize("rate", [*RATES, "smallest"])
def test_an_alarm_is_a_p_value_of_at_most_the_rate(rate, count):
    smallest = 1 / (count + 1)
    rate = smallest if rate == "smallest" else max(rate, smallest)
    known = draws(count).round(1)  # with ties
    found = Calibration.of("conformal", rate, known)
    edges = np.concatenate([np.nextafter(known, -9), known, np.nextafter(known, 9), [-9, 9]])
    assert np.array_equal(found.alarms(edges), found.p_values(edges) <= rate)
    assert np.array_equal(found.alarms(edges), edges >= found.threshold)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.29])
def test_false_alarms_over_training_sets_are_as_rare_as_promised(rate):
    count, dice, shares = 39, np.random.default_rng(0), []
    for _ in range(500):
        found = Calibration.of("conformal", rate, dice.normal(size=count))
        shares.append(found.alarms(dice.normal(size=400)).mean())
    expected = math.floor(rate * (count + 1)) / (count + 1)
    error = np.std(shares, ddof=1) / math.sqrt(len(shares))
    assert expected <= rate
    assert abs(np.mean(shares) - expected) < 3 * error


def test_ties_raise_fewer_alarms_not_more():
    dice, shares = np.random.default_rng(0), []
    for _ in range(500):
        found = Calibration.of("conformal", 0.1, dice.integers(0, 4, 39).astype(float))
        shares.append(found.alarms(dice.integers(0, 4, 400).astype(float)).mean())
    assert np.mean(shares) < 0.1


@pytest.mark.parametrize(
    ("rate", "count", "sentence"),
    [
        (0.05, 18, "A false-alarm rate of 0.05 needs at least 19 held-out examples; there are 18"),
        (
            0.001,
            500,
            "rate of 0.001 needs at least 999 held-out examples; there are 500. Give more",
        ),
        (0.1, 2, r"or a rate of at least 0\.334"),
    ],
)
def test_too_few_examples_are_a_sentence(rate, count, sentence):
    with pytest.raises(InputError, match=sentence):
        Calibration.of("conformal", rate, draws(count))


@pytest.mark.parametrize("count", [*range(1, 60), 97, 993, 1234])
def test_the_rate_and_the_count_that_it_advises_are_accepted(count):
    with pytest.raises(InputError) as caught:
        Calibration.of("conformal", 0.9 / (count + 1), draws(count))
    text = str(caught.value)
    advised = float(text.rpartition(" ")[2].rstrip("."))
    Calibration.of("conformal", advised, draws(count))
    assert advised < 1.02 / (count + 1)
    needed = int(text.partition("needs at least ")[2].split()[0].replace(",", ""))
    Calibration.of("conformal", 0.9 / (count + 1), draws(needed))
    with pytest.raises(InputError, match="needs at least"):
        Calibration.of("conformal", 0.9 / (count + 1), draws(needed - 1))


def test_the_smallest_rate_of_any_count_is_accepted():
    for count in range(1, 3000):
        known = np.arange(count, dtype=float)
        found = Calibration.of("conformal", 1 / (count + 1), known)
        assert found.threshold == np.nextafter(count - 1, np.inf)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("count", [40, 100, 101])
def test_contamination_is_the_share_of_training_examples_with_an_alarm(share, count):
    known = draws(count)
    found = Calibration.of("contamination", share, known)
    alarms = found.alarms(known)
    assert abs(alarms.sum() - share * count) <= 1
    assert alarms.any()
    assert known[alarms].min() > known[~alarms].max()


def test_scores_are_kept_in_order_whatever_theirs():
    known = draws(30)
    found, other = (Calibration.of("conformal", 0.1, x) for x in (known, known[::-1]))
    assert np.array_equal(found.scores, np.sort(known))
    assert np.array_equal(found.scores, other.scores)
    assert found.threshold == other.threshold
