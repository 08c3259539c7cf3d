"""A loss by its terms: means, weights, floors, scores."""

from __future__ import annotations

import pytest
import torch

import zoo

VALUES = {"reconstruction": torch.tensor([1.0, 2.0, 6.0]), "kl": torch.tensor([0.0, 1.0, 2.0])}


def test_its_terms_are_means_of_those_per_example_and_those_of_the_batch():
    loss = zoo.Loss(VALUES, {"total_correlation": torch.tensor(0.5)})
    assert {name: float(term) for name, term in loss.terms.items()} == {
        "reconstruction": 3.0,
        "kl": 1.0,
        "total_correlation": 0.5,
    }


def test_its_total_is_the_weighted_sum_of_its_terms():
    loss = zoo.Loss(VALUES, {"total_correlation": torch.tensor(0.5)}, {"total_correlation": 6.0})
    assert loss.total == 3 + 1 + 6 * 0.5


def test_its_scores_are_the_weighted_sum_of_the_terms_per_example_alone():
    loss = zoo.Loss(VALUES, {"total_correlation": torch.tensor(0.5)}, {"kl": 4.0})
    assert loss.scores.tolist() == [1.0, 6.0, 14.0]


def test_a_warm_up_multiplies_weights():
    loss = zoo.Loss(VALUES, weights={"kl": 4.0})
    assert loss.scaled({"kl": 0.5, "reconstruction": 2.0}) == 2 * 3 + 0.5 * 4


def test_a_floor_is_of_the_mean_of_a_term_and_no_score_knows_it():
    loss = zoo.Loss(VALUES, floors={"kl": 1.5})
    assert loss.terms["kl"] == 1.5
    assert loss.terms["reconstruction"] == 3
    assert loss.per_example["kl"] is VALUES["kl"]
    assert loss.scores.tolist() == [1.0, 3.0, 8.0]
    assert zoo.Loss(VALUES, floors={"kl": 0.5}).terms["kl"] == 1


def test_a_batch_whose_target_is_its_input_is_one_tensor():
    x = torch.rand(3, 1, 8, 8)
    batch = zoo.Batch.of(x)
    assert batch.input is batch.target is x
    assert len(batch) == 3


@pytest.mark.parametrize("least", [0.0, 2.0])
def test_below_its_floor_a_term_has_no_gradient(least):
    kl = torch.ones(3, requires_grad=True)
    zoo.Loss({"kl": kl}, floors={"kl": least}).total.backward()
    assert kl.grad is not None
    assert bool(kl.grad.any()) == (least == 0)
