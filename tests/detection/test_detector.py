"""`Detector`, from its fit to another user: the same bits, and a sentence for what does not fit."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from small_models import built

import zoo
from zoo.data import Examples, load_examples
from zoo.detection import fit
from zoo.detection.defaults import default_score
from zoo.errors import DataError, InputError, MismatchError, RecipeError, WeightsError
from zoo.sklearn import Detector

N = 60
SETTINGS = {"epochs": 2, "model.body.hidden": [8]}
IMAGES = {"epochs": 1, "model.body.hidden": [2]}


@pytest.fixture(scope="module", autouse=True)
def _small_batches():
    """Batches are padded, to 500 examples otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.evaluation.measure.IMAGES_AT_ONCE", 32)
        yield


def table(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, 4)) * [1, 10, 1e3, 1] + [0, 5, -100, 0]


def people(seed: int = 0) -> pd.DataFrame:
    """Columns of every kind."""
    dice = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "income": dice.normal(size=N) * 1e4,
            "city": dice.choice(["Bern", "Oslo", "Rome"], N),
            "sex": dice.choice(["f", "m"], N),
            "joined": pd.date_range("2024-01-01", periods=N, freq="36h"),
        }
    )


def levels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (N, 8, 8), dtype=np.uint8)


def fitted(examples: object, **options) -> Detector:
    return Detector(**{"settings": SETTINGS, **options}).fit(examples)


@pytest.fixture(scope="module")
def of_table() -> Detector:
    """Of rows, with a score that learns."""
    return fitted(table(), anomaly_score="latent")


@pytest.fixture(scope="module")
def of_people() -> Detector:
    return fitted(people())


@pytest.fixture(scope="module")
def folder(of_table, tmp_path_factory) -> Path:
    """That of `of_table`."""
    path = tmp_path_factory.mktemp("detector") / "of-table"
    of_table.save(path)
    return path


# The same bits


def test_the_same_data_and_seed_give_the_same_bits_and_another_seed_others(of_table):
    x = table(1)
    again = fitted(table(), anomaly_score="latent")
    assert again.threshold_ == of_table.threshold_
    assert np.array_equal(again.score_samples(x), of_table.score_samples(x))
    assert again.detector_.model.info.sha256 == of_table.detector_.model.info.sha256
    other = fitted(table(), anomaly_score="latent", random_state=1)
    assert not np.array_equal(other.score_samples(x), of_table.score_samples(x))


@pytest.mark.parametrize(
    ("examples", "options"),
    [
        (table, {"anomaly_score": {"kind": "nll", "samples": 3}}),
        (table, {"contamination": 0.1, "anomaly_score": "typicality"}),
        (people, {}),
        (levels, {"settings": IMAGES}),
        pytest.param(
            lambda seed: levels(seed)[:, None].repeat(3, 1),
            {"settings": IMAGES},
            marks=pytest.mark.slow,
        ),
        (lambda seed: levels(seed).reshape(N, 2, 32) / 7.0, {"false_alarm_rate": 0.2}),
    ],
    ids=["nll", "contamination", "people", "gray", "rgb", "series"],
)
def test_a_saved_detector_gives_the_same_bits(examples, options, tmp_path):
    detector, x = fitted(examples(0), **options), examples(1)
    detector.save(tmp_path / "saved")
    loaded = zoo.load_detector(tmp_path / "saved")
    found, expected = loaded.scores(x), detector.scores(x)
    assert np.array_equal(found.values, expected.values)
    assert np.array_equal(found.p_values, expected.p_values)
    assert np.array_equal(found.alarms, expected.alarms)
    assert loaded.detector_.score == detector.detector_.score
    assert (loaded.threshold_, loaded.offset_) == (detector.threshold_, detector.offset_)
    by_function = zoo.score(tmp_path / "saved", x, device="cpu")
    assert np.array_equal(by_function.values, expected.values)
    assert np.array_equal(by_function.alarms, expected.alarms)
    loaded.save(tmp_path / "again")
    one, other = ((tmp_path / name / "detector.json").read_bytes() for name in ("saved", "again"))
    assert one == other


def test_its_folder_is_a_models_folder_without_a_pickle(folder, of_table):
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("config.json", "model.safetensors", "README.md", "recipe.toml", "metrics.json"),
        "detector.json",
    }
    assert json.loads((folder / "detector.json").read_text())["format"].endswith("detector/1")
    model = zoo.load(folder)
    x = torch.from_numpy(table())
    assert torch.equal(model.encode(x), of_table.detector_.model.encode(x))
    assert zoo.verify(folder).passed


def test_a_detector_of_a_trained_model_is_saved_with_it(tmp_path):
    model = built("vae", (4,))
    detector = Detector(model).fit(table())
    detector.save(tmp_path / "mine")
    loaded = zoo.load_detector(tmp_path / "mine")
    assert np.array_equal(loaded.score_samples(table(1)), detector.score_samples(table(1)))
    assert Detector(str(tmp_path / "mine")).fit(table()).threshold_ == detector.threshold_


# Calibration


def test_a_p_value_of_at_most_the_rate_is_an_alarm():
    detector = fitted(table(), false_alarm_rate=0.2)
    found = detector.scores(table(1) * 1.5)
    assert np.array_equal(found.alarms, found.p_values <= 0.2)
    assert np.array_equal(detector.predict(table(1) * 1.5) == -1, found.alarms)
    assert len(detector.detector_.calibration.scores) == N // 5


def test_contamination_is_the_share_of_the_training_examples():
    detector = fitted(table(), contamination=0.1)
    assert (detector.predict(table()) == -1).sum() == 6
    assert len(detector.detector_.calibration.scores) == N


def test_a_trained_model_is_calibrated_on_all_examples_and_not_changed():
    model = built("vae", (4,))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    detector = Detector(model, false_alarm_rate=0.1).fit(table())
    assert len(detector.detector_.calibration.scores) == N
    assert (detector.predict(table()) == -1).sum() == 5  # floor(0.1 (60 + 1)) - 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_random_part_of_very_many_examples_calibrates(monkeypatch):
    monkeypatch.setattr(fit, "MOST_HELD_OUT", 30)
    x = table()
    x = x[np.argsort(x[:, 0])]
    detector = Detector(built("vae", (4,)), anomaly_score="reconstruction").fit(x)
    kept = set(detector.detector_.calibration.scores)
    chosen = [value in kept for value in detector.scores(x).values]
    assert sum(chosen) == 30
    assert 5 < sum(chosen[:30]) < 25


def test_parts_are_a_random_partition():
    examples = Examples("mine", "all", torch.from_numpy(table()))
    parts = fit.split(examples, "conformal", 0)
    keys = [set(part.keys) for part in (parts.train, parts.validation, parts.held_out)]
    assert [len(one) for one in keys] == [43, 5, 12]
    assert set.union(*keys) == set(map(str, range(N)))
    assert fit.split(examples, "conformal", 1).held_out.keys != parts.held_out.keys
    parts = fit.split(examples, "contamination", 0)
    assert parts.held_out is examples
    assert len(parts.train) + len(parts.validation) == N


# Rates


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"false_alarm_rate": 0.1, "contamination": 0.1}, "Give false_alarm_rate, .* not both"),
        ({"contamination": 0}, r"contamination must be in \(0, 0.5\]; got 0\."),
        ({"contamination": 0.6}, r"contamination must be in \(0, 0.5\]; got 0\.6"),
        ({"contamination": float("nan")}, r"contamination must be in \(0, 0.5\]; got nan"),
        ({"false_alarm_rate": 0.0}, r"false_alarm_rate must be in \(0, 1\); got 0"),
        ({"false_alarm_rate": 1.0}, r"false_alarm_rate must be in \(0, 1\); got 1"),
        ({"false_alarm_rate": 0.01}, "needs at least 99 held-out examples; there are 12"),
        ({"anomaly_score": "ltent"}, "Did you mean 'latent'"),
        ({"anomaly_score": "llr"}, "needs latent groups, which VAE does not have"),
        ({"anomaly_score": "complexity"}, "does not support rows"),
        ({"model": "ae", "anomaly_score": "kl"}, "which AE does not have"),
        ({"model": "vea"}, "No family or model named 'vea'. Did you mean 'vae'"),
        ({"settings": {"epoch": 2}}, "epoch: unknown field. Did you mean 'epochs'"),
        ({"kinds": {"a": "real"}}, "kinds are of the columns of a data frame"),
        ({"missing": "dropped"}, "missing is 'refused' or 'marginal'; got 'dropped'"),
        ({"device": "cuda:99"}, "'cuda:99' is not available"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_an_option_that_does_not_fit_is_a_sentence(options, sentence):
    with pytest.raises(zoo.ZooError, match=sentence):
        Detector(**options).fit(table())


@pytest.mark.parametrize(
    ("examples", "sentence"),
    [
        (table()[:2], "A detector needs at least 3 rows; got 2"),
        (np.zeros((5, 8, 8), int), "Images are uint8 or floats in .*; got torch.int64"),
        (np.full((5, 1, 8, 8), 2.0), "got values from 2 to 2"),
        (np.full((5, 2, 8), np.nan), "X holds NaN or infinity"),
        (np.zeros((5, 1, 1, 8, 8)), r"at most 4 dimensions, .* got \(5, 1, 1, 8, 8\)"),
    ],
)
def test_examples_that_are_none_are_a_sentence(examples, sentence):
    with pytest.raises(InputError, match=sentence):
        Detector().fit(examples)


def test_too_few_examples_are_refused_before_the_training(monkeypatch):
    monkeypatch.setattr(fit, "fit_recipe", None)
    with pytest.raises(InputError, match="needs at least 99 held-out examples; there are 12"):
        Detector(false_alarm_rate=0.01).fit(table())


def test_few_examples_have_the_smallest_rate_that_they_allow():
    detector = Detector(built("vae", (4,))).fit(table()[:7])
    assert detector.detector_.calibration.rate == 1 / 8
    assert fitted(table()[:4], settings={"epochs": 1}).detector_.calibration.rate == 0.5


def test_a_model_of_another_shape_is_refused():
    recipe = {
        "model": {"family": "vae", "input_shape": [7], "latent_dim": 2, "body": {"kind": "mlp"}},
        "data": {"dataset": "mine", "protocol": "real"},
        "training": {"epochs": 1},
    }
    for model in (recipe, built("vae", (7,))):
        with pytest.raises(InputError, match="The model takes 7-column rows; X has 4-column rows"):
            Detector(model).fit(table())
    with pytest.raises(InputError, match="the given model is already trained"):
        Detector(built("vae", (4,)), settings={"epochs": 1}).fit(table())


def test_a_recipe_is_trained_on_the_examples():
    recipe = {
        "model": {
            "family": "vae",
            "input_shape": [4],
            "latent_dim": 2,
            "body": {"kind": "mlp", "hidden": [8]},
        },
        "data": {"dataset": "mine", "protocol": "real"},
        "training": {"epochs": 1},
    }
    detector = Detector(recipe, settings={"batch_size": 8}).fit(table())
    assert detector.detector_.model.spec.latent_dim == 2
    assert "batch_size = 8" in detector.detector_.model.info.recipe
    with pytest.raises(RecipeError, match="latent_dim"):
        Detector(recipe, settings={"model.latent_dim": 0}).fit(table())


# Damage


def test_a_detector_of_other_weights_is_refused(folder, tmp_path):
    zoo.save(built("vae", (4,)), tmp_path / "other")
    shutil.copy(folder / "detector.json", tmp_path / "other")
    for do in (zoo.load_detector, lambda source: zoo.score(source, table(), device="cpu")):
        with pytest.raises(MismatchError, match=r"belongs to weights .*: fit the detector again"):
            do(tmp_path / "other")


def test_a_folder_without_a_detector_says_how_to_fit_one(tmp_path):
    zoo.save(built("vae", (4,)), tmp_path / "plain")
    with pytest.raises(WeightsError, match=r"holds a model but no detector \(detector.json\): fit"):
        zoo.load_detector(tmp_path / "plain")
    found = zoo.score(tmp_path / "plain", table(), "neg-elbo", device="cpu")
    assert found.p_values is None
    assert found.threshold is None


def change(**fields):
    return lambda file: json.dumps({**file, **fields})


def change_mean(**fields):
    return lambda file: json.dumps(
        {**file, "learned": {**file["learned"], "mean": {**file["learned"]["mean"], **fields}}}
    )


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda file: "", "is not JSON"),
        (lambda file: json.dumps(file)[:-20], "is not JSON"),
        (lambda file: "[]", "holds a list, not an object"),
        (lambda file: "[" * 10_000, "is not JSON"),
        (change(extra=1), "extra: unknown field"),
        (change(format="autoencoder-zoo-detector/2"), "format: input should be"),
        (change(method="guessed"), "method: input should be 'conformal' or 'contamination'"),
        (change(rate=0), "rate: "),
        (change(rate=1.0), "rate: "),
        (change(rate=1e-6), "needs at least 999,999 held-out examples; there are 12"),
        (change(scores=[]), "scores: "),
        (change(scores=["a"]), "scores.0: "),
        (change(scores=[float("nan")]), "is not JSON: NaN"),
        (change(learned={}), "the score 'latent' needs other arrays than it holds .*'mean'"),
        (change_mean(shape=[3]), "2 values do not fill an array of"),
        (change_mean(shape=[-1, -2]), "learned.mean.shape.0: "),
        (change_mean(shape=[3], values=[0, 0, 0]), "needs other arrays than it holds"),
        (change(score={"kind": "latnt"}), "Unknown score 'latnt'"),
        (change(score={"kind": "complexity"}), "does not support rows"),
        (change(table={"columns": 3}), "table.columns: "),
    ],
)
def test_a_damaged_detector_is_a_sentence(folder, tmp_path, damage, sentence):
    shutil.copytree(folder, tmp_path / "damaged")
    path = tmp_path / "damaged" / "detector.json"
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(zoo.ZooError, match=sentence):
        zoo.load_detector(tmp_path / "damaged")


def test_a_detector_too_large_to_load_is_not_saved(of_table, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.folder.layout.MAX_DETECTOR_BYTES", 100)
    with pytest.raises(InputError, match=r"detector.json would be .* bytes; the limit is 100"):
        of_table.save(tmp_path / "large")
    assert not (tmp_path / "large").exists()


def test_a_file_is_never_replaced_by_a_detector(of_table, tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(zoo.ZooError, match="is a file, not a folder"):
        of_table.save(tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "mine"


# Tables


def test_columns_are_found_by_name(of_people):
    x = people(1)
    expected = of_people.score_samples(x)
    assert np.array_equal(of_people.score_samples(x[x.columns[::-1]]), expected)
    assert np.array_equal(of_people.score_samples(x[:5]), expected[:5])
    assert of_people.feature_names_in_.tolist() == list(x.columns)
    assert of_people.n_features_in_ == 4
    assert of_people.detector_.table.columns_setting == "r c3 b r"


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (lambda x: x.drop(columns="city"), "The DataFrame lacks 'city'"),
        (lambda x: x.rename(columns={"city": "citty"}), "lacks 'city'. Did you mean 'citty'"),
        (lambda x: x.assign(extra=1), "has 'extra', which the table does not. Leave them out"),
        (lambda x: x.assign(city="Lima"), "row 0 of column 'city' is 'Lima', which the table does"),
        (lambda x: x.assign(income=np.nan), "row 0 of column 'income' is missing"),
        (lambda x: x.assign(income=np.inf), "row 0 of column 'income' is inf"),
    ],
)
def test_other_columns_are_refused_by_name(of_people, other, sentence):
    with pytest.raises(DataError, match=sentence):
        of_people.predict(other(people(1)))


def test_a_file_is_read_as_the_frame_that_it_holds(of_people, tmp_path):
    people(1).to_csv("people.csv", index=False)
    expected = of_people.scores(people(1))
    assert np.array_equal(of_people.scores("people.csv").values, expected.values)
    of_people.save(tmp_path / "people")
    for name in ("people.csv", Path("people.csv")):
        found = zoo.score(tmp_path / "people", name, device="cpu")
        assert np.array_equal(found.values, expected.values)


def test_gaps_are_scored_by_what_a_row_has():
    x = people()
    holes = x.mask(np.random.default_rng(2).random(x.shape) < 0.1)
    with pytest.raises(DataError, match=r"is missing\. Set missing='marginal'"):
        fitted(holes)
    detector = fitted(holes, missing="marginal")
    found = detector.score_samples(holes)
    assert np.isfinite(found).all()
    whole = detector.score_samples(x)
    has_all = holes.notna().all(axis=1).to_numpy()
    assert np.array_equal(found[has_all], whole[has_all])
    assert not np.array_equal(found[~has_all], whole[~has_all])


def test_arrays_with_gaps_are_tables_of_numbered_columns(tmp_path):
    x = table()
    x[::7, 1] = np.nan
    detector = fitted(x, missing="marginal")
    found = detector.score_samples(x)
    assert np.isfinite(found).all()
    detector.save(tmp_path / "gaps")
    np.save("x.npy", x)
    for given in (x, "x.npy"):
        assert np.array_equal(zoo.score(tmp_path / "gaps", given, device="cpu").values, -found)
    (same,) = zoo.evaluate_detection(tmp_path / "gaps", x, "x.npy", device="cpu")
    assert same.auroc == pytest.approx(0.5)
    as_examples = fitted(Examples("x", "all", torch.from_numpy(x)), missing="marginal")
    assert np.array_equal(as_examples.score_samples(x), found)
    for other in (levels(), levels().reshape(N, 2, 32) / 7.0):
        with pytest.raises(InputError, match="missing='marginal' is for rows"):
            Detector(missing="marginal").fit(other)


def test_given_kinds_are_used(caplog):
    caplog.set_level(logging.ERROR)
    x = people().assign(code=np.arange(N) % 4)
    detector = fitted(x, kinds={"code": "categorical"})
    assert detector.detector_.table.columns_setting == "r c3 b r c4"
    assert detector.predict(x).shape == (N,)


# Scores of a detector's model


def test_another_score_than_the_detectors_has_no_p_values(folder, of_table):
    found = zoo.score(folder, table(), "kl", device="cpu")
    assert found.p_values is None
    own = zoo.score(folder, table(), device="cpu")
    assert np.array_equal(own.values, -of_table.score_samples(table()))
    assert own.alarms is not None


def test_another_score_that_learns_needs_a_reference(folder):
    with pytest.raises(InputError, match=r"'typicality' learns from examples .*: give reference="):
        zoo.score(folder, table(), "typicality", device="cpu")
    assert len(zoo.score(folder, table(), "typicality", reference=table(), device="cpu")) == N


def test_images_of_levels_and_of_floats_are_the_same():
    detector = fitted(levels(), settings=IMAGES, anomaly_score="kl")
    expected = detector.scores(levels(1)).values
    for given in (levels(1)[:, None], levels(1)[:, None] / 255, torch.from_numpy(levels(1))):
        assert np.array_equal(detector.scores(given).values, expected)


def test_maps_are_of_the_examples_shape():
    detector = fitted(levels(), settings=IMAGES)
    assert detector.scores(levels()[:3], maps=True).maps.shape == (3, 1, 8, 8)


def test_the_default_score_depends_on_the_model():
    def kinds(family: str, shape: tuple[int, ...], **fields) -> list[str]:
        score = default_score(built(family, shape, **fields))
        return [one.kind for one in getattr(score, "members", (score,))]

    assert kinds("vae", (4,)) == ["neg-elbo", "distance"]
    assert kinds("ae", (4,)) == ["reconstruction", "distance"]
    assert kinds("ae", (2, 16)) == ["reconstruction", "distance"]
    assert kinds("vae", (1, 8, 8)) == ["reconstruction", "neg-elbo", "complexity"]
    assert kinds("ae", (1, 8, 8)) == ["reconstruction", "latent"]


def test_a_detector_finds_what_is_far_from_its_data():
    """Rows on a line, and rows off it with the same columns."""
    dice = np.random.default_rng(0)
    t = dice.normal(size=(400, 1))
    x = np.concatenate([t, -t, 2 * t, t], 1) + 0.05 * dice.normal(size=(400, 4))
    off = dice.permuted(x, axis=0)[:100]
    detector = Detector(
        "ae", settings={"epochs": 40, "model.latent_dim": 1, "model.body.hidden": [16]}
    ).fit(x[:300])
    assert (detector.predict(off) == -1).mean() > 0.6
    assert (detector.predict(x[300:]) == -1).mean() < 0.2


def test_a_list_of_image_files_is_fitted_and_scored_by_name(tmp_path):
    files = []
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    detector = Detector(settings={"epochs": 1, "model.body.hidden": [2]}).fit(files)
    found = detector.scores(files[:3])
    assert found.keys == list(map(str, files[:3]))
    arrays = np.stack([np.asarray(Image.open(one)) for one in files])
    assert np.array_equal(detector.scores(arrays).values[:3], found.values)
    assert len(detector.predict(tmp_path)) == 20


def test_no_rows_gaps_and_overflow_are_sentences():
    detector = Detector(settings=SETTINGS).fit(
        pd.DataFrame(table(), columns=list("abcd")[: table().shape[1]])
    )
    frame = pd.DataFrame(table(), columns=list(detector.feature_names_in_))
    with pytest.raises(InputError, match="There are no rows to score"):
        detector.predict(frame.iloc[:0])
    frame.iloc[3, 0] = 1e300
    with pytest.raises(InputError, match=r"for row '3', and not finite for 1 of 60 rows"):
        detector.predict(frame)
    gaps = table()
    gaps[2, 1] = np.nan
    with pytest.raises(InputError, match="missing='marginal' scores the values that a row has"):
        Detector(settings=SETTINGS).fit(gaps)


def test_a_detector_is_not_fitted_on_a_test_split():
    examples = load_examples("digits", "test")
    with pytest.raises(InputError, match="These are the test split of digits"):
        Detector().fit(examples)
