"""The total correlation of a code: estimated within a batch, and by a discriminator."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo.distributions.gaussians import normal
from zoo.models import Batch
from zoo.models.objectives import objective_for
from zoo.models.objectives.disentangling import aggregate, permuted


def model(family, **fields):
    return zoo.build(
        family, seed=0, input_shape=(1, 8, 8), latent_dim=4, body={"kind": "mlp", "hidden": [16]}, **fields
    )  # fmt: skip


def loss_of(one, x, gradient, noise):
    return objective_for(one, None, gradient).loss(one, Batch.of(x), noise)


def test_the_three_parts_of_the_kl_add_up_to_it():
    vae, x = model("beta-tc-vae"), torch.rand(64, 1, 8, 8).round()
    noise = torch.randn(64, 4)
    terms = loss_of(vae, x, "reparameterized", noise).terms
    parts = sum(float(v) for name, v in terms.items() if name != "reconstruction")
    posterior = vae.posterior(x)
    z = posterior.mean + posterior.stddev * noise
    assert parts == pytest.approx(
        float((posterior.log_prob(z) - vae.prior().log_prob(z)).mean()), abs=1e-4
    )


def test_at_beta_1_it_is_the_elbo():
    tc, plain = model("beta-tc-vae", beta=1.0), model("vae")
    x, noise = torch.rand(32, 1, 8, 8).round(), torch.randn(32, 4)
    totals = [loss_of(one, x, "stl", noise).total for one in (tc, plain)]
    torch.testing.assert_close(*totals, rtol=1e-5, atol=1e-3)


def test_the_aggregate_posterior_of_correlated_codes_has_their_total_correlation():
    generator = torch.Generator().manual_seed(0)
    rho, count = 0.8, 3000
    pair = torch.randn(count, 2, generator=generator)
    loc = torch.stack([pair[:, 0], rho * pair[:, 0] + math.sqrt(1 - rho**2) * pair[:, 1]], 1)
    posterior = normal(loc, torch.full_like(loc, 0.2), 1)
    z = loc + 0.2 * torch.randn(count, 2, generator=generator)
    joint, marginals = aggregate(posterior, z)
    seen = rho / (1 + 0.2**2)
    assert float((joint - marginals).mean()) == pytest.approx(
        -0.5 * math.log(1 - seen**2), abs=0.05
    )


def test_shuffled_codes_keep_each_number_and_lose_its_company():
    z = torch.arange(12.0)[:, None].expand(12, 3).contiguous()
    mixed = permuted(z)
    assert all(torch.equal(mixed[:, j].sort().values, z[:, j]) for j in range(3))
    assert not any(len(set(row.tolist())) < 3 for row in mixed)


def test_the_discriminator_learns_and_the_codes_do_not_from_its_loss():
    vae, x = model("factor-vae"), torch.rand(64, 1, 8, 8).round()
    loss = vae.loss(x)
    grads = torch.autograd.grad(
        loss.terms["discriminator"], list(vae.parameters()), allow_unused=True
    )
    names = [n for (n, _), g in zip(vae.named_parameters(), grads, strict=True) if g is not None]
    assert names
    assert all(name.startswith("discriminator") for name in names)
    loss = vae.loss(x)
    grads = torch.autograd.grad(
        loss.terms["total_correlation"], list(vae.discriminator.parameters()), allow_unused=True
    )
    assert all(g is None for g in grads)


def test_the_discriminator_finds_the_total_correlation_of_a_gaussian():
    torch.manual_seed(0)
    vae, rho = (
        zoo.build(
            "factor-vae", seed=0, input_shape=(1, 8, 8), latent_dim=2, discriminator=[64, 64]
        ),
        0.8,
    )
    optimizer = torch.optim.Adam(vae.discriminator.parameters(), 2e-3)

    def codes(count):
        pair = torch.randn(count, 2)
        return torch.stack([pair[:, 0], rho * pair[:, 0] + math.sqrt(1 - rho**2) * pair[:, 1]], 1)

    for _ in range(600):
        z = codes(256)
        told = vae.discriminator(torch.cat([z, permuted(z)]))[:, 0]
        wanted = (torch.arange(512) < 256).float()
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(told, wanted).backward()
        optimizer.step()
    with torch.no_grad():
        found = float(vae.discriminator(codes(20_000)).mean())
    assert found == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.1)


@pytest.mark.parametrize(
    "family", ["ae", "vae", "conv-vae", "hierarchical-vae", "vq-vae", "beta-tc-vae", "factor-vae"]
)
def test_only_an_objective_that_says_so_compares_the_examples_of_a_batch(family):
    one = zoo.build(family, seed=0, input_shape=(1, 8, 8), latent_dim=3).eval()
    x = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    objective = objective_for(one)
    noise = objective.noise(one, one.latent_shape, 8, torch.Generator().manual_seed(1))

    def loss(rows: slice) -> float:
        with torch.no_grad():
            part = None if noise is None else noise[rows]
            return objective.loss(one, Batch.of(x[rows]), part).total.item()

    parts = (loss(slice(0, 4)) + loss(slice(4, 8))) / 2
    is_mean = parts == pytest.approx(loss(slice(0, 8)), rel=1e-6)
    assert is_mean != bool(objective.settings.coupling())
