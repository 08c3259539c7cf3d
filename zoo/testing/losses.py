"""Checks of losses, gradients and bounds."""

from __future__ import annotations

import math

import torch
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from zoo.distributions.mixture import NormalMixture
from zoo.models import Autoencoder, Batch, Loss
from zoo.models.objectives import NegativeELBO
from zoo.models.objectives.bounds import log_weights
from zoo.specs.objectives import ELBO, Gradient
from zoo.testing.outputs import variational
from zoo.testing.subject import FailedError, NotMeasuredError, Subject, expect, expect_close, images

DRAWS, FEW = 4_000, 50
GRADIENTS: tuple[Gradient, ...] = ("stl", "reparameterized")


@torch.no_grad()
def check_loss(subject: Subject) -> None:
    """The loss is named terms, finite, a number for each example or one of a batch; the total is their weighted sum."""
    for spec in subject.specs:
        model, x = subject.build(spec).train(), images(spec)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            loss = model.loss(x)
        expect(isinstance(loss, Loss), f"loss gives {type(loss).__name__}, not zoo.Loss")
        expect(
            isinstance(model(x), Loss), "a model in train mode does not give its loss when called"
        )
        expect(loss.terms, "the loss has no terms")
        unknown = sorted(loss.weights.keys() - loss.terms.keys())
        expect(not unknown, f"weights for unknown terms: {', '.join(unknown)}")
        for name, term in loss.per_example.items():
            shape = tuple(term.shape)
            expect(shape == (len(x),), f"the term {name!r} is {shape}, not one number per example")
        for name, term in loss.batch.items():
            expect(term.dim() == 0, f"the term {name!r} is {tuple(term.shape)}, not a scalar")
        for name, term in loss.terms.items():
            expect(torch.isfinite(term), f"the term {name!r} is {float(term)}, for {spec!r}")
        total = sum(float(t) * loss.weights.get(n, 1.0) for n, t in loss.terms.items())
        close = abs(float(loss.total) - total) <= 1e-4 * max(1.0, abs(total))
        expect(close, f"total is {float(loss.total):g}; the weighted sum of the terms is {total:g}")
        _check_mean_over_images(model.eval(), x)


def _check_mean_over_images(model: Autoencoder, x: torch.Tensor) -> None:
    """A loss without draws is the same for a batch as for the batch twice."""
    one, again = float(model.loss(x).total), float(model.loss(x).total)
    twice = float(model.loss(torch.cat([x, x])).total)
    same = one != again or abs(twice - one) <= 1e-3 * max(1.0, abs(one))
    expect(same, f"the loss of a batch is {one:g}, and of the batch twice {twice:g}: not a mean")


def check_sum_over_pixels(subject: Subject) -> str:
    """The loss is a sum over pixels: four times as many of them give about four times the loss.

    A mean beside a KL term that is a sum is a beta of the number of pixels in disguise.
    """
    family, small = subject.family, subject.spec
    channels, height, width = small.input_shape
    fields = {**family.plain_fields(small), "input_shape": (channels, 2 * height, 2 * width)}
    large, _ = family.parse(fields)
    if large is None:
        raise NotMeasuredError("it takes no image that is twice as high and wide")
    one, four = (mean_loss(subject.build(spec), images(spec, 64)) for spec in (small, large))
    if abs(one) < 0.01 * small.input_size:
        raise NotMeasuredError(f"its first loss, {one:.2g} nats, is too near zero to compare")
    found = f"four times the pixels, {four / one:.2g} times the loss"
    expect(four / one > 2, f"{found}: is it a mean over pixels?")
    return found


@torch.no_grad()
def mean_loss(model: Autoencoder, x: torch.Tensor) -> float:
    """The mean of some draws of the loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return sum(float(model.loss(x).total) for _ in range(8)) / 8


def check_gradients(subject: Subject) -> None:
    """Every parameter gets a finite gradient from the loss."""
    for spec in subject.specs:
        model = subject.build(spec).train()
        model.loss(images(spec)).total.backward()
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                raise FailedError(f"{name} gets no gradient from the loss, for {spec!r}")
            finite = parameter.grad is None or bool(torch.isfinite(parameter.grad).all())
            expect(finite, f"the gradient of {name} is not finite, for {spec!r}")


def check_elbo(subject: Subject) -> None:
    """The ELBO's two terms are what draws from the posterior say they are; `loss` has the same KL."""
    model, x = variational(subject), images(subject.spec, 4)
    expect(tuple(model.elbo(x).shape) == (4,), "elbo does not give one number per image")
    stl, plain = (model.loss(x, objective=ELBO(), gradient=one) for one in GRADIENTS)
    expect(stl.terms.keys() == plain.terms.keys(), "gradient='stl' has other terms")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(DRAWS, 4, *model.latent_shape, generator=generator)
    with torch.no_grad():
        posterior, prior = model.posterior(x), model.prior()
        seen = Batch.of(model.standardized(x))
        z = model._infer(seen.input, noise).z  # (K, N, *latent_shape)
        drawn = (posterior.log_prob(z) - prior.log_prob(z)).double()  # (K, N)
        bound = NegativeELBO(ELBO())
        many = dict(bound.loss(model, seen, noise).per_example)
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
    model, x = variational(subject), images(subject.spec, 3)
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
    model, x = variational(subject), images(subject.spec, 3)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(DRAWS, 3, *model.latent_shape, generator=generator)
    posterior, prior = model.posterior(x), model.prior()
    x = model.standardized(x)
    own = model._log_weights(x, noise[:5])
    plain = log_weights(model, x, model._infer(x, noise[:5]).z, posterior)
    slack = 1e-5 * float(plain.abs().max()) + 1e-4
    expect_close(own, plain, "_log_weights is not log p(x | z) + log p(z) - log q(z | x)", slack)
    latents = len(model.latent_shape)
    codes, pixels = math.prod(model.latent_shape), model.spec.input_size
    loc, scale = _gaussians(prior)  # (M, d)
    slope = torch.randn(codes, pixels, generator=generator) / (2 * math.sqrt(codes * pixels))
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
        spread = slope.T @ (scale.square()[:, :, None] * slope) + torch.eye(pixels)  # (M, D, D)
        exact = MultivariateNormal(means, spread).log_prob(flat[:, None]).double()  # (N, M)
        exact = exact.logsumexp(1) - math.log(len(loc))
    else:
        exact = Independent(Normal(torch.full_like(flat, 0.5), 1.0), 1).log_prob(flat).double()
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
