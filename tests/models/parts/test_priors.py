"""A learned prior: its density, its draws, its bounds."""

from __future__ import annotations

import dataclasses

import pytest

import zoo.testing
from zoo.registry import families
from zoo.testing import Subject


@pytest.mark.parametrize("family", ["vae", "hierarchical-vae"])
@pytest.mark.parametrize(
    "check", ["distributions", "sample", "ELBO", "prior codes", "linear-Gaussian bound", "dtypes"]
)
def test_a_vamp_prior_passes_the_kits_checks_of_priors(family, check):
    fields = {"input_shape": (1, 8, 8), "latent_dim": 4, "prior": {"kind": "vamp", "components": 5}}
    spec, problems = families.get(family).parse(fields)
    assert spec is not None, problems
    subject = dataclasses.replace(Subject.of(family), specs=(spec,))
    answer = zoo.testing.answer(check, subject)
    assert answer.result == "passed", answer
