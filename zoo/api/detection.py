"""The public functions that find anomalies: score, evaluate_detection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.api.models import recipe_of, trained_on
from zoo.errors import InputError
from zoo.hub.find import ONLINE, TO_MEASURE, Access, find

if TYPE_CHECKING:
    from zoo.data import AnyExamples
    from zoo.data.open import Dataset
    from zoo.data.tables import Table
    from zoo.detection.detector import AnomalyDetector
    from zoo.detection.evaluate import Detection
    from zoo.detection.score import Scores
    from zoo.detection.scores.base import Score
    from zoo.models import Autoencoder

# torch is imported by the functions that need it.


def score(
    model_or_source: Autoencoder | str | Path,
    dataset: Dataset,
    score: str | Mapping[str, Any] | Score = "default",
    *,
    split: str | None = None,
    reference: Dataset | None = None,
    maps: bool = False,
    device: str = "auto",
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Scores:
    """The anomaly score of each example: higher is more anomalous.

    Examples are scored as they are, with the same random numbers for each: no score depends on the
    other examples or on the order.

    Args:
        model_or_source: a model, or what `load` takes. The folder of a detector gives p-values, by its own
            score.
        dataset: as for `evaluate`; of a detector of a table also a data frame, a .csv or a .parquet file.
        score: a kind of score, such as `"nll"`, its settings, such as `{"kind": "nll", "samples": 500}`, or
            a `Score`; `"default"` is the detector's, else `zoo.detection.defaults.default_score`.
        split: train, validation or test; None is test, or all of a dataset without parts.
        reference: normal examples, for scores that learn from them: the training split of a dataset
            with parts; None is that of the dataset that the model's recipe names.
        maps: also return the contribution of each value of an example.
        device, revision, token, offline: as for `evaluate`.

    Raises:
        UnknownNameError, SpecError: for an unknown score or invalid settings.
        InputError: for a score that the model does not support, or that learns without a reference.
        DataError, OfflineError: as `evaluate`.
    """
    from zoo.runtime.devices import find_device

    access = Access(token, offline)
    detector, examples = detector_and_examples(
        model_or_source,
        dataset,
        score,
        split=split,
        reference=reference,
        device=device,
        revision=revision,
        access=access,
    )
    return detector.score_examples(examples, device=find_device(device), maps=maps)


def evaluate_detection(
    model_or_source: Autoencoder | str | Path,
    normal: Dataset,
    anomalous: Dataset,
    score: str | Mapping[str, Any] | Score = "default",
    *,
    split: str | None = None,
    reference: Dataset | None = None,
    limit: int | None = None,
    both: bool = False,
    device: str = "auto",
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> list[Detection]:
    """How well a score separates anomalies, which are positive, from normal examples.

    AUROC, AUPR and the FPR at 95 % TPR, each with its standard error. No threshold is fitted. Other
    arguments and errors as for `score`.

    Args:
        model_or_source: a model, a source, or a detector's folder.
        normal: normal examples that the model was not trained on.
        anomalous: anomalies.
        score: the score.
        split: part of both datasets; None is test, or all of a dataset without parts.
        reference: examples that the score learns from; None is the training split of the recipe's dataset.
        limit: use the first N examples of each only.
        both: also measure with the normal examples as positive, by the negated score.
        device, revision, token, offline: as for `score`.
    """
    from zoo.detection.evaluate import evaluate_detection as evaluate_both
    from zoo.runtime.devices import find_device

    access = Access(token, offline)
    detector, known = detector_and_examples(
        model_or_source,
        normal,
        score,
        split=split,
        reference=reference,
        device=device,
        revision=revision,
        access=access,
    )
    unknown = _examples_of(detector.model, detector.table, anomalous, split, access)
    pair = [_first(one, limit) if limit else one for one in (known, unknown)]
    return evaluate_both(detector, *pair, both=both, device=find_device(device))


def _first(examples: AnyExamples, limit: int) -> AnyExamples:
    """The first N examples, in memory."""
    from zoo.data import Examples

    keys = [examples.key(number) for number in range(min(limit, len(examples)))]
    return Examples(examples.dataset, examples.split, examples.first(limit), keys)


def detector_and_examples(
    model_or_source: Autoencoder | str | Path,
    dataset: Dataset,
    score: str | Mapping[str, Any] | Score = "default",
    *,
    split: str | None = None,
    reference: Dataset | None = None,
    device: str = "auto",
    revision: str | None = None,
    access: Access = ONLINE,
) -> tuple[AnomalyDetector, AnyExamples]:
    """The detector of a source, or a model with a score as one without calibration, and the examples."""
    from torch.nn import Module

    from zoo.detection.defaults import default_score
    from zoo.detection.detector import AnomalyDetector, has_detector, load_detector
    from zoo.detection.score import check_supported, learn, parse_score
    from zoo.folder import layout, store
    from zoo.models.contract import unwrapped
    from zoo.runtime.devices import find_device

    detector = None
    if isinstance(model_or_source, Module):
        model = unwrapped(model_or_source)
    else:
        wanted = (*TO_MEASURE, layout.DETECTOR)
        found = find(
            model_or_source,
            wanted,
            revision=revision,
            token=access.token,
            offline=access.offline,
        )
        detector = load_detector(found) if has_detector(found) else None
        model = detector.model if detector else store.load_source(found)
    table = detector.table if detector else None
    examples = _examples_of(model, table, dataset, split, access)
    if score == "default" and detector is not None:
        if reference is not None:
            raise InputError(
                "A detector's own score has learned from its training data: leave reference out, or name "
                "another score."
            )
        return detector, examples
    chosen = default_score(model) if score == "default" else parse_score(score)  # pyright: ignore[reportArgumentType]
    check_supported(chosen, model)
    normal = _reference_of(model, chosen, reference, access, table)
    learned = learn(model, chosen, normal, device=find_device(device))
    return AnomalyDetector(model, chosen, learned), examples


def _examples_of(
    model: Autoencoder,
    table: Table | None,
    dataset: Dataset,
    split: str | None,
    access: Access,
    default: str = "test",
) -> AnyExamples:
    """The examples of a dataset, or the rows of a table."""
    from zoo.detection.detector import rows_of
    from zoo.evaluation.examples import examples_for

    if table is None:
        return examples_for(model, dataset, split, recipe_of(model, access), default=default)
    if isinstance(dataset, str | Path) and Path(dataset).suffix in (".npy", ".npz"):
        rows = examples_for(model, dataset, split)
        return rows_of(table, rows.first(len(rows)), Path(dataset).name)
    return rows_of(table, dataset, Path(dataset).name if isinstance(dataset, str | Path) else "")


def _reference_of(
    model: Autoencoder,
    score: Score,
    reference: Dataset | None = None,
    access: Access = ONLINE,
    table: Table | None = None,
) -> AnyExamples | None:
    """The examples that a score learns from, if it learns: by default the model's training examples.

    None if these are not stored, or the model has no recipe.
    """
    from zoo.detection.defaults import OWN_EXAMPLES
    from zoo.evaluation.examples import examples_for

    if not score.learns:
        return None
    if reference is not None:
        return _examples_of(model, table, reference, None, access, default="train")
    recipe = recipe_of(model, access)
    dataset = trained_on(model, access)[0] if recipe else OWN_EXAMPLES
    return None if dataset == OWN_EXAMPLES else examples_for(model, dataset, "train", recipe)
