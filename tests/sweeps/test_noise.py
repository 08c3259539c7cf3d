"""What a sweep's table says of differences that are noise, and where its winner is."""

from __future__ import annotations

import math

import pytest

from zoo.sweeps.noise import judged, sentences
from zoo.sweeps.plan import load_plan
from zoo.sweeps.table import rows as rows_of

GRID = 'metric = "{metric}"\nseeds = {seeds}\n[grid]\n"model.latent_dim" = [2, 4, 8]\n'


def table_of(sweep_file, metric: str, seeds: list[int], values: list[float], error=None):
    """A sweep of three settings whose trials, in their order, have these values."""
    plan = load_plan(sweep_file(GRID.format(metric=metric, seeds=seeds)))
    table = rows_of(plan, [None] * len(plan.trials))
    for row, value in zip(table, values, strict=True):
        row.update({metric: value, f"{metric}_se": error})
    return plan, table


def test_with_seeds_noise_is_what_their_pooled_spread_explains(sweep_file):
    # each pair of seeds is 2 apart: a variance of 2, with 3 degrees of freedom; the standard error of
    # a mean of two is 1, of a difference sqrt(2), and Student's t is 3.18: noise ends at 4.50
    plan, table = table_of(sweep_file, "neg_elbo", [0, 1], [44.4, 46.4, 40.0, 42.0, 45.6, 47.6])
    found = judged(plan, table)
    assert found is not None
    assert (found.best["trial"], found.mean, found.others, found.seeds) == (2, 41.0, 1, 2)
    assert found.error == pytest.approx(1.0)
    assert found.alike == {0, 1, 2, 3}
    assert sentences(plan, found) == [
        "Best: model.latent_dim = 4: neg_elbo 41.0 ± 1.0, the mean of 2 seeds.",
        "1 other setting differs from it by no more than noise between seeds: marked ~ in the table.",
    ]


def test_with_one_seed_noise_is_of_the_images_and_said_not_to_be_all(sweep_file):
    plan, table = table_of(sweep_file, "neg_elbo", [0], [40.0, 40.8, 40.9], error=0.3)
    found = judged(plan, table)  # noise ends at 2 * sqrt(0.18) = 0.85
    assert found is not None
    assert found.alike == {0, 1}
    assert "no more than noise between images" in sentences(plan, found)[1]
    assert "One seed does not show how much trainings differ" in sentences(plan, found)[-1]


def test_where_nothing_is_known_of_noise_that_is_said(sweep_file):
    plan, table = table_of(sweep_file, "active_units", [0], [2.0, 4.0, 3.0])
    found = judged(plan, table)
    assert found is not None
    assert found.best["trial"] == 1  # more is better
    assert (found.error, found.others) == (None, 0)
    assert sentences(plan, found)[-1].startswith("Which differences are noise is unknown")


def test_differences_beyond_noise_are_said_to_be(sweep_file):
    plan, table = table_of(sweep_file, "neg_elbo", [0, 1], [40.0, 40.1, 50.0, 50.1, 60.0, 60.1])
    found = judged(plan, table)
    assert found is not None
    assert found.error == pytest.approx(0.05 * math.sqrt(2) / math.sqrt(2))
    assert "All other settings differ from it by more than noise" in sentences(plan, found)[1]


def test_trials_without_the_metric_count_for_nothing(sweep_file):
    plan = load_plan(sweep_file(GRID.format(metric="mse", seeds=[0])))
    assert judged(plan, rows_of(plan, [None] * 3)) is None
