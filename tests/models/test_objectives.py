"""The objectives of a variational training: the ELBO with free bits, and the importance-weighted bound."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import RecipeError
from zoo.specs.objectives import ELBO, IWAE
from zoo.training.recipe import Recipe

IMAGE = (1, 8, 8)


def model(**fields):
    body = {"kind": "mlp", "hidden": [12]}
    return zoo.build("vae", seed=0, image_shape=IMAGE, latent_dim=3, body=body, **fields)


def x(count=4):
    return (torch.linspace(0, 1, count * 64).mul(37).sin().abs() > 0.5).float().view(count, *IMAGE)


@pytest.mark.parametrize("prior", [{"kind": "normal"}, {"kind": "vamp", "components": 4}], ids=str)
def test_the_importance_weighted_loss_is_minus_the_bound_at_the_same_noise(prior):
    vae, images = model(prior=prior), x()
    noise = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(1))
    for gradient in ("reparameterised", "dreg"):
        loss = vae._loss(images, gradient, noise, IWAE(samples=7))
        assert list(loss.terms) == ["iwae"]
        bound = vae.importance_bound(images, noise.transpose(0, 1))
        torch.testing.assert_close(loss.total.double(), -bound.mean(), rtol=1e-5, atol=1e-4)


def test_one_importance_sample_is_the_elbo():
    vae, images, noise = model(), x(), torch.randn(4, 1, 3)
    bound = vae._loss(images, "reparameterised", noise, IWAE(samples=1)).total
    weights = vae.log_weights(images, vae.posterior(images), noise.transpose(0, 1))
    torch.testing.assert_close(bound, -weights.mean())


def gradients(vae, images, gradient, draws):
    """Mean and standard error over many draws of the gradient of K = 3, of encoder and decoder."""
    found, generator = [], torch.Generator().manual_seed(5)
    for _ in range(draws):
        vae.zero_grad()
        noise = torch.randn(len(images), 3, 3, generator=generator)
        vae._loss(images, gradient, noise, IWAE(samples=3)).total.backward()
        found.append(torch.cat([p.grad.flatten() for p in vae.parameters()]))
    grads = torch.stack(found).double()
    return grads.mean(0), grads.std(0) / draws**0.5, grads.var(0)


def test_the_doubly_reparameterised_gradient_has_the_same_mean_and_less_variance():
    vae, images = model(), x(16)
    optimiser = torch.optim.Adam(vae.parameters(), 1e-2)
    torch.manual_seed(0)
    for _ in range(150):  # near the optimum, where its variance is less
        optimiser.zero_grad()
        vae.loss(images).total.backward()
        optimiser.step()
    plain, plain_error, plain_variance = gradients(vae, images, "reparameterised", 1500)
    dreg, dreg_error, dreg_variance = gradients(vae, images, "dreg", 1500)
    off = (plain - dreg).abs() / (plain_error**2 + dreg_error**2).sqrt().clamp(min=1e-9)
    assert off.max() < 5.5
    encoder = sum(p.numel() for n, p in vae.named_parameters() if not n.startswith("decoder"))
    assert dreg_variance[:encoder].sum() < 0.9 * plain_variance[:encoder].sum()


def test_a_graph_has_the_same_doubly_reparameterised_gradient(monkeypatch):
    vae, images, noise = model(), x(), torch.randn(4, 5, 3)
    grads = []
    for compiled in (False, True):  # a graph takes another way to it
        monkeypatch.setattr("torch.compiler.is_compiling", lambda compiled=compiled: compiled)
        loss = vae._loss(images, "dreg", noise, IWAE(samples=5)).total
        grads.append(torch.autograd.grad(loss, list(vae.parameters())))
    torch.testing.assert_close(grads[1], grads[0])


def test_below_its_free_bits_a_kl_has_no_gradient():
    vae, images = model(), x()
    kl = vae.loss(images, objective=ELBO(free_bits=1e3)).terms["kl"]
    assert kl == 1e3
    assert all(not g.any() for g in torch.autograd.grad(kl, list(vae.encoder.parameters())))
    free = ELBO(free_bits=1e-6)
    assert vae.loss(images, objective=free).terms["kl"] == vae.loss(images).terms["kl"]


def recipe(family="vae", **training):
    return Recipe.parse(
        {
            "model": {"family": family, "image_shape": [1, 8, 8], "latent_dim": 3},
            "data": {"dataset": "digits", "protocol": "binarised"},
            "training": {"epochs": 1, **training},
        }
    )


@pytest.mark.parametrize(
    ("family", "training", "said"),
    [
        ("vae", {"objective": {"kind": "iwae", "samples": 0}}, "samples: input should be greater than"),
        ("vae", {"objective": {"kind": "iwea"}}, "objective"),
        ("vae", {"objective": {"kind": "iwae"}, "gradient": "stl"}, "'stl' is not for iwae; 'dreg' is"),
        ("vae", {"gradient": "dreg"}, "'dreg' is not for elbo; 'stl' is"),
        ("beta-vae", {"objective": {"kind": "iwae"}}, "'beta-vae' is trained on 'elbo'"),
        ("hierarchical-vae", {"objective": {"kind": "iwae"}}, "is trained on 'elbo'"),
        ("ae", {"objective": {"kind": "iwae"}}, "training.objective: for variational families"),
        ("ae", {"gradient": "dreg"}, "training.gradient: for variational families"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(family, training, said):
    with pytest.raises(RecipeError, match=said):
        recipe(family, **training)


def test_a_recipe_trains_on_the_importance_weighted_bound(tmp_path):
    chosen = recipe(objective={"kind": "iwae", "samples": 3}, gradient="dreg", batch_size=100)
    run = zoo.train(chosen, out=tmp_path / "run")
    history = (tmp_path / "run" / "history.jsonl").read_text()
    assert '"iwae"' in history
    assert run.metrics is not None
