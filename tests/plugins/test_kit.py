"""The conformance kit: the zoo's families pass it, and each kind of defect fails it in a sentence."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator

import pytest
import torch
from defects import (
    DEFECTS,
    AveragesItsWeight,
    LossOfABatch,
    Plain,
    PlainSpec,
    Samples,
)
from unit_defects import UNIT_DEFECTS, Real
from variational_defects import VARIATIONAL_DEFECTS, Gaussian

import zoo
import zoo.testing
from zoo.cli import main
from zoo.errors import PluginError, UnknownNameError
from zoo.families.ae.spec import VectorSpec
from zoo.integers import forms
from zoo.integers.forms import has_form
from zoo.integers.grids import WEIGHT, on_grid, rounded
from zoo.models.parts.bodies import ConvDecoder, GridDecoder, MLPDecoder
from zoo.registry import families
from zoo.testing.subject import inputs

ALL = [*DEFECTS, *VARIATIONAL_DEFECTS, *UNIT_DEFECTS]
OF_PRIORS = {
    "distributions",
    "sample",
    "ELBO",
    "prior codes",
    "importance-weighted bound",
    "linear-Gaussian bound",
}
OF_REALS = {"units", "densities"}
OF_FORMS = {"exact"}


OWN = [
    name for name, family in families.BUILT_IN.items() if issubclass(family.spec_class, VectorSpec)
]
"""The families whose networks are the zoo's too, not diffusers'."""


@pytest.mark.parametrize(
    "family",
    [
        *OWN,
        *families.PRESETS,
        *(pytest.param(n, marks=pytest.mark.slow) for n in families.BUILT_IN if n not in OWN),
    ],
)
def test_the_zoos_own_families_pass(family):
    report = zoo.testing.check_family(family)
    assert report.passed
    assert [check.what for check in report.checks] == list(zoo.testing.CHECKS)
    left_out = {check.what for check in report.checks if check.result == "not measured"}
    subject = zoo.testing.Subject.of(family)
    assert left_out - {"devices"} == (
        (set() if subject.family.is_variational else OF_PRIORS)
        | (set() if {"rows", "series"} & subject.by_domain().keys() else OF_REALS)
        | (set() if has_form(subject.build()) else OF_FORMS)
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler")
@pytest.mark.parametrize("family", OWN)
def test_the_zoos_own_families_compile_to_machine_code(family):
    """The kit compiles with a backend that needs no C++ compiler; this is the one that people get."""
    torch.compiler.reset()  # each family by itself: all of them compile the same few functions
    subject = zoo.testing.Subject.of(family)
    model, x = subject.build(), inputs(subject.spec)
    for method, given in (("encode", x), ("decode", model.encode(x).detach())):
        compiled = torch.compile(getattr(model, method), fullgraph=True)
        torch.testing.assert_close(compiled(given), getattr(model, method)(given))
    torch.compile(lambda x: model.train().loss(x).total, fullgraph=True)(x).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.fixture
def registered() -> Iterator[str]:
    """A name for a family, free again afterward."""
    yield "on-trial"
    families._registered.pop("on-trial", None)


@pytest.mark.parametrize("cls", [Plain, Gaussian, Real, AveragesItsWeight])
def test_a_family_without_defects_passes(registered, cls):
    zoo.register(registered)(cls)
    assert zoo.testing.check_family(registered).passed


@pytest.mark.parametrize(
    ("cls", "check", "sentence"),
    ALL,
    ids=[f"{cls.__name__}-{check}" for cls, check, _ in ALL],
)
def test_a_defect_fails_its_check_in_a_sentence(registered, cls, check, sentence):
    zoo.register(registered)(cls)
    subject = zoo.testing.Subject.of(registered)
    answer = zoo.testing.answer(check, subject)
    assert answer.result == "failed", answer
    assert sentence in answer.detail
    assert "\n" not in answer.detail


@pytest.mark.parametrize(
    ("times", "less_mean", "sentence"),
    [
        (1.0, False, "5 of 5 Specs have an exact form; images of 0 are coded"),
        (2.0, False, "exact codes are others than those of encode"),
        (1.0, True, "exact codes depend on the batch"),
    ],
)
def test_an_exact_form_is_tried(registered, times, less_mean, sentence):
    cls = zoo.register(registered)(type("Formed", (Plain,), {}))

    @zoo.register_exact(cls)
    class Form(zoo.ExactModel):
        def __init__(self, model):
            super().__init__(model)
            self.weight = on_grid(times * model.weight, WEIGHT)

        def _encode(self, x):
            codes = rounded(x.flatten(1) @ self.weight, WEIGHT)
            return codes - codes[:1] if less_mean else codes

    answer = zoo.testing.answer("exact", zoo.testing.Subject.of(registered))
    assert answer.result == ("passed" if sentence.startswith("5") else "failed")
    assert sentence in answer.detail


@pytest.mark.parametrize("family", ["vae", "vq-vae"])
def test_a_wrong_exact_decoder_is_found(family, monkeypatch):
    for cls in (MLPDecoder, ConvDecoder, GridDecoder):
        make = forms._FORMS[cls]
        wrong = functools.partial(lambda make, layer: lambda z: -make(layer)(z), make)
        monkeypatch.setitem(forms._FORMS, cls, wrong)
    answer = zoo.testing.answer("exact", zoo.testing.Subject.of(family))
    assert answer.result == "failed"
    assert "exact likelihoods are off" in answer.detail or "restored pixels" in answer.detail


def test_all_failures_are_said_at_once(registered):
    zoo.register(registered)(Samples)
    with pytest.raises(PluginError) as caught:
        zoo.testing.check_family(registered)
    said = str(caught.value).splitlines()
    assert said[0].startswith(f"Family '{registered}' fails ")
    assert any(line.startswith("  deterministic: ") for line in said)
    assert any(line.startswith("  save and load: ") for line in said)


def test_the_command_says_each_check_and_fails_with_them(registered, capsys):
    zoo.register(registered)(Samples)
    with pytest.raises(SystemExit) as end:
        main(["plugins", "check", registered])
    out = capsys.readouterr()
    assert end.value.code == 1
    assert "  failed        deterministic: encode gives different codes the second time" in out.out
    assert "  passed        decode: " in out.out
    assert out.err == f"Error: {registered}: some checks failed; see above.\n"


def test_a_family_that_there_is_not_is_no_failure_of_a_check():
    with pytest.raises(UnknownNameError, match=r"No family named 'vaee'\. Did you mean 'vae'"):
        zoo.testing.check_family("vaee")


def test_a_field_without_a_default_fails(registered):
    class Bare(PlainSpec):
        depth: int

    zoo.register(registered)(type("Depth", (Plain,), {"Spec": Bare}))
    with pytest.raises(PluginError, match="depth: no default"):
        zoo.testing.check_family(registered)


def test_a_loss_of_scalars_passes_and_is_named(registered):
    zoo.register(registered)(LossOfABatch)
    found = {check.what: check for check in zoo.testing.check_family(registered).checks}
    assert found["loss"].result == "passed"
    assert found["loss"].detail == "gives no scores per example: reconstruction is of a batch"
    assert found["examples apart"].result == "not measured"


def test_a_large_default_is_made_small():
    specs = zoo.testing.Subject.of("ae", small={"body": {"kind": "mlp", "hidden": [7]}}).specs
    assert {spec.domain.kind for spec in specs} == {"image", "series", "vector"}
    assert {spec.body.hidden for spec in specs} == {(7,)}


def test_the_report_counts_what_it_leaves_unmeasured(registered, capsys):
    zoo.register(registered)(Plain)
    with pytest.raises(SystemExit) as end:
        main(["plugins", "check", registered])
    assert end.value.code in (0, None)
    last = capsys.readouterr().out.splitlines()[-1]
    not_measured = len(OF_PRIORS | OF_REALS | OF_FORMS) + (not torch.cuda.is_available())
    passed = len(zoo.testing.CHECKS) - not_measured
    assert last == f"{registered}: {passed} passed, {not_measured} not measured"
