"""Rows and series, trained, measured and saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from zoo.data import load_examples
from zoo.data.moments import moments
from zoo.models.loss import Batch
from zoo.models.objectives import objective_for


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Rows with a timestamp, a tiny column and a constant one."""
    dice = np.random.default_rng(0)
    x = dice.normal(size=(600, 2)) @ dice.normal(size=(2, 5)) + 0.1 * dice.normal(size=(600, 5))
    x[:, 0] = 1.7e9 + np.cumsum(dice.exponential(30, 600))
    x[:, 1] *= 1e-6
    x[:, 4] = 7
    path = tmp_path_factory.mktemp("rows") / "table.npy"
    np.save(path, x)
    return path


def recipe(path, family="vae", shape=(5,), **training):
    body = {"kind": "mlp", "hidden": [16]}
    return {
        "model": {"family": family, "input_shape": list(shape), "latent_dim": 2, "body": body},
        "data": {"dataset": str(path), "protocol": "real"},
        "training": {"epochs": 2, "batch_size": 50, **training},
    }


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    return zoo.train(recipe(table), out=tmp_path_factory.mktemp("run") / "run", device="cpu")


def test_the_standardization_is_that_of_the_training_part(run, table):
    mean, scale = moments(load_examples(table, "train", shape=(5,)))
    assert torch.equal(run.model.standardization.mean, mean)
    assert torch.equal(run.model.standardization.scale, scale)
    assert scale[4] == 1


def test_a_saved_model_keeps_its_float64_buffers_bit_for_bit(run):
    loaded = zoo.load(run.folder / "model")
    assert torch.equal(loaded.standardization.mean, run.model.standardization.mean)
    assert loaded.standardization.mean.dtype == torch.float64


def test_the_bound_is_of_the_density_in_the_users_units(run, table):
    """Against the same bound of standardized rows, from a model that does not standardize."""
    rows = load_examples(table, "validation", shape=(5,)).values
    model, plain = run.model, zoo.build(run.model.spec).eval()
    weights = {k: v for k, v in model.state_dict().items() if "standardization" not in k}
    plain.load_state_dict(weights, strict=False)
    x = model.standardization(rows)
    noise = torch.zeros(len(x), 2)
    ours, theirs = (
        objective_for(one).loss(one, Batch.of(x.float()), noise).per_example["reconstruction"]
        for one in (model, plain)
    )
    volume = model.standardization.scale.log().sum()
    torch.testing.assert_close(ours.double(), theirs.double() + volume, rtol=1e-5, atol=1e-4)
    assert run.metrics.neg_elbo == pytest.approx(run.metrics.reconstruction + run.metrics.kl)


def test_mse_is_in_units_of_each_columns_variance(run, table):
    rows = load_examples(table, "validation", shape=(5,)).values.numpy()
    with torch.no_grad():
        found = run.model.reconstruct(torch.from_numpy(rows)).numpy()
    scale = np.where(rows.std(0) == 0, 1, rows.std(0))
    assert run.metrics.mse == pytest.approx((((found - rows) / scale) ** 2).mean(), rel=1e-9)


def test_what_has_no_meaning_for_rows_is_absent(run):
    metrics = run.metrics
    assert (metrics.psnr, metrics.ssim, metrics.bits_per_dim, metrics.bce_plus_kl) == (None,) * 4
    assert (metrics.domain, metrics.protocol) == ("vector", "real")


def test_a_decoder_starts_at_the_mean_series(tmp_path):
    t = np.linspace(0, 6, 16)
    np.save(
        tmp_path / "waves.npy",
        np.sin(t) + 0.01 * np.random.default_rng(0).normal(size=(400, 1, 16)),
    )
    chosen = recipe(tmp_path / "waves.npy", "ae", (1, 16), output_bias="training-mean", epochs=1)
    run = zoo.train(chosen, out=tmp_path / "run", device="cpu", overrides={"learning_rate": 1e-9})
    weights = [
        p for n, p in run.model.named_parameters() if n.startswith("decoder") and p.dim() == 1
    ]
    mean = run.model.standardization(torch.from_numpy(np.sin(t))[None, None])
    torch.testing.assert_close(weights[-1].detach().double(), mean.flatten(), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    "how",
    [
        {"ema_decay": 0.9, "early_stopping": 2},
        {"accumulate": 2},
        {"exact_shards": 2, "precision": "bf16"},
        {"objective": {"kind": "iwae", "samples": 3}, "gradient": "dreg"},
        {"objective": {"kind": "pixels", "error": "l2"}},
        {"objective": {"kind": "total-correlation"}},
    ],
    ids=lambda how: next(iter(how)),
)
def test_rows_train_every_way(how, table, tmp_path):
    run = zoo.train(recipe(table, **how), out=tmp_path / "run", device="cpu")
    assert run.metrics.mse < 2


def test_streamed_rows_give_the_same_weights(run, table, tmp_path, monkeypatch):
    for name in ("zoo.data.examples", "zoo.data.sources.arrays", "zoo.data.open"):
        monkeypatch.setattr(f"{name}.IN_MEMORY", 100)
    monkeypatch.setenv("ZOO_WORKERS", "0")
    streamed = zoo.train(recipe(table), out=tmp_path / "run", device="cpu")
    for name, tensor in streamed.model.state_dict().items():
        assert torch.equal(tensor, run.model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model.likelihood": {"kind": "bernoulli"}}, "use 'gaussian'"),
        ({"data.protocol": "gray"}, "'gray' is not a protocol for rows; use 'real'"),
        ({"model.body": {"kind": "conv"}}, "a conv body supports images only"),
        ({"training.shift": 1}, "for images only; this model takes 5-column rows"),
        ({"data.transform": {"flip": True}}, "data.transform"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_of_images_is_refused_of_rows(changed, sentence, table):
    with pytest.raises(zoo.RecipeError, match=sentence):
        zoo.train(recipe(table), overrides=changed)
