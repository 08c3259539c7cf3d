"""`zoo.sklearn.Detector` and `PyODDetector`: scikit-learn's own checks, pipelines, PyOD's signs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from zoo.errors import InputError
from zoo.sklearn import Detector, PyODDetector

SETTINGS = {"epochs": 1, "model.body.hidden": [4], "batch_size": 64}


@pytest.fixture(scope="module", autouse=True)
def _small_batches():
    """Batches are padded, to 500 examples otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.evaluation.measure.IMAGES_AT_ONCE", 64)
        yield


@pytest.mark.slow
@parametrize_with_checks([Detector(settings=SETTINGS)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([Detector("ae", settings=SETTINGS, contamination=0.1)])
def test_scikit_learns_checks_with_contamination(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(80, 3))


@pytest.fixture(scope="module")
def detector(rows) -> Detector:
    return Detector(settings=SETTINGS).fit(rows)


@pytest.fixture(scope="module")
def of_pyod(rows) -> PyODDetector:
    return PyODDetector(contamination=0.1, settings=SETTINGS).fit(rows)


def test_signs_are_scikit_learns(detector, rows):
    assert is_outlier_detector(detector)
    raw = detector.scores(rows).values
    assert np.array_equal(detector.score_samples(rows), -raw)
    assert np.array_equal(detector.decision_function(rows), -raw - detector.offset_)
    assert detector.offset_ == -detector.threshold_
    expected = np.where(raw >= detector.threshold_, -1, 1)
    assert np.array_equal(detector.predict(rows), expected)
    assert np.array_equal(detector.predict(rows) == -1, detector.p_values(rows) <= 1 / 17)
    far = 100 * np.ones((1, 3))
    assert detector.predict(far) == [-1]
    assert detector.decision_function(far) < 0
    assert detector.p_values(far) == 1 / 17


def test_fit_predict_is_fit_and_predict(detector, rows):
    assert np.array_equal(clone(detector).fit_predict(rows), detector.predict(rows))


def test_a_clone_has_the_settings_and_not_the_fit(detector, rows):
    copy = clone(detector)
    assert copy.get_params() == detector.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(rows)
    assert copy.fit(rows).threshold_ == detector.threshold_


def test_settings_are_searched(rows):
    thresholds = {
        Detector(settings=SETTINGS).set_params(**chosen).fit(rows).threshold_
        for chosen in ParameterGrid({"anomaly_score": ["kl", "neg-elbo"], "random_state": [0, 1]})
    }
    assert len(thresholds) == 4


def test_a_pipeline_scales_and_detects(rows):
    pipeline = make_pipeline(StandardScaler(), Detector(settings=SETTINGS)).fit(rows)
    assert set(pipeline.predict(rows)) <= {-1, 1}
    expected = pipeline[-1].score_samples(pipeline[0].transform(rows))
    assert np.array_equal(pipeline.score_samples(rows), expected)
    assert np.array_equal(pipeline.decision_function(rows) < 0, pipeline.predict(rows) == -1)


def test_a_fitted_detector_is_pickled(detector, rows):
    again = pickle.loads(pickle.dumps(detector))
    assert np.array_equal(again.score_samples(rows), detector.score_samples(rows))


@pytest.mark.parametrize("state", [np.random.RandomState(5), None])
def test_random_states_are_seeds(rows, state):
    found = Detector(settings=SETTINGS, random_state=state).fit(rows)
    if state is None:
        expected = Detector(settings=SETTINGS, random_state=0)
    else:
        expected = Detector(settings=SETTINGS, random_state=np.random.RandomState(5))
    assert found.threshold_ == expected.fit(rows).threshold_


# PyOD


def test_signs_and_attributes_are_pyods(of_pyod, rows):
    assert of_pyod.decision_scores_.shape == (80,)
    assert np.array_equal(of_pyod.decision_function(rows), of_pyod.decision_scores_)
    assert of_pyod.labels_.sum() == 8
    assert set(of_pyod.labels_) == {0, 1}
    expected = of_pyod.decision_scores_ >= of_pyod.threshold_
    assert np.array_equal(of_pyod.labels_, expected)
    assert np.array_equal(of_pyod.predict(rows), of_pyod.labels_)
    assert of_pyod.predict(100 * np.ones((1, 3))) == [1]
    assert of_pyod.contamination == 0.1


def test_it_is_the_detector_with_other_signs(of_pyod, rows):
    same = Detector(contamination=0.1, settings=SETTINGS).fit(rows)
    assert np.array_equal(same.score_samples(rows), -of_pyod.decision_scores_)
    assert np.array_equal(same.predict(rows) == -1, of_pyod.labels_ == 1)
    assert same.threshold_ == of_pyod.threshold_


def test_its_probabilities_are_pyods_linear_ones(of_pyod, rows):
    known = of_pyod.decision_scores_
    found = of_pyod.predict_proba(np.concatenate([rows, 100 * np.ones((1, 3))]))
    assert found.shape == (81, 2)
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_allclose(found[:80, 1], (known - known.min()) / np.ptp(known))
    assert found[80, 1] == 1


def test_it_is_cloned_and_fitted_again(of_pyod, rows):
    copy = clone(of_pyod)
    with pytest.raises(NotFittedError):
        copy.decision_function(rows)
    assert np.array_equal(copy.fit_predict(rows), of_pyod.labels_)


def test_its_contamination_is_checked(rows):
    with pytest.raises(InputError, match=r"contamination must be in \(0, 0.5\]; got 0.7"):
        PyODDetector(contamination=0.7).fit(rows)
