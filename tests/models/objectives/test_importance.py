"""The importance-weighted bound, as it is trained and as it is measured."""

from __future__ import annotations

import json

import pytest
import torch

import zoo
from zoo.models import Batch
from zoo.models.objectives import objective_for
from zoo.models.objectives.importance import systematic
from zoo.specs.objectives import IWAE
from zoo.training.recipe import Recipe

IMAGE = (1, 8, 8)


def model(**fields):
    body = {"kind": "mlp", "hidden": [12]}
    return zoo.build("vae", seed=0, input_shape=IMAGE, latent_dim=3, body=body, **fields)


def loss_of(vae, images, gradient, noise, objective):
    return objective_for(vae, objective, gradient).loss(vae, Batch.of(images), noise)


def x(count=4):
    return (torch.linspace(0, 1, count * 64).mul(37).sin().abs() > 0.5).float().view(count, *IMAGE)


@pytest.mark.parametrize("prior", [{"kind": "normal"}, {"kind": "vamp", "components": 4}], ids=str)
def test_the_importance_weighted_loss_is_minus_the_bound_at_the_same_noise(prior):
    vae, images = model(prior=prior), x()
    noise = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(1))
    for gradient in ("reparameterized", "dreg"):
        loss = loss_of(vae, images, gradient, noise, IWAE(samples=7))
        assert list(loss.per_example) == list(loss.terms) == ["iwae"]
        bound = vae.importance_bound(images, noise.transpose(0, 1))
        torch.testing.assert_close(loss.scores.double(), -bound, rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(loss.total.double(), -bound.mean(), rtol=1e-5, atol=1e-4)


def test_one_importance_sample_is_the_elbo():
    vae, images, noise = model(), x(), torch.randn(4, 1, 3)
    bound = loss_of(vae, images, "reparameterized", noise, IWAE(samples=1)).total
    weights = vae._log_weights(images, noise.transpose(0, 1))
    torch.testing.assert_close(bound, -weights.mean())


def gradients(vae, images, gradient, objective, draws=1500):
    """Mean and standard error over many draws of the gradient of K draws, of encoder and decoder; and its variance."""
    found, generator = [], torch.Generator().manual_seed(5)
    for _ in range(draws):
        vae.zero_grad()
        noise = torch.randn(len(images), objective.noises, 3, generator=generator)
        loss_of(vae, images, gradient, noise, objective).total.backward()
        found.append(torch.cat([p.grad.flatten() for p in vae.parameters()]))
    grads = torch.stack(found).double()
    return grads.mean(0), grads.std(0) / draws**0.5, grads.var(0)


@pytest.fixture(scope="module")
def trained():
    """A model near the optimum, where dreg has less variance, its images and the gradient of all draws."""
    vae, images = model(), x(16)
    optimizer = torch.optim.Adam(vae.parameters(), 1e-2)
    torch.manual_seed(0)
    for _ in range(150):
        optimizer.zero_grad()
        vae.loss(images).total.backward()
        optimizer.step()
    return vae, images, gradients(vae, images, "reparameterized", IWAE(samples=3))


def same_mean(one, other):
    off = (one[0] - other[0]).abs() / (one[1] ** 2 + other[1] ** 2).sqrt().clamp(min=1e-9)
    return off.max() < 5.5


def test_the_doubly_reparameterized_gradient_has_the_same_mean_and_less_variance(trained):
    vae, images, plain = trained
    dreg = gradients(vae, images, "dreg", IWAE(samples=3))
    assert same_mean(plain, dreg)
    encoder = sum(p.numel() for n, p in vae.named_parameters() if not n.startswith("decoder"))
    assert dreg[2][:encoder].sum() < 0.9 * plain[2][:encoder].sum()


@pytest.mark.parametrize("gradient", ["reparameterized", "dreg"])
@pytest.mark.parametrize("count", [1, 2])
def test_the_gradient_of_resampled_draws_has_the_mean_of_all(trained, gradient, count):
    vae, images, plain = trained
    assert same_mean(plain, gradients(vae, images, gradient, IWAE(samples=3, resampled=count)))


def test_the_loss_of_resampled_draws_is_that_of_all():
    vae, images, noise = model(), x(), torch.randn(4, 6, 3)
    whole = loss_of(vae, images, "dreg", noise[:, :5], IWAE(samples=5)).total
    part = loss_of(vae, images, "dreg", noise, IWAE(samples=5, resampled=2)).total
    torch.testing.assert_close(part, whole)


def test_draws_are_resampled_as_often_as_their_share_says():
    shares = torch.tensor([[0.5, 0.25, 0.0, 0.25], [0.0, 0.0, 1.0, 0.0]]).T  # (K, N)
    for noise in (-9.0, -0.3, 0.0, 2.0):
        chosen = systematic(shares, torch.full((2,), noise), 4)
        assert chosen[:, 0].sort()[0].tolist() == [0, 0, 1, 3]
        assert chosen[:, 1].tolist() == [2] * 4


@pytest.mark.parametrize("resampled", ["off", 2])
def test_a_graph_has_the_same_doubly_reparameterized_gradient(resampled):
    objective = IWAE(samples=5, resampled=resampled)
    vae, images, noise = model(), x(), torch.randn(4, objective.noises, 3)

    def loss():
        return loss_of(vae, images, "dreg", noise, objective).total

    torch.compiler.reset()
    graph = torch.compile(loss, backend="aot_eager", fullgraph=True)
    grads = [torch.autograd.grad(way(), list(vae.parameters())) for way in (loss, graph)]
    torch.testing.assert_close(grads[1], grads[0])


def recipe(**training):
    return Recipe.parse(
        {
            "model": {"family": "vae", "input_shape": [1, 8, 8], "latent_dim": 3},
            "data": {"dataset": "digits", "protocol": "binarized"},
            "training": {"epochs": 1, **training},
        }
    )


def test_a_recipe_trains_on_the_importance_weighted_bound(tmp_path):
    chosen = recipe(objective={"kind": "iwae", "samples": 3}, gradient="dreg", batch_size=100)
    run = zoo.train(chosen, out=tmp_path / "run")
    history = (tmp_path / "run" / "history.jsonl").read_text()
    assert '"iwae"' in history
    assert run.metrics is not None


def test_the_warm_up_of_a_bound_trains_on_its_own_draws(tmp_path):
    def history(name, **objective):
        chosen = recipe(epochs=2, objective={"kind": "iwae", **objective}, gradient="dreg")
        zoo.train(chosen, out=tmp_path / name)
        lines = (tmp_path / name / "history.jsonl").read_text().splitlines()
        return [json.loads(line)["terms"]["iwae"] for line in lines]

    few = history("few", samples=2)
    both = history("both", samples=7, resampled=3, warmup_epochs=1, warmup_samples=2)
    assert both[0] == few[0]
    assert both[1] < few[1]


def test_a_measured_bound_keeps_nothing_for_a_gradient():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape), lambda t: t):
        bound = model().log_likelihood(x(), samples=8)
    assert not bound.requires_grad
    assert kept == []
