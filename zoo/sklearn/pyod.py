"""An anomaly detector with PyOD's interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from zoo.detection.scores.base import Score
from zoo.models import Autoencoder
from zoo.sklearn.detector import Detector
from zoo.training.recipe import Recipe


class PyODDetector(BaseEstimator):
    """A `Detector` with PyOD's names and signs: scores are higher for anomalies, labels are 0 and 1.

    Args:
        model: as for `Detector`.
        contamination: share of anomalies in the training data.
        anomaly_score: as for `Detector`, as are the others.
        settings: settings of the recipe to change.
        device: where to train and score.
        random_state: seed of the training.
        verbose: whether to show training progress.

    Attributes:
        decision_scores_: scores of the training examples, `(N,)`.
        threshold_: the lowest score of an anomaly.
        labels_: 1 for the anomalies among the training examples, else 0, `(N,)`.
        detector_: the fitted `Detector`.
    """

    def __init__(
        self,
        model: str | Path | Recipe | Mapping[str, Any] | Autoencoder = "vae",
        contamination: float = 0.1,
        *,
        anomaly_score: str | Mapping[str, Any] | Score = "default",
        settings: Mapping[str, Any] | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = 0,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.contamination = contamination
        self.anomaly_score = anomaly_score
        self.settings = settings
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803  # its name in PyOD
        """As `Detector.fit`."""
        self.detector_ = Detector(**self.get_params(deep=False)).fit(X)
        self.threshold_ = self.detector_.threshold_
        self.decision_scores_ = self.decision_function(X)
        self.labels_ = self._labels(self.decision_scores_)
        return self

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """The score of each example, `(N,)`: higher is more anomalous."""
        check_is_fitted(self, "detector_")
        return self.detector_.scores(X).values

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """1 for anomalies, else 0, `(N,)`."""
        return self._labels(self.decision_function(X))

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Columns for normal and anomalous, `(N, 2)`: the score, scaled to [0, 1] by the training scores.

        This is PyOD's `method="linear"`. It is no probability; `Detector.p_values` are.
        """
        found, known = self.decision_function(X), self.decision_scores_
        spread = float(known.max() - known.min()) or 1.0
        anomalous = np.clip((found - known.min()) / spread, 0, 1)
        return np.stack([1 - anomalous, anomalous], 1)

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:  # noqa: N803
        """`fit(X).labels_`."""
        return self.fit(X).labels_

    def _labels(self, scores: np.ndarray) -> np.ndarray:
        return (scores >= self.threshold_).astype(int)
