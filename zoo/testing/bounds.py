"""Checks of the ELBO, of the importance-weighted bound, and of the prior's codes."""

from __future__ import annotations

import math

import torch
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from zoo.distributions.mixture import NormalMixture
from zoo.models import Batch
from zoo.models.objectives import NegativeELBO
from zoo.models.objectives.bounds import log_weights
from zoo.specs.objectives import ELBO
from zoo.testing.outputs import variational
from zoo.testing.subject import Subject, expect, expect_close, inputs

DRAWS, FEW = 4_000, 50


def check_elbo(subject: Subject) -> None:
    """The ELBO's two terms are what draws from the posterior say they are; `loss` has the same KL."""
    model, x = variational(subject), inputs(subject.spec, 4)
    expect(tuple(model.elbo(x).shape) == (4,), "elbo does not give one number per example")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(DRAWS, 4, *model.latent_shape, generator=generator)
    with torch.no_grad():
        posterior, prior = model.posterior(x), model.prior()
        seen = Batch.of(model.standardized(x))
        z = model._infer(seen.input, noise).z  # (K, N, *latent_shape)
        drawn = (posterior.log_prob(z) - prior.log_prob(z)).double()  # (K, N)
        bound, stl = NegativeELBO(ELBO()), NegativeELBO(ELBO(), "stl")
        many = dict(bound.loss(model, seen, noise).per_example)
        same = many.keys() == stl.loss(model, seen, noise[0]).per_example.keys()
        expect(same, "gradient='stl' has other terms")
        few = bound.loss(model, seen, noise[:FEW]).per_example["reconstruction"]  # (N,)
        scores = -model.likelihood(z[:FEW]).log_prob(x).double().mean(0)  # (N,)
        terms = model.loss(x).terms
    del many["reconstruction"]
    kl = torch.stack(list(many.values())).sum(0)  # (N,), of as many draws
    _expect_mean(kl, drawn, "the ELBO's KL")
    if "kl" in terms and not isinstance(prior, NormalMixture):  # then it is taken at one draw
        _expect_mean(terms["kl"].expand(1), drawn.mean(1, keepdim=True), "loss: the term 'kl'")
    most = float(1e-4 * scores.abs().max() + 1e-3)
    expect_close(few.double(), scores, "the ELBO's reconstruction", most)


def check_prior_codes(subject: Subject) -> None:
    """The codes that `sample` decodes have the mean and standard deviation of the prior's own draws."""
    model = variational(subject)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(DRAWS, *model._prior_noise_shape, generator=generator)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        codes, drawn = model._prior_codes(noise), model.prior().sample((DRAWS,))
    center = drawn.double().mean(0)
    _expect_same_mean(drawn, codes, "the prior's mean")
    _expect_same_mean((drawn - center) ** 2, (codes - center) ** 2, "the prior's variance")


def _expect_same_mean(ours: torch.Tensor, draws: torch.Tensor, what: str) -> None:
    """That two sets of draws `(K, ...)` have one mean, as far as so many draws can tell."""
    off = (ours.double().mean(0) - draws.double().mean(0)).abs()
    error = (ours.double().var(0) + draws.double().var(0)).div(len(draws)).sqrt()
    worst = int((off - 6 * error).argmax())
    said, found = (float(one.double().mean(0).flatten()[worst]) for one in (ours, draws))
    expect((off <= 6 * error + 1e-3).all(), f"{what} is {said:g}; drawn, {found:g}")


def _expect_mean(said: torch.Tensor, draws: torch.Tensor, what: str) -> None:
    """That numbers are the means of draws `(K, ...)`, as far as so many draws can tell."""
    mean, error = draws.mean(0), draws.std(0) / len(draws) ** 0.5
    off = (said.double() - mean).abs()
    worst = int((off - 6 * error).argmax())
    sentence = (
        f"{what} is {float(said.flatten()[worst]):g}; drawn, {float(mean.flatten()[worst]):g}"
    )
    expect((off <= 6 * error + 1e-3).all(), sentence)


def check_importance_bound(subject: Subject) -> None:
    """The bound is the logarithm of the mean of weights, each of which comes from its own draw alone."""
    model, x = variational(subject), inputs(subject.spec, 3)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(5, 3, *model.latent_shape, generator=generator)
    with torch.no_grad():
        seen = model.standardized(x)
        weights = model._log_weights(seen, noise).double()  # (K, N)
        bounds = {k: model.importance_bound(seen, noise[:k]) for k in (1, 2, 5)}  # (N,)
    slack = 1e-5 * float(weights.abs().max()) + 1e-5  # float32 weights, decoded in other batches
    for k, bound in bounds.items():
        expect(bound.dtype == torch.float64, "the importance-weighted bound is not float64")
        right = weights[:k].logsumexp(0) - math.log(k)
        expect_close(bound, right, f"the bound with K = {k}", slack)


@torch.no_grad()
def check_linear_gaussian(subject: Subject) -> str:
    """With a linear-Gaussian likelihood in its place, the bound is the exact log p(x)."""
    model, x = variational(subject), inputs(subject.spec, 3)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(DRAWS, 3, *model.latent_shape, generator=generator)
    posterior, prior = model.posterior(x), model.prior()
    x = model.standardized(x)
    own = model._log_weights(x, noise[:5])
    plain = log_weights(model, x, model._infer(x, noise[:5]).z, posterior)
    slack = 1e-5 * float(plain.abs().max()) + 1e-4
    expect_close(own, plain, "_log_weights is not log p(x | z) + log p(z) - log q(z | x)", slack)
    latents = len(model.latent_shape)
    codes, size = math.prod(model.latent_shape), model.spec.input_size
    loc, scale = _gaussians(prior)  # (M, d)
    slope = torch.randn(codes, size, generator=generator) / (2 * math.sqrt(codes * size))
    slope = slope if len(loc) else 0 * slope  # nothing is known of the prior but its density

    def likelihood(z: torch.Tensor) -> Independent:
        mean = 0.5 + z.flatten(-latents) @ slope
        sides = model.spec.input_shape
        return Independent(Normal(mean.unflatten(-1, sides), 1.0), len(sides))

    codes_drawn = model._infer(x, noise).z
    model._likelihood = likelihood
    weights = log_weights(model, x, codes_drawn, posterior).double()  # (K, N)
    bound = weights.logsumexp(0) - math.log(DRAWS)
    flat = x.flatten(1)
    if len(loc):
        means = 0.5 + loc @ slope
        spread = slope.T @ (scale.square()[:, :, None] * slope) + torch.eye(size)  # (M, D, D)
        exact = MultivariateNormal(means, spread).log_prob(flat[:, None]).double()  # (N, M)
        exact = exact.logsumexp(1) - math.log(len(loc))
    else:
        exact = Independent(Normal(torch.full_like(flat, 0.5), 1.0), 1).log_prob(flat).double()
    if model.standardization is not None:  # a density in the user's units
        exact = exact - model.standardization.log_volume().double()
    shares = (weights - bound).exp()  # of mean 1
    error = shares.std(0) / DRAWS**0.5
    worst = int(((bound - exact).abs() - 6 * error).argmax())
    said = f"{float(bound[worst]):.4f} nats, exactly {float(exact[worst]):.4f}"
    expect(((bound - exact).abs() <= 6 * error + 1e-3).all(), f"the bound is {said}")
    return f"K = {DRAWS}: {said}" + (
        "" if len(loc) else ", by a likelihood that looks at no code: its prior is not Gaussian"
    )


def _gaussians(prior: Distribution) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and deviations `(M, d)` of the Gaussians that a prior is a mixture of; M is 0 for another."""
    if isinstance(prior, NormalMixture):
        return prior.loc, prior.scale
    if isinstance(prior, Independent) and isinstance(prior.base_dist, Normal):
        return prior.mean.reshape(1, -1), prior.stddev.reshape(1, -1)
    return torch.zeros(0, 1), torch.zeros(0, 1)
