"""Likelihoods that installed packages bring: used by a family of the zoo's, listed, isolated when broken."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from packages import MARK, Package

import zoo
from zoo.cli import probe
from zoo.errors import PluginError, SpecError
from zoo.likelihoods.registry import LIKELIHOODS

CODE = """
from typing import Literal
from pydantic import Field
import zoo

class Laplace(zoo.Likelihood):
    kind: Literal["laplace"] = "laplace"
    scale: float = Field(default=0.1, gt=0)
    domains = ("image", "vector")
    protocols = ("dequantized",)

    def distribution(self, outputs, shape, **parameters):
        from torch.distributions import Independent, Laplace
        each = Laplace(outputs.sigmoid(), self.scale, validate_args=False)
        return Independent(each, len(shape), validate_args=False)

    def outputs_for(self, mean):
        return mean.logit(eps=1e-3)
"""
SMALL = {"input_shape": (1, 8, 8), "latent_dim": 3, "body": {"kind": "mlp", "hidden": [16]}}


def package(name: str = "acme-laplace", code: str = CODE, **points: str) -> Package:
    module = name.replace("-", "_")
    targets = points or {"laplace": "Laplace"}
    likelihoods = {kind: f"{module}:{cls}" for kind, cls in targets.items()}
    return Package(name, "0.3", {f"{module}.py": code}, likelihoods=likelihoods)


@pytest.fixture(autouse=True)
def _none_loaded(monkeypatch):
    monkeypatch.setattr(LIKELIHOODS, "_loaded", {})


def test_a_family_of_the_zoos_uses_it(installed, tmp_path):
    installed(package())
    assert "acme_laplace" not in sys.modules
    model = zoo.build("vae", **SMALL, likelihood={"kind": "laplace", "scale": 0.2}, seed=0)
    zoo.save(model, tmp_path / "model")
    back = zoo.load(tmp_path / "model")
    assert (back.spec, back.spec.likelihood.scale) == (model.spec, 0.2)
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(
        back.likelihood(back.encode(x)).log_prob(x), model.likelihood(model.encode(x)).log_prob(x)
    )
    assert "model" in zoo.info(tmp_path / "model").origin


def test_it_is_trained_on_digits(installed, tmp_path):
    installed(package())
    recipe = {
        "model": {"family": "vae", **SMALL, "likelihood": {"kind": "laplace"}},
        "data": {"dataset": "digits", "protocol": "dequantized"},
        "training": {"epochs": 1, "output_bias": "training-mean"},
    }
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
    assert run.model.spec.likelihood.name() == "laplace"
    with pytest.raises(
        zoo.RecipeError, match="'gray' does not fit a laplace likelihood; use 'dequantized'"
    ):
        zoo.train({**recipe, "data": {"dataset": "digits", "protocol": "gray"}}, device="cpu")


def test_it_is_imported_only_when_it_is_used(installed):
    installed(package(code=f"{MARK}\n{CODE}"))  # would fail: MARKS is not set
    assert "laplace" in LIKELIHOODS.names()
    zoo.build("vae", **SMALL)
    with pytest.raises(SpecError) as caught:
        zoo.build("vae", **SMALL, likelihood={"kind": "laplce"})
    assert "Did you mean 'laplace'?" in str(caught.value)


def test_a_broken_one_is_a_problem_that_names_its_package(installed):
    installed(
        package("acme-broken", "1 / 0\n", broken="Laplace"),
        package("acme-odd", CODE, odd="Laplace"),
        package("acme-not", "Laplace = 3\n", three="Laplace"),
    )
    for kind, said in {
        "broken": "plugin 'broken' of acme-broken 0.3 failed to load: ZeroDivisionError: division by zero. "
        "Other likelihoods are unaffected",
        "odd": "plugin 'odd' of acme-odd 0.3 cannot be used: Laplace has kind 'laplace'",
        "three": "plugin 'three' of acme-not 0.3 is 3, which is not a subclass of zoo.Likelihood",
    }.items():
        with pytest.raises(SpecError) as caught:
            zoo.build("vae", input_shape=(1, 8, 8), likelihood={"kind": kind})
        lines = str(caught.value).splitlines()
        assert lines[1] == "  latent_dim: missing"
        assert lines[2].startswith(f"  likelihood: {said}")
    zoo.build("vae", **SMALL)


def test_two_packages_that_claim_a_kind_are_named(installed):
    installed(package(), package("other-laplace"))
    with pytest.raises(
        SpecError, match=r"'laplace' is provided by acme-laplace 0\.3 and other-laplace 0\.3"
    ):
        zoo.build("vae", **SMALL, likelihood={"kind": "laplace"})


def test_a_program_cannot_take_the_kind_of_a_package(installed):
    installed(package())
    with pytest.raises(
        PluginError, match=r"is already registered by an entry point of acme-laplace 0\.3"
    ):
        zoo.register_likelihood(LIKELIHOODS.get("laplace"))


def test_the_zoos_own_kinds_are_its_own(installed):
    installed(package("rival", CODE.replace("laplace", "gaussian"), gaussian="Laplace"))
    model = zoo.build("vae", **SMALL, likelihood={"kind": "gaussian"})
    assert type(model.spec.likelihood).__module__ == "zoo.likelihoods.gaussian"


def test_without_its_package_a_model_says_what_is_missing(installed, tmp_path, monkeypatch):
    installed(package())
    zoo.save(zoo.build("vae", **SMALL, likelihood={"kind": "laplace"}), tmp_path / "model")
    assert json.loads((tmp_path / "model" / "config.json").read_text())["spec"]["likelihood"] == {
        "kind": "laplace",
        "scale": 0.1,
    }
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "site-0" not in p])
    monkeypatch.setattr(LIKELIHOODS, "_loaded", {})
    with pytest.raises(SpecError, match="not 'laplace'"):
        zoo.load(tmp_path / "model")


def test_the_verb_lists_them(installed):
    installed(
        package(),
        package("acme-broken", "1 / 0\n", broken="Laplace"),
        package("rival", gaussian="Laplace"),
    )
    found = {one.plugin.name: one for one in probe.try_plugins() if one.plugin.kind == "likelihood"}
    assert {name: one.state for name, one in found.items()} == {
        "laplace": "ready",
        "broken": "broken",
        "gaussian": "broken",
    }
    assert found["gaussian"].problem.endswith("'gaussian' is the zoo's own likelihood.")
