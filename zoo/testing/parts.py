"""Checks of what a family declares, and of each part that it has."""

from __future__ import annotations

import torch

from zoo.models.objectives import default_of
from zoo.models.primitives import parts_of
from zoo.specs.objectives import (
    ELBO,
    IWAE,
    Likelihood,
    ObjectiveSettings,
    Own,
    Pixels,
    TotalCorrelation,
    incompatibility,
)
from zoo.testing.subject import Subject, expect, inputs

OBJECTIVES: tuple[ObjectiveSettings, ...] = (
    Own(),
    Likelihood(),
    ELBO(),
    ELBO(free_bits=0.5),
    IWAE(samples=3),
    IWAE(samples=3, resampled=1),
    TotalCorrelation(estimator="minibatch"),
    TotalCorrelation(estimator="discriminator"),
    Pixels(error="l2"),
)


def check_parts(subject: Subject) -> str:
    """What the family declares is what it implements, and every objective whose parts it has trains it."""
    cls, spec = subject.family.cls, subject.spec
    parts = parts_of(cls)
    if spec.parts and (wrong := parts.symmetric_difference(spec.parts)):
        expect(
            False,
            f"Spec.parts and the methods of {cls.__name__} differ in: {', '.join(sorted(wrong))}",
        )
    model = subject.build().train()
    default = default_of(model)
    problem = incompatibility(default, parts, model.loss_weights, "reparameterized")
    expect(not problem, f"the family's own objective: {problem}")
    _check_decoding(subject)
    trained = [default.kind]
    for one in OBJECTIVES:
        if one.kind == "own" and default.kind != "own":
            continue
        for gradient in one.gradients:
            if incompatibility(one, parts, model.loss_weights, gradient):
                continue
            total = model.loss(inputs(spec), objective=one, gradient=gradient).total
            expect(torch.isfinite(total), f"the loss of {one!r} is {total.item():g}")
            expect(total.requires_grad, f"the loss of {one!r} has no gradient")
            trained += [one.kind]
    return f"parts: {', '.join(sorted(parts))}; objectives: {', '.join(dict.fromkeys(trained))}"


@torch.no_grad()
def _check_decoding(subject: Subject) -> None:
    """`encode` uses no tensor that `decoding` names."""
    for spec in subject.specs:
        model, x = subject.build(spec), inputs(spec)
        named = [t for n, t in model.state_dict().items() if n.startswith(model.decoding)]
        expect(named or not model.decoding, f"decoding names no tensor: {model.decoding}")
        before = model.encode(x)
        for tensor in named:
            tensor.add_(1)
        same = torch.equal(model.encode(x), before)
        expect(same, f"encode uses a tensor that decoding = {model.decoding} names")
