"""AUROC, AUPR and FPR at 95 % TPR against their definitions; and results that compare."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.data import Examples
from zoo.detection import ranking
from zoo.detection.detector import AnomalyDetector
from zoo.detection.evaluate import Detection, evaluate_detection
from zoo.detection.ranking import aupr, auroc, fpr95, separation
from zoo.detection.score import learn
from zoo.detection.scores import KL, Latent, Reconstruction
from zoo.errors import InputError


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    """200 take a second."""
    monkeypatch.setattr(ranking, "RESAMPLES", 3)


@pytest.fixture(scope="module")
def normal() -> np.ndarray:
    return np.random.default_rng(0).normal(size=60).round(1)


@pytest.fixture(scope="module")
def anomalous() -> np.ndarray:
    return np.random.default_rng(1).normal(1.5, size=40).round(1)


@pytest.fixture(scope="module")
def both(normal, anomalous) -> tuple[np.ndarray, np.ndarray]:
    """Labels, 1 for anomalies, and scores."""
    return np.repeat([0, 1], [60, 40]), np.concatenate([normal, anomalous])


def test_auroc_is_the_share_of_pairs_in_order(both, normal, anomalous):
    apart = anomalous[:, None] - normal
    assert auroc(*both) == pytest.approx((apart > 0).mean() + 0.5 * (apart == 0).mean())


def test_aupr_is_the_precision_averaged_over_thresholds(both, normal, anomalous):
    expected, before = 0.0, 0.0
    for threshold in sorted({*both[1]}, reverse=True):
        true, false = (anomalous >= threshold).sum(), (normal >= threshold).sum()
        expected += (true / 40 - before) * true / (true + false)
        before = true / 40
    assert aupr(*both) == pytest.approx(expected)


def test_fpr95_is_the_false_share_at_the_first_threshold_that_finds_95_percent(
    both, normal, anomalous
):
    found = [t for t in sorted({*both[1]}, reverse=True) if (anomalous >= t).mean() >= 0.95]
    assert fpr95(*both) == (normal >= found[0]).mean()


def test_perfect_and_useless_scores():
    low, high = np.arange(20.0), np.arange(20.0) + 50
    found = separation(low, high)
    assert (found["auroc"], found["aupr"], found["fpr95"]) == (1, 1, 0)
    assert max(found["auroc_se"], found["aupr_se"], found["fpr95_se"]) < 1e-12
    assert separation(high, low)["auroc"] == 0
    same = separation(np.ones(20), np.ones(20))
    assert (same["auroc"], same["fpr95"]) == (0.5, 1)


def test_a_standard_error_is_near_that_of_repeated_experiments(normal, anomalous, monkeypatch):
    monkeypatch.setattr(ranking, "RESAMPLES", 100)
    monkeypatch.setattr(ranking, "MEASURES", {"auroc": auroc})
    dice = np.random.default_rng(2)
    again = [area_of(dice.normal(size=60), dice.normal(1.5, size=40)) for _ in range(100)]
    found = separation(normal, anomalous)
    assert found == separation(normal, anomalous)
    assert found["auroc_se"] == pytest.approx(np.std(again), rel=0.4)


def area_of(normal: np.ndarray, anomalous: np.ndarray) -> float:
    labels = np.repeat([0, 1], [len(normal), len(anomalous)])
    return auroc(labels, np.concatenate([normal, anomalous]))


# Of a model


@pytest.fixture(scope="module")
def sets(images) -> tuple[Examples, Examples]:
    """Noise, and images of one color."""
    noise = torch.from_numpy(images[:6])
    flat = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 1, 8, 8) * 20
    return Examples("noise", "test", noise), Examples("flat", "all", flat.contiguous())


def measured(model, score, *sets, reference=None, **more) -> list[Detection]:
    detector = AnomalyDetector(model, score, learn(model, score, reference))
    return evaluate_detection(detector, *sets, **more)


def test_a_result_says_what_was_compared(vae, sets):
    (found,) = measured(vae, Reconstruction(), *sets)
    assert (found.normal, found.anomalous) == ("noise (test)", "flat (all)")
    assert (found.n_normal, found.n_anomalous) == (6, 6)
    assert found.score == {"kind": "reconstruction", "error": "squared"}
    assert found.likelihood == "bernoulli"
    assert (found.normal_sha256, found.anomalous_sha256) == (sets[0].sha256, sets[1].sha256)
    assert Detection.model_validate_json(found.model_dump_json()) == found


def test_both_directions_are_each_others_complement(vae, sets):
    one, other = measured(vae, Reconstruction(), *sets, both=True)
    assert one.auroc + other.auroc == pytest.approx(1)
    assert (one.normal, one.anomalous) == (other.anomalous, other.normal)
    assert one.identity != other.identity


def test_results_compare_if_score_and_sets_are_the_same(vae, sets):
    def identity(score, *of, **more) -> str:
        return measured(vae, score, *of, **more)[0].identity

    assert identity(KL(), *sets) == identity(KL(), *sets)
    others = {
        identity(KL(), *sets),
        identity(Reconstruction(), *sets),
        identity(Reconstruction(error="absolute"), *sets),
        identity(KL(), *sets[::-1]),
        identity(KL(), sets[0], sets[0]),
    }
    assert len(others) == 5


def test_one_example_has_no_standard_error(vae, sets):
    one = Examples("one", "all", sets[0].values[:1])
    for given in ((one, sets[1]), (sets[0], one)):
        with pytest.raises(InputError, match="Standard errors need at least 2 examples of each"):
            measured(vae, KL(), *given)


def test_a_score_that_learns_needs_a_reference_here_too(vae, sets):
    with pytest.raises(InputError, match="'latent' learns from examples that are normal: give ref"):
        measured(vae, Latent(), *sets)
    assert measured(vae, Latent(), *sets, reference=sets[0])[0].auroc >= 0
