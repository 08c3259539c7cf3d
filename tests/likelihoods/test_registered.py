"""A likelihood registered by a program: built, saved, loaded, trained; and what is refused."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from pydantic import Field

import zoo
from zoo.errors import PluginError, SpecError
from zoo.likelihoods.registry import LIKELIHOODS

SMALL = {"input_shape": (1, 8, 8), "latent_dim": 3, "body": {"kind": "mlp", "hidden": [16]}}


@pytest.fixture(autouse=True)
def _only_here(monkeypatch):
    monkeypatch.setattr(LIKELIHOODS, "_registered", {})


def laplace() -> type[zoo.Likelihood]:
    """A new class, as running a cell again makes one."""

    class Laplace(zoo.Likelihood):
        """Each value is Laplace around the decoder's output."""

        kind: Literal["laplace"] = "laplace"
        floor: float = Field(default=0.01, gt=0, description="smallest scale")
        domains = ("vector", "series", "image")
        protocols = ("dequantized",)

        def parameters(self, shape):
            return {"log_scale": torch.zeros(shape[0], *[1] * (len(shape) - 1))}

        def distribution(self, outputs, shape, **parameters):
            scale = self.floor + parameters["log_scale"].exp()
            each = torch.distributions.Laplace(outputs, scale, validate_args=False)
            return torch.distributions.Independent(each, len(shape), validate_args=False)

        def outputs_for(self, mean):
            return mean

    return Laplace


def test_it_is_built_saved_loaded_and_trained(tmp_path):
    zoo.register_likelihood(laplace())
    fields = {"kind": "laplace", "floor": 0.02}
    model = zoo.build("vae", **SMALL, likelihood=fields, seed=0)
    assert dict(model.spec.likelihood) == fields
    assert model.likelihood_head.log_scale.shape == (1, 1, 1)
    zoo.save(model, tmp_path / "model")
    back = zoo.load(tmp_path / "model")
    assert back.spec == model.spec
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(back.reconstruct(x), model.reconstruct(x))

    run = zoo.train(
        {
            "model": {"family": "vae", **SMALL, "likelihood": fields},
            "data": {"dataset": "digits", "protocol": "dequantized"},
            "training": {"epochs": 1, "output_bias": "training-mean"},
        },
        out=tmp_path / "run",
        device="cpu",
    )
    assert (run.model.likelihood_head.log_scale < 0).all()
    assert zoo.evaluate(run.model, "digits", limit=20).protocol == "dequantized"


def test_running_the_cell_again_replaces_it_and_old_objects_are_refused():
    old = zoo.register_likelihood(laplace())
    new = zoo.register_likelihood(laplace())
    assert LIKELIHOODS.get("laplace") is new
    from zoo.families.vae.spec import VAESpec

    with pytest.raises(ValueError, match="no longer the class registered as 'laplace'"):
        VAESpec(input_shape=(1, 8, 8), latent_dim=3, likelihood=old())
    assert VAESpec(input_shape=(1, 8, 8), latent_dim=3, likelihood=new()).likelihood == new()


def test_a_model_of_a_kind_that_is_gone_says_so_in_a_spec_error(tmp_path, monkeypatch):
    zoo.register_likelihood(laplace())
    zoo.save(zoo.build("vae", **SMALL, likelihood={"kind": "laplace"}), tmp_path / "model")
    monkeypatch.setattr(LIKELIHOODS, "_registered", {})
    with pytest.raises(SpecError) as caught:
        zoo.load(tmp_path / "model")
    assert "likelihood: kind should be one of 'bernoulli', 'continuous-bernoulli'" in str(
        caught.value
    )
    assert "not 'laplace'. Other kinds come from" in str(caught.value)


def test_its_fields_are_checked_with_all_others():
    zoo.register_likelihood(laplace())
    with pytest.raises(SpecError) as caught:
        zoo.build("vae", input_shape=(1, 8, 8), likelihood={"kind": "laplace", "flor": 0.1})
    assert str(caught.value).splitlines()[1:] == [
        "  latent_dim: missing",
        "  likelihood.flor: unknown field. Did you mean 'floor'?",
    ]


def test_a_kind_that_is_taken_is_refused():
    class Mine(zoo.Likelihood):
        kind: Literal["gaussian"] = "gaussian"

        def distribution(self, outputs, shape, **parameters):
            raise AssertionError

    Mine.protocols = ("dequantized",)
    with pytest.raises(
        PluginError, match="likelihood kind 'gaussian' is already registered by the zoo"
    ):
        zoo.register_likelihood(Mine)


def changed(**changes) -> type[zoo.Likelihood]:
    cls = laplace()
    for name, value in changes.items():
        setattr(cls, name, value)
    return cls


def without_kind() -> type[zoo.Likelihood]:
    class Nameless(zoo.Likelihood):
        pass

    return Nameless


def of_two_kinds() -> type[zoo.Likelihood]:
    class Two(zoo.Likelihood):
        kind: Literal["one", "two"] = "one"

    return Two


def badly_named() -> type[zoo.Likelihood]:
    class Bad(zoo.Likelihood):
        kind: Literal["My Kind"] = "My Kind"

    return Bad


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: 3, "which is not a subclass of zoo.Likelihood"),
        (lambda: dict, "dict, which is not a subclass of zoo.Likelihood"),
        (without_kind, "has no kind"),
        (of_two_kinds, "has no kind"),
        (badly_named, "lower-case words joined by '-', not 'My Kind'"),
        (
            lambda: changed(distribution=zoo.Likelihood.distribution),
            "does not implement distribution",
        ),
        (
            lambda: changed(domains=("picture",)),
            "domains must be a tuple of 'vector', 'series', 'image'",
        ),
        (lambda: changed(domains="image"), "domains must be a tuple of"),
        (
            lambda: changed(protocols=("real",)),
            "protocols of an image likelihood must be a tuple of",
        ),
        (lambda: changed(protocols=()), "protocols of an image likelihood must be a tuple of"),
    ],
)
def test_a_class_that_lacks_something_is_refused(make, said):
    with pytest.raises(PluginError, match=said):
        zoo.register_likelihood(make())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"parameters": lambda self, shape: 1 / 0},
            "failed to return its parameters: ZeroDivisionError",
        ),
        (
            {"distribution": lambda self, o, shape, **p: 1 / 0},
            "failed to return its distribution: Zero",
        ),
        ({"distribution": lambda self, o, shape, **p: None}, "returned a distribution of shape"),
        (
            {"distribution": lambda self, o, shape, **p: torch.distributions.Normal(o, 1.0)},
            "returned a distribution of shape",
        ),
    ],
)
def test_one_that_fails_is_named(changes, said):
    zoo.register_likelihood(changed(**changes))
    with pytest.raises(PluginError, match=f"Likelihood 'laplace' {said}"):
        zoo.build("vae", **SMALL, likelihood={"kind": "laplace"}).eval().decode(torch.zeros(1, 3))
