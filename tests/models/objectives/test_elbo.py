"""The negative ELBO as it is trained: terms per example, free bits, another target than the input."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.distributions.gaussians import divergence
from zoo.models import Batch
from zoo.models.objectives import objective_for
from zoo.specs.objectives import ELBO

SHAPE = (1, 8, 8)


def model(family="vae", **fields):
    if family != "hierarchical-vae":
        fields["body"] = {"kind": "mlp", "hidden": [12]}
    return zoo.build(family, seed=0, input_shape=SHAPE, latent_dim=3, **fields)


def images(count=4):
    return (torch.linspace(0, 1, count * 64).mul(37).sin().abs() > 0.5).float().view(count, *SHAPE)


def loss_of(vae, batch, noise, objective=None, gradient="reparameterized"):
    return objective_for(vae, objective, gradient).loss(vae, batch, noise)


def test_its_terms_are_those_of_the_distributions_example_by_example():
    vae, x, noise = model(), images(), torch.randn(4, 3)
    loss = loss_of(vae, Batch.of(x), noise)
    posterior = vae.posterior(x)
    z = posterior.mean + posterior.stddev * noise
    assert list(loss.per_example) == ["reconstruction", "kl"]
    assert not loss.batch
    torch.testing.assert_close(
        loss.per_example["reconstruction"], -vae.likelihood(z).log_prob(x), rtol=0, atol=0
    )
    torch.testing.assert_close(
        loss.per_example["kl"], divergence(posterior, vae.prior(), z[None]), rtol=0, atol=0
    )


@pytest.mark.parametrize("gradient", ["reparameterized", "stl"])
@pytest.mark.parametrize("family", ["vae", "beta-vae", "hierarchical-vae"])
def test_the_loss_of_a_batch_is_the_mean_of_its_examples_scores(family, gradient):
    vae, x = model(family).eval(), images()
    noise = torch.randn(4, *vae.latent_shape)
    loss = loss_of(vae, Batch.of(x), noise, None, gradient)
    for name, values in loss.per_example.items():
        assert values.shape == (4,)
        torch.testing.assert_close(loss.terms[name], values.mean())
    torch.testing.assert_close(loss.total, loss.scores.mean())
    alone = [
        loss_of(vae, Batch.of(x[[n]]), noise[[n]], None, gradient).total.detach() for n in range(4)
    ]
    torch.testing.assert_close(loss.scores.detach(), torch.stack(alone), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["vae", "hierarchical-vae"])
def test_several_draws_give_the_mean_of_their_losses(family):
    vae, x = model(family).eval(), images()
    noise = torch.randn(5, 4, *vae.latent_shape)
    with torch.no_grad():
        whole = loss_of(vae, Batch.of(x), noise).scores
        each = torch.stack([loss_of(vae, Batch.of(x), one).scores for one in noise])
    torch.testing.assert_close(whole, each.mean(0), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("family", ["vae", "hierarchical-vae", "beta-tc-vae", "factor-vae", "ae"])
def test_a_loss_with_another_target_is_that_targets(family):
    one, x, target = model(family).eval(), images(), images(8)[4:]
    torch.manual_seed(0)
    loss = one.loss(x, target)
    torch.manual_seed(0)
    own = one.loss(x)
    with torch.no_grad():
        torch.manual_seed(0)
        if family == "ae":
            z = one.encode(x)
        else:
            noise = one._noise(one.latent_shape, 4, None)
            z = one._infer(x, noise).z
        wanted = -one.likelihood(z).log_prob(target)
    torch.testing.assert_close(loss.per_example["reconstruction"].detach(), wanted)
    assert not torch.equal(loss.terms["reconstruction"], own.terms["reconstruction"])
    for name in own.terms.keys() - {"reconstruction"}:
        assert torch.equal(loss.terms[name], own.terms[name])


def test_a_target_is_checked_as_the_input_is():
    with pytest.raises(zoo.ZooError, match="Try x / 255"):
        model().loss(images(), images() * 255)


def test_below_its_free_bits_a_kl_has_no_gradient():
    vae, x = model(), images()
    kl = vae.loss(x, objective=ELBO(free_bits=1e3)).terms["kl"]
    assert kl == 1e3
    assert all(not g.any() for g in torch.autograd.grad(kl, list(vae.encoder.parameters())))
    free = ELBO(free_bits=1e-6)
    assert vae.loss(x, objective=free).terms["kl"] == vae.loss(x).terms["kl"]


def test_free_bits_floor_the_mean_of_a_batch_not_an_example():
    vae, x, noise = model(), images(), torch.randn(4, 3)
    with torch.no_grad():
        vae.posterior_head.weight.mul_(20)
        kl = loss_of(vae, Batch.of(x), noise).per_example["kl"]
        assert kl.min() < 0.9 * kl.mean()
        between = float((kl.min() + kl.mean()) / 2)
        loss = loss_of(vae, Batch.of(x), noise, ELBO(free_bits=between))
        assert torch.equal(loss.per_example["kl"], kl)
        assert loss.terms["kl"] == kl.mean()
        above = float(kl.mean()) + 1
        assert loss_of(vae, Batch.of(x), noise, ELBO(free_bits=above)).terms["kl"] == above


def test_free_bits_are_of_each_group_of_latents():
    with torch.no_grad():
        loss = model("hierarchical-vae", groups=(2, 1)).loss(
            images(), objective=ELBO(free_bits=1e3)
        )
    kls = {name: float(term) for name, term in loss.terms.items() if name != "reconstruction"}
    assert kls == {"kl_1": 1e3, "kl_2": 1e3, "kl_3": 1e3}
