"""Checks of what the methods of the interface give."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import VariationalAutoencoder
from zoo.testing.subject import (
    NotMeasuredError,
    Subject,
    expect,
    expect_close,
    expect_unchanged,
    images,
)


@torch.no_grad()
def check_encode(subject: Subject) -> None:
    """Codes are `(N, *latent_shape)`, float32, finite, for any number of images."""
    for spec in subject.specs:
        model, x = subject.build(spec), images(spec)
        for count in (len(x), 1, 0):
            z = model.encode(x[:count])
            _expect_float32(z, (count, *spec.latent_shape), "encode")
            expect(torch.isfinite(z).all(), f"encode gives codes that are not finite, for {spec!r}")


@torch.no_grad()
def check_decode(subject: Subject) -> None:
    """Codes of any leading batch shape become finite images in [0, 1], far-off codes too."""
    for spec in subject.specs:
        model = subject.build(spec)
        generator = torch.Generator().manual_seed(0)
        for batch in ((), (3,), (2, 3), (0,)):
            z = 5 * torch.randn(*batch, *spec.latent_shape, generator=generator)
            _expect_images(model.decode(z), (*batch, *spec.input_shape), "decode")
        z = torch.randn(2, 3, *spec.latent_shape, generator=generator)
        alone = model.decode(z[1, 2])
        expect_close(
            model.decode(z)[1, 2], alone, "a code is decoded differently in a batch than alone"
        )


@torch.no_grad()
def check_reconstruct(subject: Subject) -> None:
    """`reconstruct` and `forward` are `decode(encode(x))`."""
    for spec in subject.specs:
        model, x = subject.build(spec), images(spec)
        y = model.reconstruct(x)
        _expect_images(y, tuple(x.shape), "reconstruct")
        expect(torch.equal(model(x), y), "forward is not reconstruct")
        expect_close(model.decode(model.encode(x)), y, "reconstruct is not decode(encode(x))")


@torch.no_grad()
def check_deterministic(subject: Subject) -> None:
    """In eval mode `encode` gives the same bits each time, nearly so in any batch, and changes nothing."""
    for spec in subject.specs:
        model, x = subject.build(spec), images(spec, 33)
        with torch.random.fork_rng(devices=[]), expect_unchanged(model, "used"):
            torch.manual_seed(1)
            one = model.encode(x)
            torch.manual_seed(2)
            two = model.encode(x)
            model.decode(two)
            model.loss(x)
        same = torch.equal(one, two)
        expect(same, "encode gives different codes the second time: is it sampling?")
        expect_close(model.encode(x[:1]), one[:1], "an image's code depends on its batch")


@torch.no_grad()
def check_dtypes(subject: Subject) -> None:
    """A model that was moved to another floating dtype gives codes and images in it."""
    x = images(subject.spec)
    for dtype in (torch.float64, torch.bfloat16):
        model = subject.build().to(dtype)
        z = model.encode(x)
        y = model.decode(z)
        expect(z.dtype == dtype, f"a {dtype} model encodes to {z.dtype}")
        expect(y.dtype == dtype, f"a {dtype} model decodes to {y.dtype}")
        expect(y.min() >= 0 and y.max() <= 1, f"a {dtype} model decodes to values outside [0, 1]")


@torch.no_grad()
def check_distributions(subject: Subject) -> None:
    """Posterior, prior and likelihood have the batch and event shapes of the interface."""
    for spec in subject.specs:
        model, x = variational(subject, spec), images(spec)
        posterior, prior = model.posterior(x), model.prior()
        likelihood = model.likelihood(posterior.mean)
        for name, found, batch, event in (
            ("posterior", posterior, (len(x),), spec.latent_shape),
            ("prior", prior, (), spec.latent_shape),
            ("likelihood", likelihood, (len(x),), spec.input_shape),
        ):
            wanted, shapes = (batch, event), (tuple(found.batch_shape), tuple(found.event_shape))
            sentence = f"{name} has batch and event shapes {shapes}, not {wanted}"
            expect(shapes == wanted, sentence)
        expect_close(posterior.mean, model.encode(x), "encode is not the posterior's mean")
        scores = tuple(likelihood.log_prob(x).shape)
        expect(scores == (len(x),), "likelihood(z).log_prob(x) is not one number an image")


@torch.no_grad()
def check_sample(subject: Subject) -> None:
    """Samples are images, and with a seed the first of many are those of a few."""
    for spec in subject.specs:
        model = variational(subject, spec)
        many = model.sample(20, seed=0)
        _expect_images(many, (20, *spec.input_shape), "sample")
        same = torch.equal(many[:4], model.sample(4, seed=0))
        expect(same, "sample(20, seed=0)[:4] is not sample(4, seed=0)")


def variational(subject: Subject, spec=None) -> VariationalAutoencoder:
    """A model with a prior. Raises NotMeasuredError for a family without."""
    model = subject.build(spec)
    if not isinstance(model, VariationalAutoencoder):
        raise NotMeasuredError("it has no prior")
    return model


def _expect_images(y: Tensor, wanted: tuple[int, ...], method: str) -> None:
    _expect_float32(y, wanted, method)
    inside = y.numel() == 0 or bool((y.min() >= 0) & (y.max() <= 1))
    expect(inside, f"{method} gives values outside [0, 1], or not finite")


def _expect_float32(y: Tensor, wanted: tuple[int, ...], method: str) -> None:
    expect(tuple(y.shape) == wanted, f"{method} gives {tuple(y.shape)}, not {wanted}")
    expect(y.dtype == torch.float32, f"{method} gives {y.dtype}, not float32")
