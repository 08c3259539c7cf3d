"""Every verb, as a person would type it."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel

import zoo
from zoo.cli import main
from zoo.cli.fields import describe
from zoo.registry.families import BUILT_IN, PRESETS, expanded
from zoo.training import run as training


@pytest.fixture
def run(capsys):
    """Runs the command line and gives its standard output; it must exit with 0 (or `rc`)."""

    def run(*words: str, rc: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            main([*words])
        captured = capsys.readouterr()
        assert (end.value.code or 0) == rc, captured.err
        return captured.out

    return run


def test_list(run):
    out = run("list")
    for name in zoo.list_models():
        assert name in out
    listed = json.loads(run("list", "vae-*", "--json"))
    assert [line["name"] for line in listed] == zoo.list_models("vae-*")
    assert set(listed[0]) == {
        "name",
        "family",
        "bytes",
        "license",
        "weights_sha256",
        "hub",
        "package",
    }
    assert "beta-vae" in run("list", "--families")
    assert "vae-digits-8" in json.loads(run("list", "--recipes", "--json"))
    assert "No published model matches" in run("list", "nothing-*")
    names = {one["name"] for one in json.loads(run("list", "mnist", "--json"))}
    assert names == set(zoo.list_models("*mnist*"))


def test_show(run):
    out = run("show", "vae-digits-8")
    assert zoo.info("vae-digits-8").sha256 in out
    assert "neg_elbo" in out
    shown = json.loads(run("show", "vae-digits-8", "--json"))
    assert shown["family"] == "vae"
    assert shown["metrics"]["measured"]
    for family in (*BUILT_IN, *PRESETS):
        text = run("show", family)
        assert all(name in text for name in expanded(family)[0].spec_class.model_fields)
    fields = {f["name"].strip(): f for f in json.loads(run("show", "beta-vae", "--json"))}
    assert fields["beta"]["default"] == "4.0"
    assert fields["beta"]["range"] == "number > 0.0, <= 1,000.0"
    assert "sticking the landing" in run("show", "recipe")


def test_train_then_eval_draw_encode_verify_card(run):
    run("train", "vae-digits-8", "epochs=1", "data.fit=train", "--out", "r", "--device", "cpu")
    metrics = json.loads(run("eval", "./r/model", "--json", "--nll-samples", "5", "--limit", "50"))
    assert metrics["n_examples"] == 50
    assert metrics["nll_samples"] == 5
    assert "neg_elbo" in run("eval", "./r/model", "--split", "validation")
    run("draw", "./r/model", "-o", "pictures")
    assert {p.name for p in Path("pictures").iterdir()} == {
        "reconstructions.png",
        "samples.png",
        "traversals.png",
    }
    assert "passed" in run("verify", "./r/model")
    assert json.loads(run("verify", "./r/model", "--json"))[0]["passed"]
    assert "changed: `epochs = 1`" in run("card", "./r/model")


def test_train_numbers_its_runs_and_resumes_nothing_finished(run):
    for expected in ("runs/vae-digits-8", "runs/vae-digits-8-2", "runs/vae-digits-8-3"):
        run("train", "vae-digits-8", "epochs=1", "--device", "cpu")
        assert (Path(expected) / "model" / "config.json").exists()


def test_a_dry_run_says_what_it_would_do_and_does_nothing(run):
    out = run("train", "vae-digits-8", "model.latent_dim=3", "--dry-run")
    assert "latent_dim = 3" in out
    assert "Would train" in out
    assert "on 1,497 images of digits" in out
    assert list(Path().iterdir()) == []


def test_encode_writes_a_row_for_every_image(run):
    levels = np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8)
    Image.fromarray(levels[0]).save("one.png")
    np.save("many.npy", levels[1:])
    run("encode", "vae-digits-8", "one.png", "many.npy", "-o", "codes.npy", "--device", "cpu")
    codes = np.load("codes.npy")
    assert codes.shape == (3, 8)
    assert codes.dtype == np.float32
    import torch

    x = torch.from_numpy(levels[:, None].astype(np.float32) / 255)
    with torch.no_grad():
        expected = zoo.load("vae-digits-8").encode(x).numpy()
    np.testing.assert_allclose(codes, expected, rtol=1e-5, atol=1e-5)


def test_export_writes_a_folder_of_each_kind(run):
    pytest.importorskip("onnxruntime")
    out = run("export", "vae-digits-8", "--onnx", "graphs", "--torch-export", "programs")
    for file in ("graphs/decoder.onnx", "programs/encoder.pt2"):
        assert Path(file).exists()
        assert re.search(
            rf"^{file}  differs by \S+ at most, on 64 test images of digits$", out, re.M
        )


def test_bench_prints_measured_beside_published(run):
    out = run("bench", "vae-digits-8", "--json", "bench.json", "--device", "cpu")
    assert "dequantized protocol" in out
    entry = json.loads(Path("bench.json").read_text())[0]
    assert entry["measured"]["neg_elbo"] == pytest.approx(entry["published"]["neg_elbo"], abs=0.01)


@pytest.fixture
def no_data(monkeypatch) -> None:
    """No datasets on the disk, and no network: a proxy that refuses."""
    monkeypatch.setenv("ZOO_DATA", str(Path("empty").absolute()))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr("urllib.request._opener", None)  # which keeps the proxies it first saw


@pytest.mark.usefixtures("no_data")
def test_bench_names_what_it_cannot_measure(run):
    out = run("bench", "vae-mnist-20", "vae-digits-8")
    assert "vae-mnist-20: not measured" in out
    assert "dequantized protocol" in out


@pytest.mark.usefixtures("no_data")
@pytest.mark.parametrize(
    "changes", [{"epochs": 1}, pytest.param({}, marks=pytest.mark.slow)], ids=["short", "whole"]
)
def test_the_demo_works_without_a_network(run, monkeypatch, changes):
    train = functools.partial(training.train, overrides=changes)
    monkeypatch.setattr(training, "train", train)
    out = run("demo")
    assert "1. Load a published model" in out
    assert "trained in" in out
    assert "vae-digits-8" in out.partition("3. Measure")[2]
    assert "set ZOO_DATA to a folder that has MNIST/raw/" in out
    assert out.endswith("zoo page vae-mnist-20 --open\n")  # no question where nobody answers
    assert Path("demo/samples.png").exists()


def test_every_verb_has_help(run):
    overview = run("--help")
    for verb in [
        "list",
        "show",
        "demo",
        "encode",
        "draw",
        "train",
        "eval",
        "bench",
        "verify",
        "export",
        "page",
        "gallery",
        "card",
    ]:
        assert f"\n  {verb}" in overview
        assert "Usage: zoo" in run(verb, "--help")


def test_show_describes_settings_of_any_shape():
    class Plain(BaseModel):
        """Just settings."""

        size: int = 3

    class Outer(BaseModel):
        one: Plain = Plain()
        maybe: Plain | None = None
        several: tuple[Plain, ...] = ()
        counts: dict[str, int] = {}

    found = {entry["name"].strip(): entry["meaning"] for entry in describe(Outer)}
    assert {"one", "maybe", "several", "counts", "size"} <= found.keys()
    assert found["a Plain"] == "Just settings."
