"""`AnomalyDetector`: a model, a score and a calibration; fitted to data, saved, loaded."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from zoo.cards.card import render_card
from zoo.cards.record import record_of
from zoo.data import AnyExamples, Examples
from zoo.data.tables import Table
from zoo.detection.calibration import Calibration, check_enough
from zoo.detection.score import Scores, check_supported, learn, parse_score, score_examples
from zoo.detection.scores.base import Score
from zoo.detection.scores.registry import guarded
from zoo.errors import InputError, MismatchError, WeightsError
from zoo.evaluation.evaluate import check_shape
from zoo.folder import layout, store
from zoo.io.files import read_regular, write_atomically
from zoo.models import Autoencoder
from zoo.plugins.guards import cause
from zoo.plugins.kinds import kind_of
from zoo.registry import families
from zoo.registry.sources import Source
from zoo.runtime.devices import name_of
from zoo.specs.validation import Strict, checked, listed, parse_json
from zoo.training.fitting import described, fit_recipe, training_record
from zoo.training.loop import Update
from zoo.training.progress import log_line, progress_shown
from zoo.training.recipe import Recipe
from zoo.training.start import begin

FORMAT = "autoencoder-zoo-detector/1"
HELD_OUT = 0.2
"""Share of the examples that are held out for conformal calibration."""
VALIDATION = 0.1
"""Share of the examples that are held out for early stopping."""
MOST_HELD_OUT = 10_000
"""Most held-out scores that are kept."""
Method = Literal["conformal", "contamination"]


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
        if (size := len(self._text("0" * 64))) > layout.MAX_DETECTOR_BYTES:
            raise InputError(
                f"{layout.DETECTOR} would be {size:,} bytes; the limit is {layout.MAX_DETECTOR_BYTES:,}. "
                "Choose a score that learns less, fewer latents, or fewer examples."
            )
        store.save(self.model, target)
        assert self.model.info is not None
        write_atomically(target / layout.DETECTOR, self._text(self.model.info.sha256 or ""))

    def _text(self, weights_sha256: str) -> str:
        """detector.json."""
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
        return file.model_dump_json(indent=1) + "\n"


def rows_of(table: Table, data: object) -> Examples:
    """A table's rows, float64, numbered from 0. Raises as `Table.encode`."""
    return Examples("the table", "all", torch.from_numpy(table.encode(data)))


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


def calibrate(
    model: Autoencoder,
    score: Score,
    examples: AnyExamples,
    *,
    method: Method,
    rate: float,
    reference: AnyExamples | None = None,
    table: Table | None = None,
    device: torch.device | None = None,
) -> AnomalyDetector:
    """A detector from a trained model.

    Args:
        model: the model.
        score: the score.
        examples: for conformal calibration, examples that the model was not trained on; for
            contamination, the training examples.
        method: how the threshold is set: see `Calibration`.
        rate: false-alarm rate, or share of anomalies.
        reference: examples that the score learns from, if it learns: the training examples.
        table: the columns of a table.
        device: where to compute; None is the model's.

    Raises InputError for a score that the model does not support and for too few examples.
    """
    check_supported(score, model)
    learned = learn(model, score, reference, device=device)
    found = score_examples(model, score, examples, learned, device=device).values
    if method == "conformal":
        found = found[examples.order(0, 0)[:MOST_HELD_OUT].cpu().numpy()]  # a random part
    return AnomalyDetector(model, score, learned, Calibration.of(method, rate, found), table)


@dataclass(frozen=True)
class Parts:
    """The examples of a fit, split at random."""

    train: Examples
    validation: Examples
    """For early stopping; empty without it."""
    held_out: Examples
    """For calibration; the training and validation examples, if nothing is held out."""


def split(examples: Examples, method: Method, seed: int, validates: bool = True) -> Parts:
    """Splits examples at random; `validates` holds some out for early stopping.

    Raises InputError for fewer than 3.
    """
    count = len(examples)
    if count < 3:
        raise InputError(
            f"A detector needs at least 3 {examples.domain.nouns}; got {count}: n_samples = {count}."
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = max(1, round(HELD_OUT * count)) if method == "conformal" else 0
    validation = max(1, round(VALIDATION * (count - held))) if validates else 0
    numbers = order[:held], order[held : held + validation], order[held + validation :]

    def part(name: str, chosen: Tensor) -> Examples:
        keys = [examples.key(int(number)) for number in chosen]
        return Examples(examples.dataset, name, examples.values[chosen], keys)

    held_out, valid, train = (
        part(name, one)
        for name, one in zip(("held out", "validation", "train"), numbers, strict=True)
    )
    return Parts(train, valid, held_out if held else examples)


def train_detector(
    recipe: Recipe,
    examples: Examples,
    score: Score,
    *,
    method: Method,
    rate: float,
    table: Table | None = None,
    device: torch.device,
    verbose: bool = False,
) -> AnomalyDetector:
    """Trains a recipe's model on examples and calibrates a score on a held-out part of them.

    With `verbose` a line and a progress bar say what is trained. Raises as `zoo.train` and `calibrate`.
    """
    validates = recipe.training.early_stopping != "off"
    parts = split(examples, method, recipe.training.seed, validates)
    if method == "conformal":
        check_enough(rate, min(len(parts.held_out), MOST_HELD_OUT))
    model = families.get(recipe.family).build(recipe.spec, recipe.training.seed)
    check_shape(model, examples)
    check_supported(score, model)
    about = {"device": name_of(device), **begin(model, recipe.training)}
    if verbose:
        log_line(f"Training {described(model, recipe, parts.train, device)}.")
    with (
        tempfile.TemporaryDirectory(prefix="zoo-detector-") as folder,
        progress_shown(recipe) if verbose else nullcontext(_silent) as on_progress,
    ):
        progress, interrupted = fit_recipe(
            model,
            recipe,
            {"train": parts.train, **({"validation": parts.validation} if validates else {})},
            device=device,
            checkpoint=Path(folder, "checkpoint.safetensors"),
            on_progress=on_progress,
        )
        if interrupted:
            raise KeyboardInterrupt
        record = training_record(recipe, progress, interrupted, about)
        info = store.save_folder(
            model,
            Path(folder, "model"),
            recipe=recipe.to_toml(),
            metrics=record_of([], training=record),
            card=render_card,
        )
    model.info = replace(info, folder=None, origin="a detector")
    return calibrate(
        model.eval(),
        score,
        parts.held_out,
        method=method,
        rate=rate,
        reference=parts.train if method == "conformal" else examples,
        table=table,
        device=device,
    )


def _silent(update: Update) -> None:
    pass
