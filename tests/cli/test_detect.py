"""`zoo detect`: fit and score, as a person would type it, and a person's mistakes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import zoo
from zoo.cli import main
from zoo.cli.detect import parsed_score

N = 40
QUICK = ("epochs=1", "model.body.hidden=[4]", "--device", "cpu")
IMAGES = ("epochs=1", "model.body.hidden=[2]", "--device", "cpu")


@pytest.fixture(scope="module", autouse=True)
def _small_batches():
    """Batches are padded, to 500 examples otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.evaluation.measure.IMAGES_AT_ONCE", 64)
        yield


@pytest.fixture
def does(capsys):
    """Runs a command that succeeds, and gives what it prints."""

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as end:
            main([*words])
        out, err = capsys.readouterr()
        assert (end.value.code or 0) == 0, err
        return out

    return run


@pytest.fixture(autouse=True)
def _data(tmp_path):
    """shop.csv with texts and dates, gaps.csv, rows.npy, images.npy, ./plain without a detector."""
    dice = np.random.default_rng(0)
    shop = pd.DataFrame(
        {
            "sold": dice.normal(size=N) * 100,
            "shop": dice.choice(["north", "south", "east, upper"], N),
            "day": pd.date_range("2024-01-01", periods=N, freq="D").strftime("%Y-%m-%d"),
            "open": dice.choice(["yes", "no"], N),
        }
    )
    shop.to_csv("shop.csv", index=False)
    shop.mask(dice.random(shop.shape) < 0.1).to_csv("gaps.csv", index=False)
    np.save("rows.npy", dice.normal(size=(N, 4)))
    np.save("images.npy", dice.integers(0, 256, (N, 8, 8), dtype=np.uint8))
    body = {"kind": "mlp", "hidden": [4]}
    zoo.save(zoo.build("vae", input_shape=(4,), latent_dim=2, body=body, seed=0), "plain")


def scores_in(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_with_text_and_dates_is_fitted_and_scored(does):
    out = does("detect", "fit", "shop.csv", *QUICK, "--out", "d", "--false-alarm-rate", "0.2")
    assert "Detector: ./d\n" in out
    assert "p-value at most 0.2, by 8 held-out examples" in out
    out = does("detect", "score", "./d", "shop.csv", "--top", "3", "-o", "s.csv", "--device", "cpu")
    lines = scores_in("s.csv")
    assert list(lines[0]) == ["key", "score", "p_value", "alarm"]
    assert len(lines) == N
    values = [float(line["score"]) for line in lines]
    assert values == sorted(values, reverse=True)
    assert all((float(line["p_value"]) <= 0.2) == (line["alarm"] == "1") for line in lines)
    alarms = sum(line["alarm"] == "1" for line in lines)
    assert f"{alarms} of 40 rows raise an alarm: their score is " in out
    assert f"s.csv: {N} scores" in out
    shown = [line for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert [line.split()[0] for line in shown[:3]] == [line["key"] for line in lines[:3]]
    found = zoo.score("./d", "shop.csv", device="cpu")
    assert values == sorted(found.values, reverse=True)


def test_gaps_are_refused_or_scored(does, fails):
    assert "is missing. Set missing='marginal'" in fails("detect", "fit", "gaps.csv", "--out", "d")
    does("detect", "fit", "gaps.csv", *QUICK, "--missing", "marginal", "--out", "d")
    does("detect", "score", "./d", "gaps.csv", "-o", "s.csv", "--picture", "p.png")
    assert all(np.isfinite(float(line["score"])) for line in scores_in("s.csv"))
    assert Image.open("p.png").size[0] > 10


def test_rows_of_a_npy_with_gaps_are_scored(does):
    rows = np.load("rows.npy")
    rows[::5, 2] = np.nan
    np.save("holes.npy", rows)
    does("detect", "fit", "holes.npy", *QUICK, "--missing", "marginal", "--out", "d")
    assert f"of {N} rows raise" in does("detect", "score", "./d", "holes.npy", "--device", "cpu")


def test_a_npy_of_rows_with_anomalies(does):
    words = (*QUICK, "--contamination", "0.1", "--score", "nll,samples=2", "--seed", "3")
    out = does("detect", "fit", "rows.npy", *words, "--out", "d")
    assert "the highest 10.00% of the training scores" in out
    detector = zoo.load_detector("./d")
    assert detector.detector_.score.model_dump() == {"kind": "nll", "samples": 2}
    assert "4 of 40 rows raise" in does("detect", "score", "./d", "rows.npy", "--device", "cpu")


def test_images_are_drawn_with_maps(does):
    does("detect", "fit", "images.npy", *IMAGES, "--out", "d", "--score", "reconstruction")
    does("detect", "score", "./d", "images.npy", "--picture", "p.png", "--top", "2")
    plain = ("--score", "kl", "--picture", "q.png", "--top", "2", "--device", "cpu")
    out = does("detect", "score", "./d", "images.npy", *plain)
    assert "p_value" not in out
    assert Image.open("p.png").size[1] > Image.open("q.png").size[1]  # a row more


def test_a_folder_of_images_is_fitted(does):
    Path("pictures").mkdir()
    for number, image in enumerate(np.load("images.npy")[:20]):
        Image.fromarray(image).save(f"pictures/{number:02d}.png")
    does("detect", "fit", "pictures", *IMAGES, "--out", "d", "--score", "kl")
    does("detect", "score", "./d", "pictures", "-o", "s.csv", "--device", "cpu")
    assert {line["key"] for line in scores_in("s.csv")} == {f"{n:02d}.png" for n in range(20)}


def test_a_plain_model_gives_scores_without_p_values(does):
    out = does("detect", "score", "./plain", "rows.npy", "-o", "s.csv", "--score", "neg-elbo")
    assert "p_value" not in out
    assert "alarm" not in out
    assert list(scores_in("s.csv")[0]) == ["key", "score"]
    out = does("detect", "score", "./plain", "rows.npy", "--score", "kl", "--top", "1")
    assert len([line for line in out.splitlines() if line.strip()[:1].isdigit()]) == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--false-alarm-rate", "0.1", "--contamination", "0.1"), "not both"),
        (("--contamination", "0.7"), "contamination must be in (0, 0.5]; got 0.7"),
        (("--false-alarm-rate", "0.01"), "needs at least 99 held-out examples; there are 8"),
        (("--score", "nl"), "Unknown score 'nl'. Did you mean 'nll'?"),
        (("--score", "nll,sample=5"), "sample: unknown field. Did you mean 'samples'?"),
        (("--score", "complexity"), "The score 'complexity' does not support rows"),
        (("--family", "vea"), "No family or model named 'vea'"),
        (("epoch=5",), "training.epoch: unknown field. Did you mean 'epochs'?"),
        (("--kind", "a=real"), "kinds are of the columns of a data frame or a table's file"),
        (("--seed", "-1"), "seed: input should be greater than or equal to 0"),
        (("--device", "cuda:99"), "'cuda:99' is not available"),
    ],
    ids=" ".join,
)
def test_a_mistake_of_fit_is_a_sentence(fails, words, why):
    before = sorted(path.name for path in Path().iterdir())
    assert why in fails("detect", "fit", "rows.npy", "--out", "d", *words)
    assert sorted(path.name for path in Path().iterdir()) == before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("nowhere.csv", "--out", "d"), "Cannot open 'nowhere.csv': No such file"),
        (("nowhere.npy", "--out", "d"), "'nowhere.npy' does not exist"),
        (("rows.npy", "--out", "shop.csv"), "'shop.csv' is a file, not a folder"),
        (("shop.csv", "--out", "d", "--kind", "shp=real"), "Did you mean 'shop'?"),
        (("images.npy", "--out", "d", "--missing", "marginal"), "missing='marginal' is for rows"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_data_and_folders_that_do_not_fit_are_sentences(fails, words, why):
    assert why in fails("detect", "fit", *words)


def test_images_too_many_for_memory_are_a_sentence(fails, monkeypatch):
    Path("pictures").mkdir()
    for number, image in enumerate(np.load("images.npy")[:4]):
        Image.fromarray(image).save(f"pictures/{number}.png")
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 10)
    said = fails("detect", "fit", "pictures", "--out", "d")
    assert "pictures is too large to be held in memory" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("./nowhere", "rows.npy"), "Folder 'nowhere' does not exist."),
        (("plain", "rows.npy"), "There is a folder of that name here: it is written ./plain"),
        (("./plain", "images.npy"), "the model takes 4-column rows"),
        (("./plain", "rows.npy", "--score", "zzz"), "Unknown score 'zzz'"),
        (("./plain", "rows.npy", "--score", "latent"), "learns from examples that are normal"),
        (("./plain", "rows.npy", "--score", "llr"), "needs latent groups, which VAE does not"),
        (("./plain", "rows.npy", "--split", "tset"), "Did you mean 'test'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_of_score_is_a_sentence(fails, words, why):
    assert why in fails("detect", "score", *words)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("fit", "rows.npy"), "Missing option '--out'"),
        (("fit", "shop.csv", "--out", "d", "--kind", "shop"), "--kind 'shop' is not COLUMN=KIND"),
        (("fit", "rows.npy", "epochs", "--out", "d"), "'epochs' is not KEY=VALUE"),
        (("fit", "rows.npy", "--out", "d", "--score", "nll,5"), "'5' is not KEY=VALUE"),
        (("fit", "rows.npy", "--out", "d", "--missing", "no"), "'no' is not one of"),
        (("score", "./plain"), "Missing argument 'DATA'"),
        (("score", "./plain", "rows.npy", "--top", "0"), "0 is not in the range"),
        (("scor",), "No such command 'scor'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_code_2(fails, words, why):
    assert why in fails("detect", *words, code=2)


def test_a_score_is_typed_with_its_settings():
    assert parsed_score("nll") == "nll"
    assert parsed_score("nll,samples=5") == {"kind": "nll", "samples": 5}
    expected = {"kind": "regret", "steps": 3, "learning_rate": 0.1}
    assert parsed_score("regret,steps=3,learning_rate=0.1") == expected
    assert parsed_score("reconstruction,error=nats") == {"kind": "reconstruction", "error": "nats"}


def test_a_dataset_with_parts_is_fitted_on_train_and_never_on_test(does, fails):
    does("detect", "fit", "digits", "--out", "d", *QUICK)
    calibration = zoo.load_detector("./d").detector_.calibration
    assert len(calibration.scores) == round(0.2 * 1297)
    said = fails("detect", "fit", "digits", "--split", "test", "--out", "e", *QUICK)
    assert "These are the test split of digits" in said
    assert not Path("e").exists()


def test_a_score_learns_from_the_reference_that_is_named(does, fails):
    out = does(
        "detect", "score", "./plain", "rows.npy", "--score", "distance", "--reference", "rows.npy"
    )
    assert out.count("\n") > 10
    said = fails(
        "detect", "score", "./plain", "rows.npy", "--score", "distance", "--reference", "no.npy"
    )
    assert "'no.npy' does not exist" in said
    against = ("eval", "./plain", "rows.npy", "--against", "rows.npy", "--score", "distance")
    assert "0.5" in does(*against, "--reference", "rows.npy")
    assert "go with --against" in fails(
        "eval", "./plain", "rows.npy", "--reference", "rows.npy", code=2
    )


def test_images_of_several_sizes_fit_by_the_transform_that_the_message_names(does, fails):
    Path("mixed").mkdir()
    for number, image in enumerate(np.load("images.npy")):
        Image.fromarray(image[: 8 - number % 2 * 2]).save(f"mixed/{number:02}.png")
    said = fails("detect", "fit", "mixed", "--out", "d", *QUICK)
    assert "data.transform = {resize = " in said
    how = ("data.transform.resize=6", "data.transform.crop=center")
    does("detect", "fit", "mixed", "--out", "d", *how, *QUICK)
    assert zoo.load("./d").spec.input_shape == (1, 6, 6)
    assert does("detect", "score", "./d", "mixed", "--top", "3").count(".png") == 3
    said = fails("detect", "fit", "mixed", "--out", "e", "data.transform.resize=x", *QUICK)
    assert "data.transform.resize" in said
