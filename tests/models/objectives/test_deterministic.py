"""Objectives of a code that is not drawn: the likelihood, the error of values, a family's own loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import zoo
from zoo.distributions.gaussians import divergence
from zoo.models import Batch
from zoo.models.objectives import objective_for
from zoo.registry import families
from zoo.specs.objectives import Likelihood, Pixels

SHAPE = (1, 8, 8)


def model(family="ae", **fields):
    return zoo.build(family, seed=0, input_shape=SHAPE, latent_dim=3, **fields)


def images(count=4):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_the_likelihood_is_that_of_the_code():
    ae, x = model(), images()
    loss = ae.loss(x)
    assert list(loss.per_example) == ["reconstruction"]
    wanted = -ae.likelihood(ae.encode(x)).log_prob(x)
    assert torch.equal(loss.per_example["reconstruction"], wanted)


def test_a_vae_is_trained_as_an_autoencoder_at_its_posteriors_mean():
    vae, x = model("vae"), images()
    loss = vae.loss(x, objective=Likelihood())
    assert list(loss.terms) == ["reconstruction"]
    wanted = -vae.likelihood(vae.posterior(x).mean).log_prob(x)
    assert torch.equal(loss.per_example["reconstruction"], wanted)


def test_a_familys_regularizer_is_a_term_with_its_weight():
    vq, x = model("vq-vae", codes=6, commitment=0.5).eval(), images()
    loss = vq.loss(x)
    apart = (vq._outputs(x) - vq.encode(x)).square().flatten(1).sum(1)
    torch.testing.assert_close(loss.per_example["commitment"], apart)
    torch.testing.assert_close(
        loss.scores, loss.per_example["reconstruction"] + 0.5 * loss.per_example["commitment"]
    )


@pytest.mark.parametrize("error", ["l1", "l2"])
@pytest.mark.parametrize("family", ["ae", "vq-vae"])
def test_an_error_of_values_is_the_sum_of_their_differences(family, error):
    one, x = model(family).eval(), images()
    loss = one.loss(x, objective=Pixels(error=error))
    apart = one.reconstruct(x) - x
    wanted = apart.abs() if error == "l1" else apart.square()
    torch.testing.assert_close(loss.per_example[error], wanted.flatten(1).sum(1))
    assert set(loss.terms) == {error} | ({"commitment"} if family == "vq-vae" else set())


def test_an_error_of_values_has_the_kl_of_a_posterior_with_the_objectives_weight():
    vae, x, noise = model("vae"), images(), torch.randn(4, 3)
    loss = objective_for(vae, Pixels(kl=0.25)).loss(vae, Batch.of(x), noise)
    posterior = vae.posterior(x)
    z = posterior.mean + posterior.stddev * noise
    kl = divergence(posterior, vae.prior(), z[None])
    error = (vae.decode(z) - x).abs().flatten(1).sum(1)
    torch.testing.assert_close(loss.scores, error + 0.25 * kl)


def test_an_error_of_values_is_of_the_target():
    ae, x, target = model(), images(), images(8)[4:]
    loss = ae.loss(x, target, objective=Pixels(error="l2"))
    wanted = (ae.reconstruct(x) - target).square().flatten(1).sum(1)
    torch.testing.assert_close(loss.per_example["l2"], wanted)


@pytest.mark.parametrize("family", ["ae", "vae", "vq-vae"])
def test_a_recipe_trains_on_an_error_of_values(family, recipe):
    settings = recipe(epochs=3, learning_rate=3e-3, objective={"kind": "pixels", "error": "l2"})
    settings["model"] = {"family": family, "input_shape": [1, 8, 8], "latent_dim": 4}
    settings["data"]["protocol"] = "gray"
    run = zoo.train(settings, out="a", device="cpu")
    first, *_, last = history()
    assert last["terms"]["l2"] < first["terms"]["l2"]
    assert last["validation_loss"] < first["validation_loss"]
    assert run.metrics.mse > 0


def history() -> list[dict]:
    return [json.loads(line) for line in Path("a/history.jsonl").read_text().splitlines()]


class Scalars(type(model())):
    """A family whose own loss is one number for a batch."""

    def _loss(self, batch, noise):
        assert noise.shape == (len(batch), 3)
        apart = self._decode(self._encode(batch.input)) - batch.target
        return zoo.Loss(batch={"error": apart.square().flatten(1).sum(1).mean()})


class PerExample(type(model())):
    """A family whose own loss has a value for each example."""

    def _loss(self, batch, noise):
        apart = self._decode(self._encode(batch.input)) - batch.target
        return zoo.Loss({"error": apart.square().flatten(1).sum(1)}, weights={"error": 2.0})


@pytest.fixture
def registered():
    """`registered(cls)`: a class as the family 'own-loss', for one test."""

    def register(cls):
        spec = type("OwnSpec", (cls.Spec,), {"__module__": __name__})
        return zoo.register("own-loss")(type("Own", (cls,), {"Spec": spec}))

    yield register
    families._registered.pop("own-loss", None)


def own(recipe, **training):
    settings = recipe(learning_rate=3e-3, **training)
    settings["model"] = {"family": "own-loss", "input_shape": [1, 8, 8], "latent_dim": 3}
    settings["data"]["protocol"] = "gray"
    return settings


def test_an_own_loss_of_scalars_trains_and_one_line_says_it_gives_no_scores(
    registered, recipe, caplog
):
    registered(Scalars)
    run = zoo.train(own(recipe, epochs=3), out="a", device="cpu")
    first, *_, last = history()
    assert last["terms"]["error"] < first["terms"]["error"]
    assert last["validation_loss"] < first["validation_loss"]
    assert run.metrics.mse > 0
    said = [one.message for one in caplog.records if "no term per example" in one.message]
    assert len(said) == 1
    assert "it gives no scores" in said[0]


def test_an_own_loss_with_a_value_per_example_has_scores_and_no_such_line(
    registered, recipe, caplog
):
    cls = registered(PerExample)
    zoo.train(own(recipe, epochs=1), out="a", device="cpu")
    assert not [one for one in caplog.records if "scores" in one.message]
    one, x = cls(cls.Spec(input_shape=SHAPE, latent_dim=3)), images()
    loss = one.loss(x)
    torch.testing.assert_close(loss.scores, 2 * loss.per_example["error"])


def test_an_own_loss_takes_the_place_of_the_zoos_and_another_objective_may_be_chosen(registered):
    cls = registered(Scalars)
    one, x = cls(cls.Spec(input_shape=SHAPE, latent_dim=3)), images()
    assert list(one.loss(x).terms) == ["error"]
    assert list(one.loss(x, objective=Likelihood()).terms) == ["reconstruction"]
