"""The bounds, against exact values and against thirty lines of NumPy."""

from __future__ import annotations

import json
import math
import tomllib

import numpy as np
import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

import zoo
from zoo.evaluation.measure import mean_of, measure_nll
from zoo.evaluation.noise import elbo_noise, image_noise
from zoo.families.vae.spec import VAESpec
from zoo.registry import published


class LinearGaussian(zoo.VariationalAutoencoder):
    """p(z) = N(0, I), p(x | z) = N(W z + b, s^2), and a posterior that is near the true one."""

    Spec = VAESpec
    scale = 0.3

    def __init__(self, spec):
        super().__init__(spec)
        torch.manual_seed(0)
        pixels, d = spec.input_size, spec.latent_dim
        self.w = torch.nn.Parameter(0.2 * torch.randn(pixels, d))
        self.b = torch.nn.Parameter(torch.full((pixels,), 0.5))

    def _posterior(self, x):
        precision = torch.eye(self.spec.latent_dim) + self.w.T @ self.w / self.scale**2
        mean = (x.flatten(1) - self.b) @ self.w @ torch.linalg.inv(precision).T / self.scale**2
        spread = (1.0 / precision.diagonal()).sqrt() * 1.5  # not the true one: the bound has a gap
        return Independent(Normal(mean, spread.expand_as(mean)), 1)

    def _likelihood(self, z):
        images = (z @ self.w.T + self.b).unflatten(-1, self.spec.input_shape)
        return Independent(Normal(images, self.scale), 3)

    def exact(self, x):
        """log p(x) of each image: x is Gaussian."""
        covariance = self.w @ self.w.T + self.scale**2 * torch.eye(self.spec.input_size)
        return MultivariateNormal(self.b, covariance).log_prob(x.flatten(1))


@pytest.fixture
def linear():
    return LinearGaussian(VAESpec(input_shape=(1, 8, 8), latent_dim=3)).eval()


@pytest.fixture
def images(linear):
    torch.manual_seed(1)
    z = torch.randn(40, 3)
    with torch.no_grad():
        return linear._likelihood(z).sample()


def test_the_bound_reaches_the_exact_likelihood(linear, images):
    with torch.inference_mode():
        difference = -measure_nll(linear, images, seed=0, samples=5000) - linear.exact(images)
        few = -measure_nll(linear, images, seed=0, samples=1) - linear.exact(images)
    mean, error = mean_of(difference)
    assert abs(mean) < 4 * error
    assert mean_of(few)[0] < mean - 0.2


def test_the_bound_at_one_sample_is_the_sampled_elbo(linear, images):
    noise = torch.randn(1, 40, 3)
    with torch.inference_mode():
        bound = linear.importance_bound(images, noise)
        weights = linear._log_weights(images, noise)[0].double()
    torch.testing.assert_close(bound, weights)


def test_block_means_of_one_set_of_weights_rise_exactly(linear, images):
    noise = image_noise(0, 0, 4096, (3,))[:, None]
    with torch.inference_mode():
        x = images[:1]
        weights = linear._log_weights(x, noise)[:, 0].double()
    means = [
        (weights.view(-1, size).logsumexp(1) - math.log(size)).mean().item()
        for size in (1, 2, 4, 16, 64, 512, 4096)
    ]
    assert means == sorted(means)
    assert means[0] < means[-1] - 0.01


def test_the_elbo_of_many_draws_is_below_the_exact_likelihood(linear, images):
    with torch.inference_mode():
        torch.manual_seed(0)
        values = linear.elbo(images.clamp(0, 1), samples=500)
        assert (values < linear.exact(images.clamp(0, 1)) + 0.5).all()


def test_chunks_do_not_change_the_bound(linear, images, monkeypatch):
    noise, decoded = torch.randn(300, 2, 3), []
    likelihood = linear._likelihood

    def counted(z):
        decoded.append(len(z))
        return likelihood(z)

    monkeypatch.setattr(linear, "_likelihood", counted)
    with torch.inference_mode():
        whole = linear.importance_bound(images[:2], noise)
        monkeypatch.setattr("zoo.models.objectives.bounds.VALUES_AT_ONCE", 64 * 2 * 7)
        parts = linear.importance_bound(images[:2], noise)
    assert decoded == [300, *[7] * 42, 6]
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-5)


def test_noise_depends_on_seed_and_image_alone():
    torch.testing.assert_close(elbo_noise(3, 5, 2, (4,))[0, 1], elbo_noise(3, 6, 1, (4,))[0, 0])
    generator = torch.Generator().manual_seed((3 * 1_000_003 + 6) % 2**32)
    assert torch.equal(elbo_noise(3, 6, 1, (4,))[0], torch.randn(1, 4, generator=generator))
    assert not torch.equal(image_noise(0, 0, 1, (4,)), image_noise(0, 0, 1, (4,), stream=2**31))


def test_numpy_alone_gives_the_published_numbers_of_vae_digits_8():
    from safetensors.numpy import load_file
    from sklearn.datasets import load_digits

    folder = published.line("vae-digits-8").folder
    spec = json.loads((folder / "config.json").read_text())["spec"]
    metrics = json.loads((folder / "metrics.json").read_text())["measured"][0]
    assert tomllib.loads((folder / "recipe.toml").read_text())["data"]["protocol"] == "dequantized"
    w = {k: v.astype(np.float64) for k, v in load_file(folder / "model.safetensors").items()}
    levels = np.rint(load_digits().images[1497:] * 255 / 16).reshape(300, 64)
    u = (np.random.Philox(key=0).random_raw(levels.size) >> np.uint64(40)) / 2**24
    x = ((levels + u.reshape(300, 64)) / 256).astype(np.float32).astype(np.float64)

    def layers(name, h, count):
        for i in range(count):
            h = np.maximum(h, 0) if i else h
            h = h @ w[f"{name}.{i}.weight"].T + w[f"{name}.{i}.bias"]
        return h

    def log_likelihood(z, x):  # continuous Bernoulli: its constant is l / tanh(l / 2) for a logit l
        logit = layers("decoder", z, 3)
        far = np.where(np.abs(logit) < 1e-4, 1e-4, logit)
        constant = np.log(far / np.tanh(far / 2))
        return (x * logit - np.logaddexp(0, logit) + constant).sum(-1)

    def normal(z, mean, log_variance):
        squares = (z - mean) ** 2 / np.exp(log_variance)
        return -0.5 * (squares + log_variance + np.log(2 * np.pi)).sum(-1)

    def noise(seed, k):  # the generator is torch's: that is the protocol
        return torch.randn(k, 8, generator=torch.Generator().manual_seed(seed)).double().numpy()

    head = np.maximum(layers("encoder", x, 2), 0) @ w["posterior_head.weight"].T
    mean, raw = np.split(head + w["posterior_head.bias"], 2, axis=1)
    bound = spec["log_variance_bound"]
    log_variance = bound * np.tanh(raw / bound)
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1)
    draws = np.concatenate([noise(i, 1) for i in range(300)])
    z = mean + np.exp(log_variance / 2) * draws
    assert (kl - log_likelihood(z, x)).mean() == pytest.approx(metrics["neg_elbo"], abs=1e-3)

    bounds = []
    for i in range(300):
        z = mean[i] + np.exp(log_variance[i] / 2) * noise(2**31 + i, metrics["nll_samples"])
        weights = log_likelihood(z, x[i]) + normal(z, 0, np.zeros(8))
        weights = weights - normal(z, mean[i], log_variance[i])
        bounds.append(np.logaddexp.reduce(weights) - math.log(len(weights)))
    assert -np.mean(bounds) == pytest.approx(metrics["nll"], abs=1e-3)
