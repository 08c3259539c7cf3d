"""Fitting of a detector: training, and calibration on examples that were held out."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from zoo.cards.card import render_card
from zoo.cards.record import record_of
from zoo.data import AnyExamples, Examples
from zoo.data.tables import Table
from zoo.detection.calibration import Calibration, Method, check_enough
from zoo.detection.detector import AnomalyDetector
from zoo.detection.score import check_supported, learn, score_examples
from zoo.detection.scores.base import Score
from zoo.errors import InputError
from zoo.evaluation.evaluate import check_shape
from zoo.folder import store
from zoo.models import Autoencoder
from zoo.registry import families
from zoo.runtime.devices import name_of
from zoo.training.fitting import described, fit_recipe, training_record
from zoo.training.loop import Update
from zoo.training.progress import log_line, progress_shown
from zoo.training.recipe import Recipe
from zoo.training.start import begin

HELD_OUT = 0.2
"""Share of the examples that are held out for conformal calibration."""
VALIDATION = 0.1
"""Share of the examples that are held out for early stopping."""
MOST_HELD_OUT = 10_000
"""Most held-out scores that are kept."""


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
