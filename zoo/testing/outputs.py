"""Checks of what the methods of the interface give."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import VariationalAutoencoder
from zoo.specs.base import Spec
from zoo.testing.subject import (
    NotMeasuredError,
    Subject,
    expect,
    expect_close,
    expect_unchanged,
    inputs,
)


@torch.no_grad()
def check_encode(subject: Subject) -> None:
    """Codes are `(N, *latent_shape)`, float32, finite, for any number of examples."""
    for spec in subject.specs:
        model, x = subject.build(spec), inputs(spec)
        for count in (len(x), 1, 0):
            z = model.encode(x[:count])
            _expect(z, (count, *spec.latent_shape), torch.float32, "encode")
            expect(torch.isfinite(z).all(), f"encode gives codes that are not finite, for {spec!r}")


@torch.no_grad()
def check_decode(subject: Subject) -> None:
    """Codes of any leading batch shape become finite examples, far-off codes too; images are in [0, 1]."""
    for spec in subject.specs:
        model = subject.build(spec)
        generator = torch.Generator().manual_seed(0)
        for batch in ((), (3,), (2, 3), (0,)):
            z = 5 * torch.randn(*batch, *spec.latent_shape, generator=generator)
            _expect_examples(model.decode(z), batch, spec, "decode")
        z = torch.randn(2, 3, *spec.latent_shape, generator=generator)
        alone, among = (
            model.standardized(y) for y in (model.decode(z[1, 2]), model.decode(z)[1, 2])
        )
        expect_close(among, alone, "a code is decoded differently in a batch than alone")


@torch.no_grad()
def check_reconstruct(subject: Subject) -> None:
    """`reconstruct` and `forward` are `decode(encode(x))`."""
    for spec in subject.specs:
        model, x = subject.build(spec), inputs(spec)
        y = model.reconstruct(x)
        _expect_examples(y, (len(x),), spec, "reconstruct")
        expect(torch.equal(model(x), y), "forward is not reconstruct")
        again = model.standardized(model.decode(model.encode(x)))
        expect_close(again, model.standardized(y), "reconstruct is not decode(encode(x))")


@torch.no_grad()
def check_deterministic(subject: Subject) -> None:
    """In eval mode `encode` gives the same bits each time, nearly so in any batch, and changes nothing."""
    for spec in subject.specs:
        model, x = subject.build(spec), inputs(spec, 33)
        with torch.random.fork_rng(devices=[]), expect_unchanged(model, "used"):
            torch.manual_seed(1)
            one = model.encode(x)
            torch.manual_seed(2)
            two = model.encode(x)
            model.decode(two)
            model.loss(x)
        same = torch.equal(one, two)
        expect(same, "encode gives different codes the second time: is it sampling?")
        expect_close(model.encode(x[:1]), one[:1], "an example's code depends on its batch")


@torch.no_grad()
def check_dtypes(subject: Subject) -> None:
    """A model that was moved to another floating dtype gives codes and images in it; rows and series stay float64."""
    x, is_image = inputs(subject.spec), subject.spec.domain.is_image
    for dtype in (torch.float64, torch.bfloat16):
        model = subject.build().to(dtype)
        z = model.encode(x)
        y = model.decode(z)
        expect(z.dtype == dtype, f"a {dtype} model encodes to {z.dtype}")
        wanted = dtype if is_image else torch.float64
        expect(y.dtype == wanted, f"a {dtype} model decodes to {y.dtype}")
        inside = (y.min() >= 0 and y.max() <= 1) if is_image else torch.isfinite(y).all()
        limits = "outside [0, 1]" if is_image else "that are not finite"
        expect(inside, f"a {dtype} model decodes to values {limits}")


@torch.no_grad()
def check_distributions(subject: Subject) -> None:
    """Posterior, prior and likelihood have the batch and event shapes of the interface."""
    for spec in subject.specs:
        model, x = variational(subject, spec), inputs(spec)
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
        expect(scores == (len(x),), "likelihood(z).log_prob(x) is not one number an example")


@torch.no_grad()
def check_sample(subject: Subject) -> None:
    """Samples are examples, and with a seed the first of many are those of a few."""
    for spec in subject.specs:
        model = variational(subject, spec)
        many = model.sample(20, seed=0)
        _expect_examples(many, (20,), spec, "sample")
        same = torch.equal(many[:4], model.sample(4, seed=0))
        expect(same, "sample(20, seed=0)[:4] is not sample(4, seed=0)")


def variational(subject: Subject, spec: Spec | None = None) -> VariationalAutoencoder:
    """A model with a prior. Raises NotMeasuredError for a family without."""
    model = subject.build(spec)
    if not isinstance(model, VariationalAutoencoder):
        raise NotMeasuredError("it has no prior")
    return model


def _expect_examples(y: Tensor, batch: tuple[int, ...], spec: Spec, method: str) -> None:
    """Images are float32 in [0, 1]; rows and series float64 and finite."""
    dtype = torch.float32 if spec.domain.is_image else torch.float64
    _expect(y, (*batch, *spec.input_shape), dtype, method)
    if spec.domain.is_image:
        inside = y.numel() == 0 or bool((y.min() >= 0) & (y.max() <= 1))
        expect(inside, f"{method} gives values outside [0, 1], or not finite")
    expect(torch.isfinite(y).all(), f"{method} gives values that are not finite")


def _expect(y: Tensor, wanted: tuple[int, ...], dtype: torch.dtype, method: str) -> None:
    expect(tuple(y.shape) == wanted, f"{method} gives {tuple(y.shape)}, not {wanted}")
    expect(y.dtype == dtype, f"{method} gives {y.dtype}, not {str(dtype).removeprefix('torch.')}")
