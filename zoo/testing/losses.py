"""Checks of losses and gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import Autoencoder, Batch, Loss
from zoo.models.objectives import objective_for
from zoo.specs.base import Spec
from zoo.testing.subject import (
    FailedError,
    NotMeasuredError,
    Subject,
    expect,
    expect_close,
    inputs,
)


@torch.no_grad()
def check_loss(subject: Subject) -> str:
    """The loss is named terms, finite, a number for each example or one of a batch; the total is their weighted sum."""
    said: dict[str, None] = {}
    for spec in subject.specs:
        model, x = subject.build(spec).train(), inputs(spec)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            loss = model.loss(x)
        expect(isinstance(loss, Loss), f"loss gives {type(loss).__name__}, not zoo.Loss")
        expect(
            isinstance(model(x), Loss), "a model in train mode does not give its loss when called"
        )
        expect(loss.per_example or loss.batch, "the loss has no terms")
        for name, term in loss.per_example.items():
            shape = tuple(term.shape)
            expect(
                shape == (len(x),),
                f"the term {name!r} is {shape}, not one number per example: a scalar goes into "
                "Loss(batch={...})",
            )
        for name, term in loss.batch.items():
            expect(term.dim() == 0, f"the term {name!r} is {tuple(term.shape)}, not a scalar")
        unknown = sorted(loss.weights.keys() - loss.terms.keys())
        expect(not unknown, f"weights for unknown terms: {', '.join(unknown)}")
        lost = sorted(spec.loss_weights.keys() - loss.terms.keys())
        expect(
            not lost, f"the Spec's loss_weights name terms that the loss lacks: {', '.join(lost)}"
        )
        for name, term in loss.terms.items():
            expect(torch.isfinite(term), f"the term {name!r} is {float(term)}, for {spec!r}")
        total = sum(float(t) * loss.weights.get(n, 1.0) for n, t in loss.terms.items())
        close = abs(float(loss.total) - total) <= 1e-4 * max(1.0, abs(total))
        expect(close, f"total is {float(loss.total):g}; the weighted sum of the terms is {total:g}")
        _check_mean_over_examples(model.eval(), x)
        said[_described(loss)] = None
    return "; or ".join(said)


def _described(loss: Loss) -> str:
    """The terms by name, and whether examples have scores."""
    apart, together = ", ".join(loss.per_example), ", ".join(loss.batch)
    if not apart:
        return f"gives no scores per example: {together} {'are' if ',' in together else 'is'} of a batch"
    return f"per example: {apart}" + (f"; of a batch: {together}" if together else "")


def _check_mean_over_examples(model: Autoencoder, x: Tensor) -> None:
    """A loss without draws is the same for a batch as for the batch twice."""
    one, again = float(model.loss(x).total), float(model.loss(x).total)
    twice = float(model.loss(torch.cat([x, x])).total)
    same = one != again or abs(twice - one) <= 1e-3 * max(1.0, abs(one))
    expect(same, f"the loss of a batch is {one:g}, and of the batch twice {twice:g}: not a mean")


@torch.no_grad()
def check_examples_apart(subject: Subject) -> str:
    """An example's terms are the same whatever else is in its batch, given its row of the noise."""
    draws = False
    for spec in subject.specs:
        model = subject.build(spec)
        objective, x = objective_for(model), model.standardized(inputs(spec))
        generator = torch.Generator().manual_seed(0)
        noise = objective.noise(model, spec.latent_shape, len(x), generator)
        whole, again = (objective.loss(model, Batch.of(x), noise) for _ in range(2))
        if not whole.per_example:
            raise NotMeasuredError("its loss gives no scores per example")
        if any(not torch.equal(whole.per_example[n], t) for n, t in again.per_example.items()):
            draws = True
            continue
        for rows in (slice(0, 3), slice(3, 4)):
            own = noise if noise is None else noise[rows]
            part = objective.loss(model, Batch.of(x[rows]), own)
            for name, term in part.per_example.items():
                among = whole.per_example[name][rows]
                most = 1e-4 * max(1.0, float(among.abs().max()))
                sentence = f"the term {name!r} of an example depends on its batch"
                expect_close(term, among, sentence, most)
    if draws:
        raise NotMeasuredError(
            "its loss draws by itself: the noise that _loss is given has a row per example"
        )
    return ""


def check_sum_over_values(subject: Subject) -> str:
    """The loss is a sum over values: four times as many of them give about four times the loss.

    A mean beside a KL term that is a sum is a beta of the number of values in disguise.
    """
    family, small = subject.family, subject.spec
    *channels, length = small.input_shape
    if small.domain.is_image:
        shape = (channels[0], 2 * channels[1], 2 * length)
    else:
        shape = (*channels, 4 * length)
    large, _ = family.parse({**family.plain_fields(small), "input_shape": shape})
    if large is None:
        raise NotMeasuredError(f"it takes no {small.domain.nouns} of four times the size")
    one, four = (_standard_loss(subject, spec) for spec in (small, large))
    if abs(one) < 0.01 * small.input_size:
        raise NotMeasuredError(f"its first loss, {one:.2g} nats, is too near zero to compare")
    found = f"four times the values, {four / one:.2g} times the loss"
    expect(four / one > 2, f"{found}: is it a mean over values?")
    return found


def _standard_loss(subject: Subject, spec: Spec) -> float:
    """The loss of examples that are standardized already, so that no unit adds to it."""
    x = subject.build(spec).standardized(inputs(spec, 64))
    return mean_loss(subject.family.build(spec, 0).eval(), x)


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
        model.loss(inputs(spec)).total.backward()
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                raise FailedError(f"{name} gets no gradient from the loss, for {spec!r}")
            finite = parameter.grad is None or bool(torch.isfinite(parameter.grad).all())
            expect(finite, f"the gradient of {name} is not finite, for {spec!r}")
