"""`evaluate_detection`: how well a score tells one dataset from another."""

from __future__ import annotations

import torch
from pydantic import Field

from zoo.data import AnyExamples
from zoo.detection.detector import AnomalyDetector
from zoo.detection.ranking import separation
from zoo.errors import InputError
from zoo.io.digests import identity_of
from zoo.likelihoods.fitting import likelihood_of
from zoo.specs.validation import Strict


class Detection(Strict):
    """Separation of anomalies from normal examples by one score; anomalies are positive."""

    normal: str
    """Dataset and split of the normal examples."""
    anomalous: str
    """Dataset and split of the anomalies, which are positive."""
    score: dict[str, object]
    """The score's settings."""
    likelihood: str = ""
    """The model's likelihood."""
    n_normal: int
    n_anomalous: int
    normal_sha256: str
    anomalous_sha256: str
    auroc: float
    auroc_se: float
    aupr: float
    aupr_se: float
    fpr95: float = Field(description="share of normal examples above 95 % of the anomalies")
    fpr95_se: float

    @property
    def identity(self) -> str:
        """Eight hex digits of what comparable results share: score, likelihood, both sets, which one is positive."""
        shared = ("score", "likelihood", "normal_sha256", "anomalous_sha256")
        return identity_of({name: getattr(self, name) for name in shared})


def evaluate_detection(
    detector: AnomalyDetector,
    normal: AnyExamples,
    anomalous: AnyExamples,
    *,
    both: bool = False,
    device: torch.device | None = None,
) -> list[Detection]:
    """Measures a detector's score on normal examples and anomalies.

    Args:
        detector: the detector; it need not be calibrated.
        normal: normal examples, which the model was not trained on.
        anomalous: anomalies.
        both: also measure with the normal examples as positive, by the negated score.
        device: where to compute; None is the model's.

    Raises InputError for a set of fewer than 2 examples; otherwise as `score_examples`.
    """
    if min(len(normal), len(anomalous)) < 2:
        raise InputError("Standard errors need at least 2 examples of each set.")
    low, high = (detector.score_examples(one, device=device).values for one in (normal, anomalous))
    likelihood = likelihood_of(detector.model.spec)

    def found(negative: AnyExamples, positive: AnyExamples, numbers: dict[str, float]) -> Detection:
        return Detection(
            normal=f"{negative.dataset} ({negative.split})",
            anomalous=f"{positive.dataset} ({positive.split})",
            score=detector.score.model_dump(mode="json"),
            likelihood=likelihood.name() if likelihood else "",
            n_normal=len(negative),
            n_anomalous=len(positive),
            normal_sha256=negative.sha256 or "",
            anomalous_sha256=positive.sha256 or "",
            **numbers,
        )

    results = [found(normal, anomalous, separation(low, high))]
    return [*results, found(anomalous, normal, separation(-high, -low))] if both else results
