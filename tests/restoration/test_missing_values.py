"""Missing values: their draws have the model's own conditional distribution."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

import zoo
from zoo.data import load_examples
from zoo.errors import DataError, InputError
from zoo.restoration.conditional import conditional_draws
from zoo.restoration.measure import missing_nats, partial_bound

SCALE = 0.5
WEIGHTS = torch.tensor([1.0, -0.8, 0.6, 0.9])
"""Of a linear decoder: values are WEIGHTS z plus noise of SCALE, z standard normal."""


@pytest.fixture(scope="module")
def linear() -> zoo.VariationalAutoencoder:
    """A linear-Gaussian model whose encoder is wrong: shrunk, and too wide."""
    model = zoo.build(
        "vae",
        input_shape=(4,),
        latent_dim=1,
        body={"kind": "mlp", "hidden": []},
        likelihood={"kind": "gaussian", "scale": SCALE},
        log_variance_bound="off",
        seed=0,
    ).eval()
    assert isinstance(model, zoo.VariationalAutoencoder)
    variance = 1 / (1 + WEIGHTS.square().sum() / SCALE**2)
    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for tensor in tensors.values():
            tensor.zero_()
        encoder = next(t for name, t in tensors.items() if t.shape == (2, 4))
        encoder[0] = 0.8 * variance * WEIGHTS / SCALE**2
        bias = next(t for name, t in tensors.items() if t.shape == (2,))
        bias[1] = variance.log() + 0.7
        decoder = next(t for name, t in tensors.items() if t.shape == (4, 1))
        decoder[:, 0] = WEIGHTS
    return model


def conditional(x: Tensor, missing: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the missing values of the linear model, given the others."""
    covariance = torch.outer(WEIGHTS, WEIGHTS) + SCALE**2 * torch.eye(4)
    seen = ~missing
    gain = covariance[missing][:, seen] @ torch.linalg.inv(covariance[seen][:, seen])
    return gain @ x[seen], covariance[missing][:, missing] - gain @ covariance[seen][:, missing]


def test_draws_are_of_the_conditional_distribution_although_the_encoder_is_wrong(linear):
    x = torch.tensor([[1.5, 0.0, 0.9, 0.0]])
    missing = torch.tensor([[False, True, False, True]])
    draws = conditional_draws(linear, x, missing, samples=4000, steps=60)
    mean, covariance = conditional(x[0], missing[0])
    drawn = draws.drawn[:, 0][:, missing[0]]
    assert drawn.mean(0).tolist() == pytest.approx(mean.tolist(), abs=0.04)
    assert torch.allclose(drawn.T.cov(), covariance, atol=0.05)
    assert torch.equal(draws.drawn[..., ~missing[0]], x[:, ~missing[0]].expand(4000, 1, 2))
    assert 0.2 < draws.accepted < 1
    again = conditional_draws(linear, x, missing, samples=4000, steps=60)
    assert torch.equal(draws.drawn, again.drawn)


def test_chains_stay_although_the_encoder_overshoots(linear):
    model = copy.deepcopy(linear)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.mul_(3.0 if tensor.shape == (2, 4) else 1.0)
    x, missing = torch.tensor([[1.5, 0.0, 0.0, 0.0]]), torch.tensor([[False, True, True, True]])
    drawn = conditional_draws(model, x, missing, samples=200, steps=400).drawn
    assert drawn.abs().max() < 6


def test_bounds_of_observed_values_are_close_to_their_density(linear):
    x = torch.tensor([[1.5, -0.2, 0.9, 0.4], [0.1, 0.3, -0.5, -1.0]])
    observed = torch.tensor([[True, False, True, True]]).expand(2, 4)
    covariance = (torch.outer(WEIGHTS, WEIGHTS) + SCALE**2 * torch.eye(4))[observed[0]][
        :, observed[0]
    ]
    exact = torch.distributions.MultivariateNormal(torch.zeros(3), covariance).log_prob(
        x[:, observed[0]]
    )
    bound = partial_bound(linear, x, observed, samples=4000)
    assert bound.tolist() == pytest.approx(exact.tolist(), abs=0.02)
    given, alone = missing_nats(linear, x, ~observed, samples=4000)
    whole = torch.distributions.MultivariateNormal(
        torch.zeros(4), torch.outer(WEIGHTS, WEIGHTS) + SCALE**2 * torch.eye(4)
    ).log_prob(x)
    assert given.tolist() == pytest.approx((exact - whole).tolist(), abs=0.04)
    one = torch.distributions.Normal(0.0, (WEIGHTS[1] ** 2 + SCALE**2).sqrt()).log_prob(x[:, 1])
    gaps = alone + one  # of a bound on log p, estimated from 4,000 codes
    assert ((gaps > -0.02) & (gaps < 0.1)).all()


def test_pixels_are_filled_in_and_the_others_stay():
    model = zoo.load("vae-digits-8")
    x = model.sample(5, seed=1)
    missing = torch.zeros(8, 8, dtype=torch.bool)
    missing[4:] = True
    filled = zoo.inpaint(model, x, missing, samples=3, steps=20)
    assert filled.shape == (3, 5, 1, 8, 8)
    assert torch.equal(filled[..., :4, :], x[None, ..., :4, :].expand(3, -1, -1, -1, -1))
    assert not torch.equal(filled[0], filled[1])
    hidden = zoo.inpaint(model, x.masked_fill(missing, torch.nan), missing, samples=3, steps=20)
    assert zoo.inpaint(model, x[:0], missing, samples=3).shape == (3, 0, 1, 8, 8)
    assert torch.equal(filled, hidden)


def test_fillings_are_closer_than_samples_of_the_model():
    model = zoo.load("vae-digits-8")
    x = load_examples("digits", "test").first(40).float() / 255
    missing = torch.zeros(8, 8, dtype=torch.bool)
    missing[4:] = True
    given = (zoo.inpaint(model, x, missing, samples=4, steps=20) - x)[..., 4:, :].square().mean()
    alone = (model.sample(40, seed=3) - x)[..., 4:, :].square().mean()
    assert given < 0.8 * alone


@pytest.mark.parametrize("family", ["hierarchical-vae", "conv-vae"])
def test_levels_in_color_are_filled_in(family):
    model = zoo.build(
        family,
        input_shape=(3, 8, 8),
        latent_dim=4,
        body={"kind": "conv", "channels": [4, 4], "hidden": [8]},
        likelihood={"kind": "discretized-logistic", "components": 2},
        seed=0,
    ).eval()
    missing = torch.rand(2, 1, 8, 8) < 0.5
    filled = zoo.inpaint(model, torch.rand(2, 3, 8, 8), missing, samples=2, steps=4)
    assert filled.shape == (2, 2, 3, 8, 8)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (torch.zeros(8, 8), "missing is a bool tensor"),
        (torch.zeros(9, 8, dtype=torch.bool), r"got \(9, 8\)"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.bool), r"got \(3, 1, 8, 8\)"),
        (torch.ones(8, 8, dtype=torch.bool), "no observed pixel"),
    ],
)
def test_masks_that_do_not_fit_are_sentences(missing, said):
    with pytest.raises(InputError, match=said):
        zoo.inpaint("vae-digits-8", torch.rand(2, 1, 8, 8), missing)


def test_a_model_without_a_posterior_fills_nothing_in():
    model = zoo.build("ae", input_shape=(1, 8, 8), latent_dim=2, seed=0).eval()
    with pytest.raises(InputError, match="drawn by a variational model"):
        zoo.inpaint(model, torch.rand(1, 1, 8, 8), torch.zeros(8, 8, dtype=torch.bool))
    with pytest.raises(InputError, match="use impute"):
        zoo.inpaint(
            "vae-breast-cancer-2", torch.rand(1, 1, 8, 8), torch.zeros(8, 8, dtype=torch.bool)
        )


def test_rows_are_imputed_in_their_units(linear):
    x = np.array([[1.5, np.nan, 0.9, np.nan], [0.1, 0.2, 0.3, 0.4]])
    drawn = zoo.impute(linear, x, draws=3, steps=10)
    assert drawn.shape == (3, 2, 4)
    assert np.isfinite(drawn).all()
    kept = ~np.isnan(x)
    assert (drawn[:, kept] == x[kept]).all()
    assert len(np.unique(drawn[:, 0, 1])) == 3


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        ([[np.nan] * 4], InputError, "Row 0 has no observed value"),
        ([[np.inf, 0, 0, 0]], DataError, "infinite"),
        ([[0.0, 0, 0]], InputError, r"Rows are \(N, 4\); got \(1, 3\)"),
        ("table.csv", InputError, "needs a detector"),
        ([["a"] * 4], InputError, "Rows are an array or a tensor"),
    ],
)
def test_rows_that_do_not_fit_are_sentences(linear, rows, error, said):
    with pytest.raises(error, match=said):
        zoo.impute(linear, rows)


def test_values_that_the_likelihood_cannot_have_are_sentences():
    model = zoo.build(
        "vae",
        input_shape=(3,),
        latent_dim=1,
        likelihood={"kind": "columns", "columns": "r b c3"},
        body={"kind": "mlp", "hidden": [4]},
        seed=0,
    ).eval()
    assert zoo.impute(model, [[1.0, np.nan, np.nan]], draws=2, steps=4).shape == (2, 1, 3)
    with pytest.raises(InputError, match="column 1 is binary"):
        zoo.impute(model, [[np.nan, 0.5, 2]])
