"""`zoo verify`: it fails when anything is not what it says, and never calls unmeasured a pass."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

import zoo
from zoo.cards.card import render_card
from zoo.cards.record import record_of, record_text
from zoo.evaluation.agreement import differences
from zoo.evaluation.report import Check, Report
from zoo.folder import layout
from zoo.folder.store import weights_bytes
from zoo.registry import index, published
from zoo.specs.metrics import Metrics


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """The folder of a published model whose bound was measured with few samples, to be quick."""
    target = tmp_path_factory.mktemp("measured") / "model"
    shutil.copytree(published.line("vae-digits-8").folder, target)
    model = zoo.load(target)
    metrics = zoo.evaluate(model, nll_samples=10, device="cpu")
    (target / layout.METRICS).write_text(record_text(record_of([metrics])))
    (target / layout.CARD).write_text(render_card(zoo.info(target)))
    return target


@pytest.fixture
def model(measured, tmp_path) -> Path:
    """A copy of that folder that a test may spoil."""
    shutil.copytree(measured, tmp_path / "model")
    return tmp_path / "model"


def results(report) -> dict[str, str]:
    return {check.what: check.result for check in report.checks}


def test_a_published_model_passes():
    report = zoo.verify("vae-digits-8")
    assert report.passed
    assert set(results(report).values()) == {"passed"}
    assert "the index" in report.checks[0].detail


def test_a_copy_has_no_word_on_its_hashes_but_its_own(model):
    report = zoo.verify(model)
    assert report.passed
    assert (report.checks[0].what, report.checks[0].result) == ("hashes", "not measured")


def test_the_card_of_a_run_is_its_own(recipe):
    run = zoo.train(recipe(epochs=1), out="run")
    assert results(zoo.verify(run.folder / "model"))["card"] == "passed"


def test_metrics_that_another_version_has_besides_are_not_compared(model):
    path = model / "metrics.json"
    record = json.loads(path.read_text())
    for entry in (*record["measured"], *record["subset"]):
        entry |= {"fid": 3.0, "psnr": None, "psnr_se": None}
    path.write_text(json.dumps(record))
    assert zoo.verify(model).passed


NUMBERS = (
    "neg_elbo", "neg_elbo_se", "reconstruction", "kl", "nll", "nll_se", "bits_per_dim",
    "active_units", "mse", "mse_se", "psnr", "n_examples", "nll_samples", "seed", "dataset_sha256", "protocol_id",
)  # fmt: skip


def changed(numbers: dict, name: str) -> dict:
    value = numbers[name]
    if name in ("dataset_sha256", "protocol_id"):
        return numbers | {name: "0" * 64}
    if isinstance(value, int):
        return numbers | {name: value - 2 if value > 2 else value + 2}
    return numbers | {name: value * 1.01 + (0.02 if name.endswith("_se") else 0.0)}


@pytest.mark.parametrize("name", NUMBERS)
def test_one_changed_number_is_noticed(measured, name):
    info = zoo.info(measured)
    numbers = info.metrics.measured[0].model_dump()
    same, other = Metrics(**numbers), Metrics(**changed(numbers, name))
    assert differences(same, same) == []
    assert name in str(differences(same, other))


@pytest.mark.parametrize("name", ["neg_elbo", "n_examples", "nll_samples", "seed"])
def test_what_was_changed_in_the_folder_fails(model, name):
    record = json.loads((model / layout.METRICS).read_text())
    record["measured"][0] = changed(record["measured"][0], name)
    (model / layout.METRICS).write_text(json.dumps(record))
    assert not zoo.verify(model).passed


def test_a_changed_weight_with_its_hash_is_noticed(model):
    tensors = safetensors.torch.load_file(model / layout.WEIGHTS)
    tensors["decoder.2.bias"][20] += 1.0
    spoilt = zoo.load(model)
    spoilt.load_state_dict(tensors)
    data = weights_bytes(spoilt)
    (model / layout.WEIGHTS).write_bytes(data)
    config = json.loads((model / layout.CONFIG).read_text())
    config["weights_sha256"] = hashlib.sha256(data).hexdigest()
    (model / layout.CONFIG).write_text(json.dumps(config))
    assert zoo.load(model) is not None  # the folder's own word holds
    report = zoo.verify(model)
    assert not report.passed
    assert any("neg_elbo is" in check.detail for check in report.checks)


def test_a_flipped_byte_fails_and_says_why(model):
    data = bytearray((model / layout.WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 4
    (model / layout.WEIGHTS).write_bytes(data)
    report = zoo.verify(model)
    assert not report.passed
    assert "sha256" in report.checks[-1].detail


def test_a_full_number_far_from_the_subsets_is_noticed(model):
    record = json.loads((model / layout.METRICS).read_text())
    record["subset"] = [dict(one) for one in record["measured"]]
    record["measured"][0]["neg_elbo"] -= 30
    (model / layout.METRICS).write_text(json.dumps(record))
    report = zoo.verify(model)
    assert not report.passed
    assert any("the first images have" in check.detail for check in report.checks)


def test_without_data_or_numbers_it_is_not_measured(model, monkeypatch):
    record = json.loads((model / layout.METRICS).read_text())
    record["measured"][0]["dataset"] = "./nowhere.npy"
    (model / layout.METRICS).write_text(json.dumps(record))
    report = zoo.verify(model)
    assert "not measured" in results(report).values()
    (model / layout.METRICS).unlink()
    assert results(zoo.verify(model))["numbers"] == "not measured"


def test_an_edited_card_is_not_called_the_zoos(model):
    (model / layout.CARD).write_text("# mine\n")
    assert results(zoo.verify(model))["card"] == "not measured"


def test_nonsense_in_the_metrics_fails(model):
    (model / layout.METRICS).write_text('{"measured": [{"neg_elbo": "good"}]}')
    assert not zoo.verify(model).passed


def test_a_folder_that_is_not_there_is_an_error_and_no_report():
    with pytest.raises(zoo.SourceError, match="does not exist"):
        zoo.verify("./nowhere")


def test_numbers_that_no_subset_speaks_of_are_not_called_a_pass(model):
    record = json.loads((model / layout.METRICS).read_text())
    honest = record["measured"][0]
    record["subset"] = [dict(honest, split="validation", n_examples=50)]
    record["measured"][0] = dict(honest, neg_elbo=-999.0)
    (model / layout.METRICS).write_text(json.dumps(record))
    details = {check.what: check for check in zoo.verify(model).checks}
    assert details["all 300 images, dequantized"].result == "not measured"


def test_a_number_that_the_subset_lacks_is_not_called_a_pass(model):
    record = json.loads((model / layout.METRICS).read_text())
    honest = record["measured"][0]
    absent = dict.fromkeys(("nll", "nll_se", "nll_samples", "nll_n_examples"))
    record["subset"] = [honest | absent]
    record["measured"][0] = dict(honest, nll=-900.0)
    (model / layout.METRICS).write_text(json.dumps(record))
    [check] = [c for c in zoo.verify(model).checks if c.what.startswith("all 300 images")]
    assert (check.result, "nll" in check.detail) == ("not measured", True)


def test_a_strangers_request_for_endless_work_is_declined(model):
    record = json.loads((model / layout.METRICS).read_text())
    record["measured"][0]["nll_samples"] = 10**9
    (model / layout.METRICS).write_text(json.dumps(record))
    assert any(
        "K = 1,000,000,000 is too many" in check.detail for check in zoo.verify(model).checks
    )
    record["measured"] = record["measured"] * 30
    (model / layout.METRICS).write_text(json.dumps(record))
    assert any("more than 20 entries" in check.detail for check in zoo.verify(model).checks)


def test_a_subset_too_small_to_contradict_anything_is_no_witness(model):
    record = json.loads((model / layout.METRICS).read_text())
    honest = record["measured"][0]
    few = zoo.evaluate(model, limit=2, nll_samples=10, device="cpu").model_dump(mode="json")
    record["subset"] = [few]
    record["measured"][0] = dict(honest, mse=-0.0023, psnr=26.8)
    (model / layout.METRICS).write_text(json.dumps(record))
    [check] = [c for c in zoo.verify(model).checks if c.what.startswith("all 300 images")]
    assert check.result == "not measured"


def test_files_are_found_by_the_recipes_path(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    pixels = np.random.Generator(np.random.Philox(3)).integers(0, 256, (60, 8, 8), np.uint8)
    np.save("pictures/own.npy", pixels)
    own = recipe(epochs=1)
    own["data"]["dataset"] = "pictures/own.npy"
    zoo.train(own, out="run")
    measured_again = [what for what in results(zoo.verify("./run/model")) if "own.npy" in what]
    assert measured_again == ["own.npy validation, binarized"]
    assert zoo.verify("./run/model").passed


EDITED = {
    "recipe.toml": lambda data: data.replace(b"learning_rate = ", b"learning_rate = 1"),
    "README.md": lambda data: data.replace(b"## Numbers", b"## The best numbers"),
    "metrics.json": lambda data: data.replace(b'"epochs": ', b'"epochs": 1'),
    "figures/samples.png": lambda data: data + b"\0",
    "figures/mine.png": lambda data: b"of another model",
}


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Path:
    """A copy of the registry with a single published model that a test may spoil."""
    here = index.own_registry()
    shutil.copytree(here.models / "vae-digits-8", tmp_path / "registry" / "vae-digits-8")
    shutil.copy(here.models / index.INDEX, tmp_path / "registry")
    monkeypatch.setattr(index, "own_registry", lambda: replace(here, models=tmp_path / "registry"))
    return tmp_path / "registry"


@pytest.mark.parametrize("name", EDITED)
def test_an_edited_file_of_a_published_model_fails(registry, name):
    path = registry / "vae-digits-8" / name
    before = path.read_bytes() if path.exists() else b""
    path.write_bytes(EDITED[name](before))
    assert path.read_bytes() != before
    report = zoo.verify("vae-digits-8")
    assert not report.passed
    assert name in report.checks[0].detail


@pytest.mark.parametrize(
    "name", ["recipe.toml", "metrics.json", "README.md", "figures/samples.png"]
)
def test_a_file_that_a_published_model_lacks_fails(registry, name):
    (registry / "vae-digits-8" / name).unlink()
    assert f"{name} is missing" in zoo.verify("vae-digits-8").checks[0].detail


def test_an_edited_card_fails_though_its_hash_was_put_right(registry):
    card = registry / "vae-digits-8" / layout.CARD
    old = hashlib.sha256(card.read_bytes()).hexdigest()
    card.write_text(card.read_text().replace("## Numbers", "## The best numbers"))
    text = (registry / index.INDEX).read_text()
    (registry / index.INDEX).write_text(
        text.replace(old, hashlib.sha256(card.read_bytes()).hexdigest())
    )
    found = results(zoo.verify("vae-digits-8"))
    assert (found["hashes"], found["card"]) == ("passed", "failed")


def test_where_nothing_was_measured_nothing_passed():
    def of(*found):
        return Report("x", tuple(Check("", result, "") for result in found))

    assert [of("passed", "not measured").result, of("passed", "failed").result] == [
        "passed",
        "failed",
    ]
    assert [of("not measured").result, of().result] == ["not measured"] * 2
    assert not of("not measured").passed


def test_offline_no_image_is_fetched_and_what_needs_one_is_not_measured(monkeypatch, tmp_path):
    def download(self):
        raise AssertionError(f"{self.name} was asked for")

    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    monkeypatch.setattr("zoo.datasets.idx.IDX._download", download)
    report = zoo.verify("vae-mnist-20", offline=True)
    numbers = [check for check in report.checks if check.what.startswith("mnist")]
    assert {check.result for check in numbers} == {"not measured"}
    assert "offline=True forbids downloads" in numbers[0].detail
