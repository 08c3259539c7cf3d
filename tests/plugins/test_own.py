"""Numbers and pictures that a family adds: where they reach, and what happens when it fails to give them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch
from defects import FlatPicture, NaNMetrics, Plain

import zoo
from zoo.cli import main
from zoo.errors import PluginError, WeightsError
from zoo.registry import families

RECIPE = {
    "model": {"family": "own", "input_shape": [1, 8, 8]},
    "data": {"dataset": "digits", "protocol": "gray"},
    "training": {"epochs": 1},
}


class Own(Plain):
    own_metrics = {"norm": "of the weight"}  # noqa: RUF012
    own_pictures = {"weights": "The weight's columns."}  # noqa: RUF012

    def _measure(self, batches):
        assert sum(map(len, batches)) > 0
        return {"norm": self.weight.norm()}

    def _draw(self, x):
        return {"weights": self.weight.T.sigmoid().unflatten(1, self.spec.input_shape)[None]}


@pytest.fixture(autouse=True)
def _free() -> Iterator[None]:
    yield
    families._registered.pop("own", None)


@pytest.fixture
def run() -> zoo.Run:
    zoo.register("own")(Own)
    return zoo.train(RECIPE, out="run", device="cpu")


def said(capsys, *words) -> str:
    with pytest.raises(SystemExit):
        main([*words])
    return capsys.readouterr().out


def test_they_reach_the_record_the_card_and_every_verb(run, capsys):
    assert run.metrics is not None
    norm = run.metrics.own["norm"]
    assert norm.value == pytest.approx(float(run.model.weight.detach().norm()))
    card = (run.folder / "model" / "README.md").read_text()
    assert "| `norm` | " in card
    assert "name: norm, of the weight" in card
    assert "![weights](figures/weights.png)\n\nThe weight's columns." in card
    for words in (("show",), ("eval",), ("card",)):
        assert "norm" in said(capsys, *words, "./run/model"), words
    said(capsys, "draw", "./run/model", "-o", "drawn")
    assert "weights.png" in str(list((run.folder.parent / "drawn").iterdir()))


def test_verify_measures_them_again(run):
    assert zoo.verify("./run/model").passed
    path = run.folder / "model" / "metrics.json"
    record = json.loads(path.read_text())
    record["measured"][0]["own"]["norm"]["value"] *= 1.05
    path.write_text(json.dumps(record))
    report = zoo.verify("./run/model")
    [failed] = [check for check in report.checks if check.result == "failed"]
    assert failed.detail.startswith("norm is ")
    record["measured"][0]["own"] = {"gone": {"value": 1.0, "unit": ""}}
    path.write_text(json.dumps(record))
    report = zoo.verify("./run/model")  # the family has another number of its own by now
    assert [check.what for check in report.checks if check.result == "failed"] == []
    assert "the family gained or lost them: gone, norm" in str(report)


def test_a_number_of_its_own_cannot_pass_for_one_of_the_zoos(run):
    path = run.folder / "model" / "metrics.json"
    record = json.loads(path.read_text())
    for own, said in (
        ({"mse": {"value": 0.0, "unit": ""}}, "mse is the name of a built-in metric"),
        ({"x": {"value": 0.0, "unit": "a\nlicense  mit"}}, "own.x.unit"),
    ):
        record["measured"][0]["own"] = own
        path.write_text(json.dumps(record))
        with pytest.raises(WeightsError, match=said):
            zoo.info("./run/model")


def test_stale_pictures_of_its_own_go_with_the_model(run):
    vae = zoo.load("vae-digits-8")
    zoo.save(vae, "run/model")
    assert not (run.folder / "model" / "figures" / "weights.png").exists()


@pytest.mark.parametrize("cls", [NaNMetrics, FlatPicture])
def test_a_family_that_fails_to_give_them_loses_no_weights(cls):
    zoo.register("own")(cls)
    with pytest.raises(PluginError, match=r"Family 'own' failed to (measure|draw) its own"):
        zoo.train(RECIPE, out="run", device="cpu")
    assert zoo.load("./run/model").encode(torch.rand(1, 1, 8, 8)).shape == (1, 4)


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("own_metrics", {"mse": ""}, "'mse' in own_metrics is malformed or reserved"),
        ("own_metrics", {"Bad name": ""}, "'Bad name' in own_metrics"),
        ("own_metrics", {"usage": 3}, "own_metrics['usage'] is not one line"),
        (
            "own_metrics",
            {"usage": "u" * 61},
            "own_metrics['usage'] is not one line of at most",
        ),
        ("own_metrics", {"dataset": ""}, "'dataset' in own_metrics is malformed"),
        ("own_pictures", {"samples": ""}, "'samples' in own_pictures"),
        ("own_pictures", {"../x": ""}, "'../x' in own_pictures"),
    ],
)
def test_names_that_cannot_be_are_refused(attribute, value, said):
    with pytest.raises(PluginError) as caught:
        zoo.register("own")(type("Bad", (Own,), {attribute: value}))
    assert said in str(caught.value)
