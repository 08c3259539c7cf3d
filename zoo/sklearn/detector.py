"""Anomaly detectors with scikit-learn's interface, and with PyOD's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from zoo.api.models import load
from zoo.data import Examples, StreamedExamples, load_examples
from zoo.data.tables import Table
from zoo.detection import detector as core
from zoo.detection import fit as fitting
from zoo.detection.calibration import Method
from zoo.detection.defaults import default_recipe, default_score
from zoo.detection.detector import AnomalyDetector
from zoo.detection.score import Scores, parse_score
from zoo.detection.scores.base import Score
from zoo.errors import InputError
from zoo.evaluation.examples import examples_for
from zoo.hub.find import find
from zoo.models import Autoencoder
from zoo.registry import families
from zoo.runtime.devices import find_device
from zoo.sklearn.inputs import check_name, images_or_series, is_named, transform_of
from zoo.training.recipe import Recipe, load_recipe

log = logging.getLogger("zoo")

DEFAULT_RATE = 0.05
Missing = Literal["refused", "marginal"]
CHECKED: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
"""What rows with missing values may be."""


class Detector(OutlierMixin, BaseEstimator):
    """An anomaly detector: an autoencoder with a score and a threshold.

    `fit` trains the model, unless one is given that is trained, and sets the threshold;
    `predict` returns -1 for anomalies and +1 for normal examples.

    Args:
        model: a family (`"vae"`), a recipe (a `Recipe`, a mapping or a `.toml` file), or a trained
            model: a published name, a folder, a repo on the Hub, or an `Autoencoder`. A trained model
            is not trained again: fit calibrates it on all examples, which should be new to it.
        anomaly_score: a kind of score (`"nll"`), its settings (`{"kind": "nll", "samples": 500}`) or a
            `zoo.Score`; `"default"` depends on the model: see `zoo.detection.defaults.default_score`.
        false_alarm_rate: for training data that are normal: 20 % of fit's examples are held out, and
            an alarm means a conformal p-value of at most this rate (Bates et al. 2023). Normal
            examples then raise alarms with at most this probability, averaged over training sets.
        contamination: for training data that contain anomalies: the share of them, as in PyOD.
            With neither, `false_alarm_rate` is 0.05, or the smallest rate that the number of examples
            allows.
        settings: settings of the recipe to change, by dotted key, such as
            `{"epochs": 50, "model.latent_dim": 8}`.
        kinds: "real", "binary" or "categorical" by name, for columns of a data frame whose kind is not
            to be found from its values.
        missing: "marginal" scores the values that a row has; NaN is refused otherwise.
        device: where to train and score; `"auto"` is a GPU if available.
        random_state: seed of the training and of the split. With the same data, seed, threads and
            device, scores are bitwise identical.
        verbose: whether to show training progress.

    Attributes:
        detector_: the fitted `zoo.detection.detector.AnomalyDetector`, with its model.
        threshold_: the lowest score, higher is more anomalous, that raises an alarm.
        offset_: `-threshold_`, as in scikit-learn.

    X are rows `(N, D)`, in any units: the model standardizes them; data frames, or the path of a .csv
    or .parquet file, whose columns are found by name; series `(N, C, L)`, floats; images `(N, C, H, W)`,
    uint8 or floats in [0, 1], or gray `(N, H, W)` uint8; a list of image files; another dataset as for
    `zoo.score`, of whose named parts fit takes train and the other methods test; or `zoo.data.Examples`.
    """

    def __init__(
        self,
        model: str | Path | Recipe | Mapping[str, Any] | Autoencoder = "vae",
        *,
        anomaly_score: str | Mapping[str, Any] | Score = "default",
        false_alarm_rate: float | None = None,
        contamination: float | None = None,
        settings: Mapping[str, Any] | None = None,
        kinds: Mapping[str, str] | None = None,
        missing: Missing = "refused",
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = 0,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.anomaly_score = anomaly_score
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.settings = settings
        self.kinds = kinds
        self.missing: Missing = missing
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803  # its name in scikit-learn
        """Trains the model on normal examples, or mostly normal ones, and sets the threshold.

        Raises:
            InputError: for both rates, too few examples for the rate, and a score that the model does
                not support. It is a ValueError.
            RecipeError, UnknownNameError, WeightsError: as `zoo.train` and `zoo.load`.
        """
        method, rate = self._rate()
        if is_named(X):
            how = {"transform": transform_of(self.settings), "default": "train"}
            X = load_examples(X, None, **how)  # noqa: N806
        if isinstance(X, Examples | StreamedExamples) and X.split == "test":
            raise InputError(
                f"These are the test split of {X.dataset}: fit on other examples, so that the test "
                "split can tell how well the detector works."
            )
        self._table = self._table_of(X)
        examples = self._examples(X, is_fit=True)
        device, seed = find_device(self.device), self._seed()
        trained, recipe = self._model(examples, seed)
        if method == "conformal" and self.false_alarm_rate is None:
            held = len(examples) if trained else round(fitting.HELD_OUT * len(examples))
            rate = max(rate, 1 / (max(1, held) + 1))
            if rate > DEFAULT_RATE:
                log.warning(
                    "%d held-out %s allow a false-alarm rate of %.3g, not %g: more examples allow a lower one.",
                    *(held, examples.domain.nouns, rate, DEFAULT_RATE),
                )
        if trained is not None:
            score = self._score(trained)
            self.detector_ = fitting.calibrate(
                trained,
                score,
                examples,
                method=method,
                rate=rate,
                reference=examples,
                table=self._table,
                device=device,
            )
        else:
            assert recipe is not None
            skeleton = families.get(recipe.family).skeleton(recipe.spec)
            self.detector_ = fitting.train_detector(
                recipe,
                examples,
                self._score(skeleton),
                method=method,
                rate=rate,
                table=self._table,
                device=device,
                verbose=self.verbose,
            )
        return self._fitted(self.detector_)

    def score_samples(self, X: Any) -> np.ndarray:  # noqa: N803
        """Minus the anomaly score of each example, `(N,)`: lower is more abnormal."""
        return -self.scores(X).values

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """`score_samples(X) - offset_`, `(N,)`: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """-1 for anomalies and +1 for normal examples, `(N,)`."""
        alarms = self.scores(X).alarms
        assert alarms is not None
        return np.where(alarms, -1, 1)

    def p_values(self, X: Any) -> np.ndarray:  # noqa: N803
        """Conformal p-values `(N,)`; without held-out examples, the tail shares of the training scores."""
        found = self.scores(X).p_values
        assert found is not None
        return found

    def scores(self, X: Any, *, maps: bool = False) -> Scores:  # noqa: N803
        """Anomaly scores with keys and p-values, and maps if asked for; higher is more anomalous."""
        check_is_fitted(self, "detector_")
        found = examples_for(self.detector_.model, X, None) if is_named(X) else self._examples(X)
        return self.detector_.score_examples(found, device=find_device(self.device), maps=maps)

    def save(self, folder: str | Path) -> None:
        """Writes the model's folder with detector.json: `zoo.load_detector` reads it, `zoo.push` publishes it."""
        check_is_fitted(self, "detector_")
        self.detector_.save(folder)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = False
        return tags

    def _fitted(self, detector: AnomalyDetector) -> Self:
        assert detector.calibration is not None
        self.detector_, self._table = detector, detector.table
        self.threshold_ = detector.calibration.threshold
        self.offset_ = -self.threshold_
        if detector.model.spec.domain.kind == "vector":
            self.n_features_in_ = detector.model.spec.input_size
        return self

    def _rate(self) -> tuple[Method, float]:
        if self.false_alarm_rate is not None and self.contamination is not None:
            raise InputError(
                "Give false_alarm_rate, for normal training data, or contamination, for training data "
                "with anomalies; not both."
            )
        if self.contamination is not None:
            if not (isinstance(self.contamination, Real) and 0 < self.contamination <= 0.5):
                raise InputError(f"contamination must be in (0, 0.5]; got {self.contamination!r}.")
            return "contamination", float(self.contamination)
        rate = DEFAULT_RATE if self.false_alarm_rate is None else self.false_alarm_rate
        if not (isinstance(rate, Real) and 0 < rate < 1):
            raise InputError(f"false_alarm_rate must be in (0, 1); got {rate!r}.")
        return "conformal", float(rate)

    def _seed(self) -> int:
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31 - 1))
        return 0 if self.random_state is None else int(self.random_state)

    def _model(self, examples: Examples, seed: int) -> tuple[Autoencoder | None, Recipe | None]:
        """A trained model, or the recipe to train."""
        given, settings = self.model, dict(self.settings or {})
        if isinstance(given, Autoencoder):
            return self._trained(given), None
        if isinstance(given, str) and given in families.list_families():
            count = len(examples)
            if self._table is not None:
                likelihood = {"kind": "columns", "columns": self._table.columns_setting}
                settings = {"model.likelihood": likelihood | {"missing": self.missing}, **settings}
            return None, default_recipe(given, examples.shape, count, seed, settings)
        if isinstance(given, str):
            check_name(given)
        if not isinstance(given, str | Path) or str(given).endswith(".toml"):
            recipe = load_recipe(given, settings)
            return None, recipe.with_overrides({"data.fit": "train", "seed": seed})
        return self._trained(load(given)), None

    def _trained(self, model: Autoencoder) -> Autoencoder:
        if self.settings:
            raise InputError("settings change a recipe; the given model is already trained.")
        return model

    def _score(self, model: Autoencoder) -> Score:
        return (
            default_score(model)
            if self.anomaly_score == "default"
            else parse_score(self.anomaly_score)
        )

    def _table_of(self, X: Any) -> Table | None:  # noqa: N803
        """The columns of a data frame or of a table's file; of an array only if values may be missing."""
        if hasattr(X, "columns") or isinstance(X, str | Path):
            return Table.of(X, self.kinds, missing=self.missing)
        if self.kinds:
            raise InputError("kinds are of the columns of a data frame or a table's file.")
        if self.missing == "refused":
            return None
        if getattr(X, "ndim", 2) > 2 or (isinstance(X, Examples) and not X.domain.kind == "vector"):
            raise InputError("missing='marginal' is for rows: tables and arrays (N, D).")
        given: Any = X.values.numpy() if isinstance(X, Examples) else X
        rows = np.asarray(check_array(given, **CHECKED))
        kinds = {str(number): "real" for number in range(rows.shape[1])}
        return Table.of(rows, kinds, missing=self.missing)

    def _rows(self, X: Any, is_fit: bool) -> Examples:  # noqa: N803
        assert self._table is not None
        rows = core.rows_of(self._table, X)
        if is_fit:
            self.n_features_in_ = rows.shape[0]
            self.feature_names_in_ = np.array(self._table.names, dtype=object)
        return rows

    def _examples(self, X: Any, is_fit: bool = False) -> Examples:  # noqa: N803
        """X as examples: uint8 images, or float64 rows or series."""
        if isinstance(X, StreamedExamples):
            raise InputError(
                f"{X.dataset} is too large to be held in memory, as a detector's examples are: raise "
                "ZOO_IN_MEMORY, or give a part of it."
            )
        if isinstance(X, Examples):
            return X
        if self._table is not None:
            return self._rows(X, is_fit)
        if getattr(X, "ndim", 2) > 2:
            return Examples("X", "all", images_or_series(X))
        try:
            rows = validate_data(self, X, reset=is_fit, dtype=[np.float64, np.float32])
        except ValueError as problem:
            if "NaN" not in str(problem):
                raise
            raise InputError(
                "X holds NaN. missing='marginal' scores the values that a row has; or drop such rows, or impute."
            ) from None
        return Examples("X", "all", torch.tensor(rows, dtype=torch.float64))


def load_detector(
    source: str | Path,
    *,
    device: str = "cpu",
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Detector:
    """A fitted `Detector` from a folder, a published name or a repo on the Hub; arguments as `zoo.load`.

    Raises WeightsError for a model without a detector, MismatchError for a detector of other weights;
    otherwise as `zoo.load`.
    """
    from zoo.folder import layout

    wanted = (layout.CONFIG, layout.WEIGHTS, layout.DETECTOR)
    found = core.load_detector(
        find(source, wanted, revision=revision, token=token, offline=offline)
    )
    assert found.calibration is not None
    rate, is_conformal = found.calibration.rate, found.calibration.method == "conformal"
    detector = Detector(
        found.model,
        anomaly_score=found.score,
        false_alarm_rate=rate if is_conformal else None,
        contamination=None if is_conformal else rate,
        device=device,
    )
    return detector._fitted(found)
