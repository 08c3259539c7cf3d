"""Models of rows with columns of different kinds: built, trained, saved, with missing values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import zoo
import zoo.testing
from zoo.data import Examples
from zoo.data.moments import moments
from zoo.errors import DataError, InputError, SpecError
from zoo.export.write import export_onnx
from zoo.models.loss import Batch
from zoo.models.objectives import objective_for
from zoo.sklearn import Encoder
from zoo.specs.objectives import IWAE, Pixels

KINDS = "2r b c3 c4"
SMALL = {"input_shape": (5,), "latent_dim": 2, "body": {"kind": "mlp", "hidden": [8]}}


def build(family="vae", missing="refused", columns=KINDS, **fields) -> zoo.Autoencoder:
    likelihood = {"kind": "columns", "columns": columns, "missing": missing}
    model = zoo.build(family, seed=0, **{**SMALL, "likelihood": likelihood, **fields}).eval()
    model.standardization.set(*moments(Examples("made", "train", torch.from_numpy(table()))))
    return model


def table(missing: float = 0.0, rows: int = 400) -> np.ndarray:
    """A timestamp and a tiny number that depend on a category, a flag, and two categories."""
    dice = np.random.default_rng(0)
    kind = dice.integers(0, 3, rows)
    x = np.stack(
        [
            1.7e9 + 60 * kind + dice.normal(size=rows),
            1e-3 * (kind + dice.normal(size=rows)),
            (kind > 1).astype(float),
            kind.astype(float),
            dice.integers(0, 4, rows).astype(float),
        ],
        1,
    )
    x[dice.random(x.shape) < missing] = np.nan
    return x


def recipe(missing: str, family="vae", **training) -> dict:
    fields = {**SMALL, "likelihood": {"kind": "columns", "columns": KINDS, "missing": missing}}
    return {
        "model": {"family": family, **fields, "input_shape": [5]},
        "data": {"dataset": "table", "protocol": "real"},
        "training": {"epochs": 2, "batch_size": 50, "output_bias": "training-mean", **training},
    }


# Specs


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"columns": "3r"},
            "likelihood: columns = '3r' has 3 columns; input_shape has 5",
        ),
        ({"columns": "4r 1q"}, "likelihood.columns: 1q is not a run of columns"),
        ({"columns": "4r c1"}, "likelihood.columns: c1 has 1 category"),
        ({}, "likelihood.columns: missing"),
        ({"columns": "5r", "missing": "dropped"}, "likelihood.missing: input should be 'refused'"),
    ],
)
def test_what_does_not_fit_is_a_problem_of_the_spec(fields, line):
    with pytest.raises(SpecError) as caught:
        zoo.build("vae", **SMALL, likelihood={"kind": "columns", **fields})
    assert f"  {line}" in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 9)])
def test_it_is_for_rows_alone(shape):
    with pytest.raises(SpecError, match="'columns' does not support"):
        zoo.build(
            "vae", **{**SMALL, "input_shape": shape}, likelihood={"kind": "columns", "columns": "r"}
        )


def test_a_long_table_is_a_short_setting():
    model = zoo.build(
        "ae",
        input_shape=(1555,),
        latent_dim=2,
        body={"kind": "mlp", "hidden": [4]},
        likelihood={"kind": "columns", "columns": "3r 1500b c5 51c12"},
    )
    assert model.encoder[0].in_features == 3 + 1500 + 5 + 51 * 12
    assert model.likelihood_head.outputs == (3 + 1500 + 5 + 51 * 12,)
    x = torch.zeros(2, 1555)
    assert model.eval().reconstruct(x).shape == (2, 1555)


# Standardization and units


def test_real_columns_alone_are_standardized():
    own = build().standardization
    assert own.mean[2:].tolist() == [0, 0, 0]
    assert own.scale[2:].tolist() == [1, 1, 1]
    x = torch.from_numpy(table())
    torch.testing.assert_close(own.mean[:2], x[:, :2].mean(0))
    torch.testing.assert_close(own.scale[:2], x[:, :2].std(0, correction=0))


def test_the_expected_row_is_in_the_users_units():
    model, x = build(), torch.from_numpy(table())
    y = model.reconstruct(x)
    assert y.dtype == torch.float64
    assert abs(y[:, 0] - 1.7e9).max() < 1e4
    assert ((y[:, 2] > 0) & (y[:, 2] < 1)).all()
    assert set(y[:, 3].tolist()) <= {0, 1, 2}
    assert list(model.likelihood(model.encode(x)).probabilities) == [3, 4]


# Values


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (2, 0.5, r"x\[1, 2\] is 0.5, and column 2 is binary, 0 or 1"),
        (3, 3.0, r"x\[1, 3\] is 3, and column 3 is categorical, whole numbers from 0 to 2"),
        (4, -1.0, r"x\[1, 4\] is -1, and column 4 is categorical, whole numbers from 0 to 3"),
        (3, 1.5, r"x\[1, 3\] is 1.5, and column 3"),
        (0, math.inf, r"x\[1, 0\] is inf. Drop such rows, or impute values\.$"),
        (
            0,
            math.nan,
            r'is nan. Drop such rows, or impute values, or set likelihood.missing = "marginal"',
        ),
    ],
)
def test_a_value_of_no_kind_is_refused_in_a_sentence(column, value, sentence):
    x = torch.from_numpy(table())[:3]
    x[1, column] = value
    for method in ("encode", "reconstruct", "loss", "elbo", "posterior"):
        with pytest.raises(InputError, match=sentence):
            getattr(build(), method)(x)


def test_infinity_is_refused_where_missing_values_are_not():
    x = torch.from_numpy(table())[:3]
    x[1, 0] = -math.inf
    with pytest.raises(InputError, match=r"finite or NaN, which is missing; .* x\[1, 0\] is -inf"):
        build(missing="marginal").encode(x)


@pytest.mark.parametrize("family", ["ae", "vae", "beta-tc-vae", "factor-vae"])
def test_missing_values_are_seen_as_zeros_and_left_out_of_the_likelihood(family):
    model = build(family, "marginal")
    x = torch.from_numpy(table())[:4]
    holes = x.clone()
    holes[0, 0] = holes[1, 2] = holes[2, 3] = math.nan
    features = model.likelihood_head.features(model.standardized(holes))
    seen = model.likelihood_head.features(model.standardized(x))
    seen[0, 0] = seen[1, 2] = seen[2, 3:6] = 0
    assert torch.equal(features, seen)
    z = model.encode(x)
    found = model.likelihood(z)
    each, with_holes = found.per_value(x), found.per_value(holes)
    assert torch.equal(with_holes == 0, holes.isnan())
    torch.testing.assert_close(with_holes[~holes.isnan()], each[~holes.isnan()])
    torch.testing.assert_close(found.log_prob(holes), with_holes.sum(1), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found.log_prob(x), each.sum(1), rtol=1e-5, atol=1e-4)
    assert model.reconstruct(holes).isfinite().all()
    model.train().loss(holes).total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_loss_is_the_density_of_the_observed_values_in_the_users_units():
    model = build(missing="marginal")
    x = torch.from_numpy(table(0.3))[:6]
    batch = Batch.of(model.standardized(x))
    noise = torch.zeros(6, 2)
    nats = objective_for(model).loss(model, batch, noise).per_example["reconstruction"]
    expected = -model.likelihood(model.encode(x)).log_prob(x)
    torch.testing.assert_close(nats, expected, rtol=1e-5, atol=1e-4)
    assert model.elbo(x).isfinite().all()
    assert model.log_likelihood(x, samples=3).isfinite().all()
    assert model.loss(x, objective=IWAE(samples=3)).total.isfinite()


def test_an_error_of_pixels_leaves_missing_values_out():
    model = build("ae", missing="marginal")
    x = torch.from_numpy(table())[:4]
    holes = x.clone()
    holes[:, 0] = math.nan
    loss = model.loss(holes, x, objective=Pixels(error="l2")).terms["l2"]
    assert loss.isfinite()
    assert model.loss(holes, objective=Pixels(error="l2")).terms["l2"] < loss


def test_it_is_a_transformer_that_takes_missing_values(tmp_path):
    model, x = build(missing="marginal"), table(0.2)
    zoo.save(model, tmp_path)
    codes = Encoder(str(tmp_path)).fit_transform(x)
    assert np.array_equal(codes, model.encode(torch.from_numpy(x)).detach().numpy())


def test_a_row_without_a_value_has_probability_one():
    model = build(missing="marginal")
    x = torch.full((1, 5), math.nan)
    assert model.likelihood(model.encode(x)).log_prob(x).item() == 0


def test_pseudo_inputs_are_features():
    model = build(prior={"kind": "vamp", "components": 3})
    assert model.vamp.logits.shape == (3, 2 + 1 + 3 + 4)
    x = torch.from_numpy(table())[:4]
    model.train().loss(x).total.backward()
    assert model.vamp.logits.grad.isfinite().all()
    assert model.eval().sample(3, seed=0).shape == (3, 5)


# Saved, trained, exported


def test_a_saved_model_is_the_same(tmp_path):
    model, x = build(missing="marginal"), torch.from_numpy(table(0.2))
    zoo.save(model, tmp_path)
    loaded = zoo.load(tmp_path)
    assert loaded.spec == model.spec
    assert torch.equal(loaded.reconstruct(x), model.reconstruct(x))
    assert set(loaded.state_dict()) == set(model.state_dict())
    assert not {name for name in model.state_dict() if "columns" in name or "outputs" in name}
    assert "missing values (NaN) are filled in" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("family", ["ae", "vae"])
@pytest.mark.parametrize("missing", ["refused", "marginal"])
def test_it_is_trained_and_measured(family, missing, tmp_path):
    x = table(0.2 * (missing == "marginal"))
    run = zoo.train(recipe(missing, family), dataset=x, out=tmp_path / "run", device="cpu")
    own = run.model.standardization
    assert own.mean[2:].tolist() == [0, 0, 0]
    assert abs(own.mean[0] - np.nanmean(x[:, 0])) < 10
    assert math.isfinite(run.metrics.reconstruction)
    assert math.isfinite(run.metrics.mse)
    again = zoo.load(tmp_path / "run" / "model")
    assert math.isfinite(zoo.evaluate(again, x).mse)


def test_training_data_of_another_kind_are_refused_by_row_and_column(tmp_path):
    x = table()
    x[:, 4] += 1
    with pytest.raises(
        DataError, match=r"split of table: row '\d+' has 4 in column 4; column 4 is cat"
    ):
        zoo.train(recipe("refused"), dataset=x, out=tmp_path / "run", device="cpu")
    with pytest.raises(DataError, match=r"row \d+ holds nan in column \d"):
        zoo.train(recipe("refused"), dataset=table(0.2), out=tmp_path / "two", device="cpu")
    x[:, 4], x[7, 0] = 0, np.inf
    with pytest.raises(DataError, match=r"row 7 holds inf in column 0"):
        zoo.train(recipe("marginal"), dataset=x, out=tmp_path / "three", device="cpu")


def test_it_is_exported(tmp_path):
    pytest.importorskip("onnxruntime")
    exported = export_onnx(build(missing="marginal"), tmp_path / "onnx")
    assert max(exported.differences.values()) < 1e-5


@pytest.mark.parametrize("family", ["ae", "vae"])
def test_the_kit_passes(family):
    fields = {"kind": "columns", "columns": "3r 2b c3 r 2c4 2b c3", "missing": "marginal"}
    small = {"latent_dim": 3, "body": {"kind": "mlp", "hidden": [16]}, "likelihood": fields}
    report = zoo.testing.check_family(family, small)
    left_out = {check.what for check in report.checks if check.result == "not measured"}
    assert {"sum over values", "densities"} <= left_out  # other shapes have other columns
    assert report.passed
