"""How well scores separate anomalies from normal examples: AUROC, AUPR, FPR at 95 % TPR."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

RESAMPLES = 200
TRUE_POSITIVE_RATE = 0.95


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Probability that an anomaly scores higher than a normal example; ties count half."""
    return float(roc_auc_score(labels, scores))


def aupr(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision, anomalies being positive."""
    return float(average_precision_score(labels, scores))


def fpr95(labels: np.ndarray, scores: np.ndarray) -> float:
    """Share of normal examples above the threshold at which 95 % of the anomalies are."""
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(false[np.searchsorted(true, TRUE_POSITIVE_RATE, side="left")])


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "auroc": auroc,
    "aupr": aupr,
    "fpr95": fpr95,
}


def separation(normal: np.ndarray, anomalous: np.ndarray) -> dict[str, float]:
    """Each measure and its standard error, `<name>_se`, of scores `(N,)` and `(M,)`.

    Standard errors are standard deviations over 200 bootstrap resamples of both sets, with seed 0.
    """
    labels = np.concatenate([np.zeros(len(normal), int), np.ones(len(anomalous), int)])
    scores = np.concatenate([normal, anomalous])
    found = {name: measure(labels, scores) for name, measure in MEASURES.items()}
    random = np.random.default_rng(0)
    resampled: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _ in range(RESAMPLES):
        drawn = np.concatenate(
            [random.choice(normal, len(normal)), random.choice(anomalous, len(anomalous))]
        )
        for name, measure in MEASURES.items():
            resampled[name].append(measure(labels, drawn))
    return found | {f"{name}_se": float(np.std(some, ddof=1)) for name, some in resampled.items()}
