"""Checks of losses, gradients and bounds."""

from __future__ import annotations

import itertools

import torch
from torch.distributions import kl_divergence

from zoo.models import Loss
from zoo.testing.behaving import variational
from zoo.testing.subject import Subject, expect, images

SUBSETS_OF = 5
DRAWS = 4_000


@torch.no_grad()
def check_loss(subject: Subject) -> None:
    """The loss is named terms, each a finite scalar, and the total is their weighted sum."""
    for spec in subject.specs:
        model, x = subject.build(spec).train(), images(spec)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            loss, again = model.loss(x), model.loss(x[:3])
        expect(isinstance(loss, Loss), f"loss gives {type(loss).__name__}, not zoo.Loss")
        expect(loss.terms, "the loss has no terms")
        expect(
            list(loss.terms) == list(again.terms), "the loss names its terms anew for each batch"
        )
        unknown = sorted(loss.weights.keys() - loss.terms.keys())
        expect(not unknown, f"weights for terms that there are not: {', '.join(unknown)}")
        for name, term in loss.terms.items():
            expect(term.dim() == 0, f"the term {name!r} is {tuple(term.shape)}, not a scalar")
            expect(torch.isfinite(term), f"the term {name!r} is {float(term)}, for {spec!r}")
        total = sum(float(t) * loss.weights.get(n, 1.0) for n, t in loss.terms.items())
        close = abs(float(loss.total) - total) <= 1e-4 * max(1.0, abs(total))
        expect(close, f"total is {float(loss.total):g}; the weighted sum of the terms is {total:g}")


def check_gradients(subject: Subject) -> None:
    """Every parameter gets a finite gradient from the loss."""
    for spec in subject.specs:
        model = subject.build(spec).train()
        model.loss(images(spec)).total.backward()
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            expect(
                parameter.grad is not None, f"{name} gets no gradient from the loss, for {spec!r}"
            )
            finite = parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())
            expect(finite, f"the gradient of {name} is not finite, for {spec!r}")


def check_elbo(subject: Subject) -> None:
    """The KL in closed form is what the log-densities of prior and posterior say it is."""
    model, x = variational(subject), images(subject.spec, 4)
    expect(tuple(model.elbo(x).shape) == (4,), "elbo gives other than one number an image")
    expect(
        model.loss(x, gradient="stl").terms.keys() == model.loss(x).terms.keys(),
        "gradient='stl' has other terms",
    )
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(DRAWS, 4, *model.latent_shape, generator=generator)
    with torch.no_grad():
        posterior, prior = model.posterior(x), model.prior()
        z = posterior.mean + posterior.stddev * noise
        drawn = (posterior.log_prob(z) - prior.log_prob(z)).double()  # (K, N)
        exact = kl_divergence(posterior, prior).double()
    off = (drawn.mean(0) - exact).abs()
    error = drawn.std(0) / DRAWS**0.5
    expect(
        (off <= 6 * error + 1e-3).all(),
        f"the KL is {float(exact[0]):g} nats; drawn, {float(drawn.mean(0)[0]):g}",
    )


def check_importance_bound(subject: Subject) -> None:
    """Averaged over all subsets of some draws, the bound never falls as subsets grow.

    That holds exactly, for these very draws (Burda et al. 2016, theorem 1), if the bound is the
    logarithm of the mean of weights each of which comes from its own draw alone.
    """
    model, x = variational(subject), images(subject.spec, 3)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(SUBSETS_OF, 3, *model.latent_shape, generator=generator)
    with torch.no_grad():
        first = model.importance_bound(x, noise[:1])
        weights = model.log_weights(x, model.posterior(x), noise).double()  # (K, N)
        means = []
        for size in range(1, SUBSETS_OF + 1):
            subsets = list(itertools.combinations(range(SUBSETS_OF), size))
            bounds = [model.importance_bound(x, noise[list(subset)]) for subset in subsets]
            means.append(torch.stack(bounds).mean(0))  # (N,)
    expect(first.dtype == torch.float64, "the importance-weighted bound is not float64")
    off = (means[0] - weights.mean(0)).abs().max()
    slack = 1e-5 * float(weights.abs().max()) + 1e-5  # float32 weights, decoded in other batches
    expect(off <= slack, f"with one draw the bound is off by {float(off):.2g} nats")
    for fewer, more in itertools.pairwise(means):
        expect((more >= fewer - slack).all(), "the importance-weighted bound falls with more draws")
