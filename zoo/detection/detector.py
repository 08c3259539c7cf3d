"""`AnomalyDetector`: a model, a score and a calibration; saved and loaded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from zoo.data import AnyExamples, Examples
from zoo.data.tables import Table
from zoo.detection.calibration import Calibration, Method
from zoo.detection.score import Scores, check_supported, parse_score, score_examples
from zoo.detection.scores.base import Score
from zoo.detection.scores.registry import guarded
from zoo.errors import InputError, MismatchError, WeightsError, ZooError
from zoo.evaluation.report import Check
from zoo.folder import layout, store
from zoo.io.files import read_regular
from zoo.models import Autoencoder
from zoo.plugins.guards import cause
from zoo.plugins.kinds import kind_of
from zoo.registry.sources import Source
from zoo.specs.validation import Strict, checked, listed, parse_json

FORMAT = "autoencoder-zoo-detector/1"


class Array(Strict):
    """A float64 tensor in detector.json."""

    shape: tuple[Annotated[int, Field(ge=0)], ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Array:
        """A tensor's values in row-major order."""
        return cls(shape=tuple(tensor.shape), values=tuple(tensor.double().flatten().tolist()))

    def tensor(self) -> Tensor:
        """The tensor, float64. Raises WeightsError if the values do not fill its shape."""
        flat = torch.tensor(self.values, dtype=torch.float64)
        if flat.numel() != torch.Size(self.shape).numel():
            raise WeightsError(f"{flat.numel()} values do not fill an array of {self.shape}.")
        return flat.view(self.shape)


class DetectorFile(Strict):
    """detector.json: everything about a detector except its model."""

    format: Literal["autoencoder-zoo-detector/1"] = FORMAT
    weights_sha256: str
    """The model that the detector was calibrated with."""
    score: dict[str, Any]
    learned: dict[str, Array]
    method: Method
    rate: float = Field(gt=0, lt=1)
    scores: tuple[float, ...] = Field(min_length=1)
    """Held-out scores, or those of the training examples; ascending."""
    table: Table | None = None
    """The columns of a detector of tables."""


@dataclass(frozen=True)
class AnomalyDetector:
    """A model with a score, what the score has learned, and a calibration."""

    model: Autoencoder
    score: Score
    learned: dict[str, Tensor] = field(repr=False)
    calibration: Calibration | None = None
    """None for scores without p-values and alarms."""
    table: Table | None = None
    """The columns of a detector of tables."""

    def score_examples(
        self, examples: AnyExamples, *, device: torch.device | None = None, maps: bool = False
    ) -> Scores:
        """Scores, with p-values if calibrated. Raises as `zoo.detection.score.score_examples`."""
        found = score_examples(
            self.model, self.score, examples, self.learned, device=device, maps=maps
        )
        if self.calibration is None:
            return found
        return replace(
            found,
            p_values=self.calibration.p_values(found.values),
            threshold=self.calibration.threshold,
            alarms=self.calibration.alarms(found.values),
        )

    def save(self, folder: str | Path) -> None:
        """Writes the model's folder with detector.json.

        Raises InputError for a detector.json that would be too large to load; otherwise as `zoo.save`.
        """
        target = Path(folder).expanduser()
        store.check_target(target)
        store.save(self.model, target, detector=self.text)

    def text(self, weights_sha256: str) -> str:
        """detector.json, for the weights of that sha256.

        Raises InputError if it would be too large to load.
        """
        assert self.calibration is not None
        file = DetectorFile(
            weights_sha256=weights_sha256,
            score=self.score.model_dump(mode="json"),
            learned={name: Array.of(tensor) for name, tensor in sorted(self.learned.items())},
            method=self.calibration.method,
            rate=self.calibration.rate,
            scores=tuple(self.calibration.scores.tolist()),
            table=self.table,
        )
        text = file.model_dump_json(indent=1) + "\n"
        if len(text) > layout.MAX_DETECTOR_BYTES:
            raise InputError(
                f"{layout.DETECTOR} would be {len(text):,} bytes; the limit is "
                f"{layout.MAX_DETECTOR_BYTES:,}. Choose a score that learns less, fewer latents, or fewer "
                "examples."
            )
        return text


def rows_of(table: Table, data: object, name: str = "") -> Examples:
    """A table's rows, float64, numbered from 0. Raises as `Table.encode`."""
    return Examples(name or "the table", "all", torch.from_numpy(table.encode(data)))


def has_detector(source: Source) -> bool:
    """Whether a model's folder has a detector."""
    return (source.folder / layout.DETECTOR).exists()


def load_detector(source: Source) -> AnomalyDetector:
    """The detector of a model's folder.

    Raises WeightsError for a folder without a detector or with a damaged one, MismatchError for one
    that belongs to other weights; otherwise as `zoo.load`.
    """
    path = source.folder / layout.DETECTOR
    if not has_detector(source):
        raise WeightsError(
            f"{source.origin} holds a model but no detector ({layout.DETECTOR}): fit one with "
            "zoo.sklearn.Detector or `zoo detect fit`.",
            path=str(path),
        )
    fields = parse_json(read_regular(path, layout.MAX_DETECTOR_BYTES), str(path))
    file, problems = checked(DetectorFile, fields)
    if file is None:
        raise WeightsError(listed(repr(str(path)), problems), path=str(path))
    model = store.load_source(source)
    assert model.info is not None
    if file.weights_sha256 != model.info.sha256:
        raise MismatchError(
            f"{str(path)!r} belongs to weights {file.weights_sha256[:12]}..., and the folder holds "
            f"{(model.info.sha256 or '?')[:12]}...: fit the detector again."
        )
    score = parse_score(file.score)
    check_supported(score, model)
    learned = {name: array.tensor() for name, array in file.learned.items()}
    _check_learned(model, score, learned, path)
    try:
        calibration = Calibration.of(file.method, file.rate, np.array(file.scores))
    except InputError as failure:
        raise WeightsError(f"{str(path)!r} is damaged: {failure}", path=str(path)) from None
    return AnomalyDetector(model, score, learned, calibration, file.table)


def check_detector(source: Source) -> Check:
    """Whether the detector of a model's folder can be used."""
    try:
        calibration = load_detector(source).calibration
    except ZooError as wrong:
        return Check("detector", "failed", str(wrong))
    assert calibration is not None
    detail = f"{calibration.method}, rate {calibration.rate:g}, {len(calibration.scores):,} scores"
    return Check("detector", "passed", f"{layout.DETECTOR} belongs to these weights: {detail}")


def _check_learned(
    model: Autoencoder, score: Score, learned: dict[str, Tensor], path: Path
) -> None:
    """Raises WeightsError if a score cannot be computed from what it has learned."""
    if not score.learns:
        return
    x = torch.zeros(1, *model.spec.input_shape)
    try:
        with torch.inference_mode(), guarded(score):
            score.values(model, x, learned)
    except (KeyError, RuntimeError) as failure:
        raise WeightsError(
            f"{str(path)!r} is damaged: the score {kind_of(type(score))!r} needs other arrays than it "
            f"holds ({cause(failure)}). Fit the detector again.",
            path=str(path),
        ) from failure
