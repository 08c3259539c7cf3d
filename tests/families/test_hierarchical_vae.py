"""The hierarchical family: its groups, its bounds, its samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

import zoo
from zoo.distributions.gaussians import normal
from zoo.errors import InputError, SpecError, TrainingError
from zoo.families.hierarchical_vae.model import HierarchicalVAE

SMALL = {"kind": "conv", "channels": [3], "residual_blocks": 1, "hidden": [5]}
VAMP = {"kind": "vamp", "components": 4}


def model(groups=(2, 1), **fields):
    return zoo.build(
        "hierarchical-vae", seed=0, input_shape=(1, 8, 9), latent_dim=3, groups=groups, body=SMALL, **fields
    ).eval()  # fmt: skip


def test_a_code_is_all_groups():
    vae = model()
    assert vae.spec.group_shapes == ((3,), (2, 4, 4), (1, 4, 4))
    assert vae.latent_shape == (3 + 32 + 16,)
    assert vae.encode(torch.rand(2, 1, 8, 9)).shape == (2, 51)


@pytest.mark.parametrize("fields", [{}, {"prior": VAMP}, {"log_variance_bound": "off"}], ids=str)
def test_its_weights_are_those_of_its_distributions(fields):
    vae, x = model(**fields), torch.rand(3, 1, 8, 9).round()
    noise = torch.randn(5, 3, 51)
    with torch.no_grad():
        posterior = vae.posterior(x)
        z = vae._codes_from(posterior, noise)
        said = vae.likelihood(z).log_prob(x) + vae.prior().log_prob(z) - posterior.log_prob(z)
        torch.testing.assert_close(vae._log_weights(x, noise), said, rtol=1e-5, atol=1e-4)


class Linear(HierarchicalVAE):
    """Every group's prior is Gaussian around a linear function of those above, and so is the image."""

    def __init__(self, spec):
        super().__init__(spec)
        generator = torch.Generator().manual_seed(7)
        sizes = [math.prod(shape) for shape in spec.group_shapes]
        self.slopes = [
            torch.randn(sum(sizes[:i]), size, generator=generator) / 8
            for i, size in enumerate(sizes)
        ]
        self.to_image = torch.randn(sum(sizes), spec.input_size, generator=generator) / 16

    def _descend(self, image, select, top=None):
        def linear(number, prior, posterior):
            return select(number, self._linear(number, prior), posterior)

        self.above = []
        descent = super()._descend(image, linear, top)
        descent.priors = [
            self._linear(n, prior, descent.latents) for n, prior in enumerate(descent.priors)
        ]
        self.above = descent.latents
        return descent

    def _linear(self, number, prior, latents=None):
        if latents is None:
            return prior
        above = [z.flatten(1) for z in latents[:number]]
        size = latents[number].shape
        mean = (
            torch.cat(above, 1) @ self.slopes[number] if above else torch.zeros(len(latents[0]), 3)
        )
        return normal(mean.view(size), torch.ones(size), len(size) - 1)

    def _likelihood_at(self, grid, batch=None):
        codes = torch.cat([z.flatten(1) for z in self.above], 1)
        mean = (codes @ self.to_image).view(-1, *self.spec.input_shape)
        mean = mean if batch is None else mean.view(*batch, *self.spec.input_shape)
        return Independent(Normal(mean, 1.0), 3)


def test_its_bound_rises_to_the_exact_likelihood_of_a_linear_gaussian_hierarchy():
    torch.manual_seed(0)
    vae = Linear(model(groups=(1,)).spec)
    total = vae.latent_shape[0]
    mixing = torch.zeros(total, total)  # z = noise @ (1 - slopes)^-1
    start = 0
    for slope in vae.slopes:
        mixing[: len(slope), start : start + slope.shape[1]] = slope
        start += slope.shape[1]
    factor = torch.linalg.inv(torch.eye(total) - mixing) @ vae.to_image
    x = torch.rand(4, 1, 8, 9)
    exact = MultivariateNormal(torch.zeros(72), factor.T @ factor + torch.eye(72)).log_prob(
        x.flatten(1)
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        bounds = {
            k: vae.importance_bound(x, torch.randn(k, 4, total, generator=generator))
            for k in (1, 20, 20_000)
        }
    assert bounds[1].mean() < bounds[20].mean() < exact.mean() + 0.05
    torch.testing.assert_close(bounds[20_000].float(), exact, rtol=0, atol=0.15)


def test_each_group_has_its_temperature():
    vae = model(prior=VAMP)
    samples = vae.sample(20, seed=0, temperatures=(1, 1, 1))
    assert torch.equal(samples, vae.sample(20, seed=0))
    assert torch.equal(samples[:4], vae.sample(4, seed=0, temperatures=(1, 1, 1)))
    assert not torch.equal(samples, vae.sample(20, seed=0, temperatures=(1, 0.5, 1)))
    frozen = model().sample(4, seed=0, temperatures=(0, 0, 0))
    assert torch.equal(frozen[0], frozen[3])


@pytest.mark.parametrize(
    ("temperatures", "said"),
    [((1, 1), "each of the 3 latent groups; got 2"), ((1, -1, 1), "0 or more"), ((1, 1, math.nan), "0 or more")],
    ids=str,
)  # fmt: skip
def test_temperatures_that_fit_no_group_are_refused(temperatures, said):
    with pytest.raises(InputError, match=said):
        model().sample(1, temperatures=temperatures)


@pytest.mark.parametrize("groups", [(), (0,), (1.5,), (4,) * 33], ids=str)
def test_group_counts_that_cannot_be_are_refused(groups):
    with pytest.raises(SpecError, match="groups"):
        zoo.build("hierarchical-vae", input_shape=(1, 8, 8), latent_dim=2, groups=groups)


def test_a_loss_that_explodes_at_the_start_says_what_to_try(tmp_path):
    with pytest.raises(
        TrainingError, match=r"kl_\d.*warmup_steps, a clip_norm, or a log_variance_bound"
    ):
        zoo.train(
            {
                "model": {
                    "family": "hierarchical-vae", "input_shape": [1, 8, 8], "latent_dim": 4,
                    "log_variance_bound": "off", "body": {**SMALL, "channels": [8]},
                },
                "data": {"dataset": "digits", "protocol": "binarized"},
                "training": {"epochs": 3, "learning_rate": 10.0},
            },
            out=tmp_path / "run",
        )  # fmt: skip
