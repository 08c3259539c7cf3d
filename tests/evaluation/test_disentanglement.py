"""Models scored against factors: which numbers come out, what is refused, and what others make of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import zoo
from zoo.bench.entries import Entry
from zoo.cards.card import render_card
from zoo.cards.record import record_of, record_text
from zoo.cli.bench import print_results
from zoo.cli.eval import evaluate as eval_verb
from zoo.data.examples import Examples
from zoo.data.factors import Factors
from zoo.datasets import sprite_images as sprites
from zoo.errors import DataError, InputError
from zoo.evaluation import disentanglement
from zoo.evaluation.evaluate import evaluate_model
from zoo.folder import layout
from zoo.folder.config import read_info
from zoo.specs.metrics import OF_FACTORS
from zoo.specs.record import Measured

COUNT = 300


@pytest.fixture
def model():
    return vae()


@pytest.fixture
def table(tmp_path):
    """A file of two factors for the 300 test images of digits."""
    path = tmp_path / "factors.csv"
    write(path, np.stack([np.arange(COUNT) % 2, np.arange(COUNT) % 5], axis=1))
    return path


def vae(latent_dim=3, family="vae"):
    body = {"kind": "mlp", "hidden": [16]}
    return zoo.build(family, seed=0, input_shape=(1, 8, 8), latent_dim=latent_dim, body=body).eval()


def write(path, values):
    lines = ["left,right", *(",".join(map(str, row)) for row in values)]
    path.write_text("\n".join(lines) + "\n")


def stamped():
    """Images of three factors, each of which is the brightness of rows of its own."""
    values = np.stack(np.unravel_index(np.arange(4 * 5 * 6) % 120, (4, 5, 6)), axis=1)
    values = np.tile(values, (5, 1))
    pixels = torch.zeros(len(values), 1, 8, 8, dtype=torch.uint8)
    for row, levels in zip((0, 3, 6), values.T, strict=True):
        pixels[:, :, row : row + 2] = torch.from_numpy(levels * 40).byte()[:, None, None, None]
    images = Examples("stamped", "test", pixels)
    return images, Factors(("a", "b", "c"), values, "the stamps")


@pytest.mark.parametrize("family", ["vae", "ae"])
def test_a_model_is_scored_against_a_file(table, family):
    metrics = zoo.evaluate(vae(family=family), "digits", factors=table)
    assert all(0 <= getattr(metrics, name) <= 1 for name in OF_FACTORS)
    assert metrics.factors == ("left", "right")
    assert metrics.factors_n_examples == COUNT
    plain = zoo.evaluate(vae(family=family), "digits")
    assert metrics.without_factors() == plain
    assert plain.mig is None


def test_a_code_that_reads_the_factors_off_is_told_from_one_that_mixes_them():
    images, factors = stamped()
    model = vae(family="ae")
    reader, mixer = torch.zeros(3, 64), torch.zeros(3, 64)
    for latent, row in enumerate((0, 3, 6)):
        reader[latent, 8 * row] = 1
    mixer[:] = torch.tensor([[1.0, 1, 1], [1, -1, 1], [1, 1, -1]]) @ reader

    def scored(weight):
        model._encode = lambda x: x.flatten(1) @ weight.T
        return evaluate_model(model, images, factors=factors)

    own, mixed = scored(reader), scored(mixer)
    assert own.mig == pytest.approx(1, abs=1e-6)
    assert own.factor_vae_score == 1
    assert own.dci_disentanglement > 0.95
    assert all(
        getattr(mixed, name) < getattr(own, name)
        for name in OF_FACTORS
        if name != "dci_informativeness"
    )


def test_at_most_so_many_points_are_scored_and_the_same_ones(monkeypatch):
    images, factors = stamped()
    monkeypatch.setattr(disentanglement, "POINTS", 200)
    one, again = (evaluate_model(vae(), images, factors=factors) for _ in range(2))
    assert one == again
    assert one.factors_n_examples == 200
    assert one.n_examples == len(images)


@pytest.mark.parametrize("count", [COUNT - 1, COUNT + 1])
def test_factors_of_another_number_of_images_are_refused(model, table, count):
    write(table, [[n % 2, n % 3] for n in range(count)])
    with pytest.raises(
        DataError, match=f"has factors of {count} images; the test split of digits has 300"
    ):
        zoo.evaluate(model, "digits", factors=table)


def test_what_cannot_be_scored_is_refused(model, table):
    with pytest.raises(InputError, match="compare two latents or more; this model has 1"):
        zoo.evaluate(vae(1), "digits", factors=table)
    with pytest.raises(InputError, match=r"need 20 images at least, .* got 19"):
        zoo.evaluate(model, "digits", factors=table, limit=19)
    with pytest.raises(InputError, match="'digits' has no ground-truth factors"):
        zoo.evaluate(model, "digits", factors=True)
    write(table, [[7, n % 3] for n in range(COUNT)])
    with pytest.raises(InputError, match=r"The factor 'left' of .* is 7 in all 300 images"):
        zoo.evaluate(model, "digits", factors=table)


def test_codes_that_are_not_finite_are_refused(model, table, monkeypatch):
    monkeypatch.setattr(model, "_encode", lambda x: x.flatten(1)[:, :3] / 0 * 0)
    with pytest.raises(
        InputError, match="is nan for image '0', and not finite for 300 of 300 images"
    ):
        zoo.evaluate(model, "digits", factors=table)


def saved(model, folder, table):
    """The model's folder with numbers, scores against a file among them."""
    zoo.save(model, folder)
    record = record_of([zoo.evaluate(model, "digits", factors=table)])
    (folder / layout.METRICS).write_text(record_text(record))
    return folder


def test_a_card_shows_the_scores_and_what_they_are(model, table, tmp_path):
    card = render_card(read_info(saved(model, tmp_path / "model", table), "", None))
    assert "| `mig` |" in card
    assert "| 2 factors, 300 images |" in card
    assert "Chen et al. 2018" in card


def test_scores_against_a_file_are_not_measured_again_and_no_failure(model, table, tmp_path):
    report = zoo.verify(saved(model, tmp_path / "model", table), full=True, device="cpu")
    found = {check.what: check for check in report.checks}
    assert found["digits test, binarized"].result == "passed"
    scores = found["digits test, binarized, scores against factors"]
    assert scores.result == "not measured"
    assert "they were in a file" in scores.detail


def test_scores_that_the_dataset_can_repeat_are_measured_again(model, table, tmp_path, monkeypatch):
    folder = saved(model, tmp_path / "model", table)
    given = Factors(("left", "right"), zoo_table(table), "digits")
    monkeypatch.setattr("zoo.data.factors.factors_known", lambda dataset, split: given)
    assert zoo.verify(folder, full=True, device="cpu").passed
    record = json.loads((folder / layout.METRICS).read_text())
    record["measured"][0]["mig"] += 0.1
    (folder / layout.METRICS).write_text(json.dumps(record))
    report = zoo.verify(folder, full=True, device="cpu")
    assert "mig is" in next(c.detail for c in report.checks if c.result == "failed")


def zoo_table(path):
    return np.loadtxt(path, dtype=np.int64, delimiter=",", skiprows=1)


def test_numbers_of_an_earlier_version_load_without_scores():
    old = {
        "dataset": "digits",
        "split": "test",
        "protocol": "gray",
        "n_examples": 3,
        "dataset_sha256": "",
        "seed": 0,
    }
    assert Measured.model_validate_json(json.dumps(old)).mig is None


def test_a_bench_without_scores_has_no_column_for_them(model, table, capsys):
    for factors, shown in ((False, False), (table, True)):
        metrics = zoo.evaluate(model, "digits", factors=factors)
        print_results([Entry("m", "vae", 1, measured=metrics)])
        assert ("mig" in capsys.readouterr().out) is shown


def test_the_command_prints_them_last_and_as_json(model, table, tmp_path):
    zoo.save(model, tmp_path / "m")
    source = str(tmp_path / "m")
    ran = CliRunner().invoke(eval_verb, [source, "--dataset", "digits", "--factors", str(table)])
    lines = [line.split()[0] for line in ran.output.splitlines()[1:]]
    assert tuple(lines[-len(OF_FACTORS) :]) == OF_FACTORS
    given = [source, "--json", "--dataset", "digits", "--factors", str(table)]
    printed = json.loads(CliRunner().invoke(eval_verb, given).output)
    assert printed["factors"] == ["left", "right"]
    alone = CliRunner().invoke(eval_verb, [source, "--dataset", "digits", "--factors"])
    assert "'digits' has no ground-truth factors" in str(alone.exception)


def test_a_model_of_sprites_is_scored_against_their_factors():
    body = {"kind": "mlp", "hidden": [8]}
    model = zoo.build("vae", seed=0, input_shape=(1, 64, 64), latent_dim=2, body=body)
    metrics = zoo.evaluate(model, "sprites", split="validation", limit=500, factors=True)
    assert metrics.factors == tuple(sprites.FACTORS)
    assert metrics.factors_n_examples == 500
