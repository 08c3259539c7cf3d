"""Scores that a program registers or a package brings: used like the zoo's own, isolated when broken."""

from __future__ import annotations

import sys
from typing import Literal

import numpy as np
import pytest
import torch
from packages import MARK, Package
from pydantic import Field

import zoo
from zoo.cli import probe
from zoo.detection.scores import SCORES
from zoo.errors import InputError, PluginError, SpecError, UnknownNameError
from zoo.sklearn import Detector

CODE = """
from typing import Literal
import zoo

class CodeNorm(zoo.Score):
    kind: Literal["code-norm"] = "code-norm"
    needs = ("code",)
    domains = ("vector",)

    def values(self, model, x, learned):
        return model._encode(x).flatten(1).square().sum(1)
"""
FAILS = CODE.replace("return model", "raise ValueError('no codes today')\n        return model")
SMALL = {"input_shape": (4,), "latent_dim": 2, "body": {"kind": "mlp", "hidden": [4]}}


def package(name: str = "acme-scores", code: str = CODE, **points: str) -> Package:
    module = name.replace("-", "_")
    targets = points or {"code-norm": "CodeNorm"}
    scores = {kind: f"{module}:{cls}" for kind, cls in targets.items()}
    return Package(name, "0.3", {f"{module}.py": code}, scores=scores)


@pytest.fixture(autouse=True)
def _none_known(monkeypatch):
    for name in ("_loaded", "_registered"):
        monkeypatch.setattr(SCORES, name, {})


@pytest.fixture
def model() -> zoo.Autoencoder:
    return zoo.build("vae", **SMALL, seed=0).eval()


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 4))


# Registered in a process


def registered_norm() -> type[zoo.Score]:
    @zoo.register_score
    class Norm(zoo.Score):
        kind: Literal["norm"] = "norm"
        power: int = Field(default=2, ge=1)
        needs = ("code",)
        learns = True

        def learn(self, model, batches):
            return {"center": torch.cat([model._encode(x) for x in batches()]).mean(0)}

        def values(self, model, x, learned):
            return (model._encode(x) - learned["center"]).abs().pow(self.power).sum(1)

    return Norm


def test_a_registered_score_is_used_like_the_zoos_own(model, rows, tmp_path):
    norm = registered_norm()
    found = zoo.score(model, rows, {"kind": "norm", "power": 1}, reference=rows, device="cpu")
    with torch.no_grad():
        codes = model.encode(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found.values, abs(codes - codes.mean(0)).sum(1), rtol=1e-4)
    own = zoo.score(model, rows, norm(power=1), reference=rows, device="cpu")
    assert np.array_equal(own.values, found.values)
    detector = Detector(model, anomaly_score="norm").fit(rows)
    detector.save(tmp_path / "d")
    assert np.array_equal(zoo.load_detector(tmp_path / "d").predict(rows), detector.predict(rows))


def test_it_is_a_member_of_an_ensemble(model, rows):
    registered_norm()
    members = [{"kind": "norm"}, {"kind": "kl"}]
    score = {"kind": "ensemble", "members": members}
    assert np.isfinite(zoo.score(model, rows, score, reference=rows, device="cpu").values).all()


def test_its_settings_are_checked(model, rows):
    registered_norm()
    with pytest.raises(SpecError, match="The score 'norm' has a problem:\n  power: "):
        zoo.score(model, rows, {"kind": "norm", "power": 0}, device="cpu")
    with pytest.raises(UnknownNameError, match=r"Unknown score 'nrm'\. Did you mean 'norm'"):
        zoo.score(model, rows, "nrm", device="cpu")


def test_the_same_cell_run_again_replaces_it(model, rows):
    first, second = registered_norm(), registered_norm()
    assert first is not second
    assert SCORES.get("norm") is second


def make_failing(where: str) -> None:
    def fail(*given):
        raise ZeroDivisionError("of mine")

    def values(self, model, x, learned):
        return x.flatten(1).sum(1)

    fields = {"__annotations__": {"kind": Literal["failing"]}, "kind": "failing"}
    methods = {"values": values, where: fail}
    more = {"learns": where == "learn", "has_map": True}
    zoo.register_score(
        type("Failing", (zoo.Score,), {**fields, **methods, **more, "__module__": "m"})
    )


def test_an_error_in_it_names_it(model, rows, monkeypatch):
    for where in ("values", "learn", "map"):
        monkeypatch.setattr(SCORES, "_registered", {})
        make_failing(where)
        sentence = "Score 'failing' failed to score examples: ZeroDivisionError: of mine"
        with pytest.raises(PluginError, match=sentence):
            zoo.score(model, rows, "failing", reference=rows, maps=where == "map", device="cpu")
        if where != "map":
            members = [{"kind": "kl"}, {"kind": "failing"}]
            score = {"kind": "ensemble", "members": members}
            with pytest.raises(PluginError, match=sentence):
                zoo.score(model, rows, score, reference=rows, device="cpu")


def test_an_error_of_the_zoos_own_is_not_a_plugins(model, rows, monkeypatch):
    def wrong(*given):
        raise KeyError("mine")

    monkeypatch.setattr(SCORES.get("kl"), "values", wrong)
    with pytest.raises(KeyError, match="mine"):
        zoo.score(model, rows, "kl", device="cpu")


def test_scores_of_another_number_name_it(model, rows):
    class Short(zoo.Score):
        kind: Literal["short"] = "short"

        def values(self, model, x, learned):
            return x.flatten(1).sum(1)[:1]

    zoo.register_score(Short)
    with pytest.raises(
        PluginError, match=r"Score 'short' failed .*: ValueError: values\(\) returned \(1,\)"
    ):
        zoo.score(model, rows, "short", device="cpu")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"kind": "no-values"}, "does not implement values"),
        ({"kind": "Upper", "values": 1}, "kind must be lower-case words joined by '-'"),
        ({"values": 1}, "has no kind. Add `kind: Literal"),
        ({"kind": "d", "values": 1, "domains": ("rows",)}, "domains must be a tuple of"),
        ({"kind": "nll", "values": 1}, "'nll' is already registered by the zoo"),
    ],
)
def test_an_incomplete_class_is_refused_when_it_is_registered(body, why):
    if "kind" in body:
        body = {**body, "__annotations__": {"kind": Literal[body["kind"]]}}
    if "values" in body:
        body = {**body, "values": lambda self, model, x, learned: x}
    with pytest.raises(PluginError, match=why):
        zoo.register_score(type("Mine", (zoo.Score,), {**body, "__module__": "m"}))


def test_what_is_no_score_is_refused():
    with pytest.raises(PluginError, match=r"is not a subclass of zoo\.Score"):
        zoo.register_score(int)


def test_it_must_support_the_model(rows):
    images = zoo.build("vae", input_shape=(1, 8, 8), latent_dim=2, body={"kind": "mlp"}, seed=0)

    @zoo.register_score
    class OfRows(zoo.Score):
        kind: Literal["of-rows"] = "of-rows"
        domains = ("vector",)

        def values(self, model, x, learned):
            return x.sum(1)

    with pytest.raises(InputError, match="The score 'of-rows' does not support images"):
        zoo.score(images, np.zeros((2, 1, 8, 8), np.uint8), "of-rows", device="cpu")


# Of packages


def test_a_packages_score_is_used_and_saved(installed, model, rows, tmp_path):
    installed(package())
    found = zoo.score(model, rows, "code-norm", device="cpu")
    with torch.no_grad():
        codes = model.encode(torch.from_numpy(rows))
    np.testing.assert_allclose(found.values, codes.square().sum(1), rtol=1e-5)
    Detector(model, anomaly_score="code-norm").fit(rows).save(tmp_path / "d")
    assert zoo.load_detector(tmp_path / "d").detector_.score.kind == "code-norm"


def test_a_failing_package_is_named(installed, model, rows):
    installed(package(code=FAILS))
    why = r"Plugin 'code-norm' of acme-scores 0\.3 failed to score examples: ValueError: no codes"
    with pytest.raises(PluginError, match=why):
        zoo.score(model, rows, "code-norm", device="cpu")


def test_it_is_imported_only_when_it_is_used(installed, model, rows):
    installed(package(code=f"{MARK}\n{CODE}"))  # would fail: MARKS is not set
    assert "code-norm" in SCORES.names()
    zoo.score(model, rows, "kl", device="cpu")
    with pytest.raises(UnknownNameError, match="Did you mean 'code-norm'"):
        zoo.score(model, rows, "code-nrm", device="cpu")


def test_a_broken_package_is_named_and_others_work(installed, model, rows):
    installed(
        package("acme-broken", "1 / 0\n", broken="CodeNorm"),
        package("acme-odd", CODE, odd="CodeNorm"),
        package("acme-not", "CodeNorm = 3\n", three="CodeNorm"),
    )
    for kind, said in {
        "broken": "of acme-broken 0.3 failed to load: ZeroDivisionError: division by zero. Other scores",
        "odd": "of acme-odd 0.3 cannot be used: CodeNorm has kind 'code-norm'",
        "three": "of acme-not 0.3 is 3, which is not a subclass of zoo.Score",
    }.items():
        with pytest.raises(PluginError) as caught:
            zoo.score(model, rows, kind, device="cpu")
        assert said in str(caught.value)
    zoo.score(model, rows, "kl", device="cpu")


@pytest.mark.slow  # imports them in processes of their own
def test_the_verb_lists_them(installed):
    installed(package(), package("rival", kl="X"))
    found = {one.plugin.name: one for one in probe.try_plugins() if one.plugin.kind == "score"}
    states = {name: one.state for name, one in found.items()}
    assert states == {"code-norm": "ready", "kl": "broken"}
    assert found["kl"].problem.endswith("'kl' is the zoo's own score.")


def test_a_detector_whose_package_is_gone_says_so(installed, model, rows, tmp_path, monkeypatch):
    installed(package())
    Detector(model, anomaly_score="code-norm").fit(rows).save(tmp_path / "d")
    monkeypatch.setattr(SCORES, "_loaded", {})
    monkeypatch.setattr(sys, "path", [one for one in sys.path if "site-0" not in one])
    with pytest.raises(UnknownNameError, match="Unknown score 'code-norm'"):
        zoo.load_detector(tmp_path / "d")
