"""Checks of rows and series in the user's units: codes, examples and densities."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.models import Autoencoder
from zoo.models.objectives import default_of
from zoo.models.primitives import parts_of
from zoo.specs.base import Spec
from zoo.testing.subject import NotMeasuredError, Subject, expect, expect_close, inputs

FACTORS = (2.0, 1024.0, 0.25, 8.0)
"""Between two units of a column or channel, in turn; of these float64 loses no digit."""
GRID, REACH = 4001, 9.0
"""Points at which a density is summed up, and how far: sinh(9) times its middle half."""


@torch.no_grad()
def check_units(subject: Subject) -> None:
    """In other units codes are the same, values scaled, and densities shifted by the logarithm of the scale."""
    for spec in subject.specs:
        _expect_real(spec)
        model, other, x = subject.build(spec), subject.build(spec), inputs(spec, 64)
        own, theirs = model.standardization, other.standardization
        assert own is not None
        assert theirs is not None
        exact = ((x - own.mean) / own.scale).float()
        expect_close(
            model.standardized(x), exact, "values lose digits before they are standardized", 0
        )
        turns = [FACTORS[i % len(FACTORS)] for i in range(len(own.mean))]
        factor = torch.tensor(turns, dtype=torch.float64)
        if own.columns is not None:  # the others have no unit
            factor = torch.where(torch.tensor(own.columns), factor, 1.0)
        factor = factor.view_as(own.scale)
        theirs.set(own.mean * factor, own.scale * factor)
        y = x * factor
        z = model.encode(x)
        expect_close(other.encode(y), z, "codes are others in other units")
        apart = (other.decode(z) / factor - model.decode(z)) / own.scale
        expect_close(apart, torch.zeros_like(apart), "decode does not give the user's units")
        nats = factor.log().sum() * own.repeats
        if "likelihood" in parts_of(type(model)):
            shift = model.likelihood(z).log_prob(x) - other.likelihood(z).log_prob(y)
            _expect_shift(shift, nats, "likelihood(z).log_prob is no density in the user's units")
        if default_of(model).kind not in ("own", "pixels"):
            shift = _terms(other, y) - _terms(model, x)
            _expect_shift(shift, nats, "the loss is no density in the user's units")


def _terms(model: Autoencoder, x: Tensor) -> Tensor:
    """The sum of the loss's terms, `(1,)`, at the same draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.stack(list(model.loss(x).terms.values())).sum(0, keepdim=True)


def _expect_shift(shift: Tensor, nats: Tensor, sentence: str) -> None:
    """That nats `(N,)` differ between two units by the logarithm of their scale."""
    off = float((shift.double() - nats).abs().max())
    expect(off <= 1e-2 + 1e-4 * float(nats.abs()), f"{sentence}: off by {off:.3g} nats")


@torch.no_grad()
def check_densities(subject: Subject) -> str:
    """The likelihood of an example of one value integrates to 1 in the user's units."""
    family, spec = subject.family, subject.spec
    _expect_real(spec)
    if "likelihood" not in parts_of(family.cls):
        raise NotMeasuredError("it has no likelihood")
    shape = (1,) * len(spec.input_shape)
    one, _ = family.parse({**family.plain_fields(spec), "input_shape": shape})
    if one is None:
        raise NotMeasuredError(f"it takes no {spec.domain.nouns} of one value")
    model = subject.build(one)
    found = model.likelihood(model.encode(inputs(one, 1)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        draws = found.sample(torch.Size((2_000,))).double().flatten()
    low, center, high = draws.quantile(draws.new_tensor([0.25, 0.5, 0.75]))
    if high <= low:
        raise NotMeasuredError("its draws are not continuous")
    places = center + (high - low) * torch.linspace(-REACH, REACH, GRID).double().sinh()  # (GRID,)
    density = found.log_prob(places.view(-1, 1, *shape)).double().exp().flatten()  # (GRID,)
    whole = float(torch.trapezoid(density, places))
    expect(abs(whole - 1) <= 0.02, f"likelihood(z) integrates to {whole:.4g}")
    return f"it integrates to {whole:.4f}"


def _expect_real(spec: Spec) -> None:
    if spec.domain.is_image:
        raise NotMeasuredError("images are in [0, 1] at both ends")
