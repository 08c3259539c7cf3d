"""`train`: trains a recipe and saves the model in a run's folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo.cards.card import render_card
from zoo.cards.record import record_of
from zoo.data import AnyExamples, fingerprint, open_dataset
from zoo.data.open import Dataset
from zoo.data.support import check_support
from zoo.errors import DataError, PluginError, RecipeError, UnknownNameError
from zoo.evaluation.evaluate import evaluate_model
from zoo.evaluation.figures import draw_all
from zoo.folder import store
from zoo.io.files import write_atomically
from zoo.likelihoods.fitting import accepts_missing, likelihood_of
from zoo.models import Autoencoder
from zoo.registry import families
from zoo.registry.sources import Source
from zoo.runtime import processes
from zoo.runtime.devices import bf16_cost, find_rank_device, name_of
from zoo.specs.metrics import Metrics
from zoo.training.fitting import described, fit_recipe, training_record, work_of
from zoo.training.folder import History, RunFolder, claimed
from zoo.training.loop import Update
from zoo.training.progress import log_line, progress_shown
from zoo.training.recipe import Recipe, load_recipe
from zoo.training.start import begin
from zoo.training.tracking import check_tracker, tracked

log = logging.getLogger("zoo")

EMULATED = 1.5
"""Slowdown of bf16 matrix products relative to float32 from which bf16 is not worth using."""


@dataclass(frozen=True)
class Run:
    """A finished or interrupted training."""

    model: Autoencoder
    metrics: Metrics | None
    """On the validation split, or on the test split if the recipe trains on both others; None for an
    interrupted run, and for a run with overrides and no validation split."""
    folder: Path
    """Contains `model/`, the model's folder, and `history.jsonl`, one line per epoch."""
    interrupted: bool = False


def train(
    recipe: str | Path | Recipe | Mapping[str, Any],
    *,
    dataset: Dataset | None = None,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    device: str = "auto",
    resume: bool = False,
    track: str | None = None,
    on_update: Callable[[Update], None] | None = None,
) -> Run:
    """Trains a model from a recipe and saves it.

    With equal recipe, seed, precision, threads and device, weights are bitwise identical, including
    after an interruption at any point and `resume`.

    Args:
        recipe: a published recipe's name, a TOML file, a `Recipe`, or a mapping of the same structure.
        dataset: data to train on instead of the recipe's, such as a `torch.utils.data.Dataset`; the
            recipe's `data.dataset` is then only its name.
        out: the run's folder, locked during the run; None is `runs/<name>`, by the name of the recipe
            or of its file, or the next free `runs/<name>-2`, ...
        overrides: settings to change, by dotted key; a bare key is a field of [training].
        device: `"auto"` uses a GPU if available.
        resume: resume the run in `out`, or the latest run of this name and recipe. A finished run is
            returned unchanged.
        track: `"tensorboard"`, `"wandb"` or `"trackio"`: logs losses, learning rate and throughput, and
            pictures after each epoch.
        on_update: called with progress many times per epoch.

    Raises:
        RecipeError: for an invalid recipe, listing every problem.
        DataError, OfflineError: for data that are missing, damaged or do not fit.
        SourceError: for a folder that is in use or not empty, or without a run to resume.
        TrainingError: if a loss is not finite, a checkpoint cannot be used, the data of a resumed run
            have changed, or a tracker is not installed or does not start.
        DeviceError: for an unavailable device.
    """
    check_tracker(track)
    resolved = load_recipe(recipe, overrides)
    where = find_rank_device(device)
    name = Path(recipe).name.removesuffix(".toml") if isinstance(recipe, str | Path) else "run"
    with claimed(resolved, out, resume, name) as folder:
        if resume and processes.from_first(lambda: folder.is_finished):
            log.warning("The run in %r is already finished.", str(folder.path))
            return _finished(folder)
        return _train(resolved, dataset, folder, where, resume, track, on_update)


def _finished(folder: RunFolder) -> Run:
    model = store.load_source(Source(folder.model, str(folder.model)))
    record = model.info.metrics if model.info else None
    measured = record.measured if record else ()
    return Run(model, measured[0] if measured else None, folder.path)


def _train(
    recipe: Recipe,
    dataset: Dataset | None,
    folder: RunFolder,
    device: torch.device,
    resume: bool,
    track: str | None,
    on_update: Callable[[Update], None] | None,
) -> Run:
    """Trains, resuming from the checkpoint if it exists."""
    for warning in processes.about_launcher(), precision_warning(recipe, device):
        if warning:
            log.warning(warning)
    images = _images(recipe, dataset)
    _check_shared(images)
    for part in images.values():
        check_support(part, likelihood_of(recipe.spec))
    data = processes.from_first(lambda: {name: fingerprint(one) for name, one in images.items()})
    model = families.get(recipe.family).build(recipe.spec, recipe.training.seed)
    about = {"device": name_of(device), **begin(model, recipe.training)}
    resumed = resume and processes.from_first(folder.checkpoint.exists)
    verb = "Resuming the training of" if resumed else "Training"
    log_line(f"{verb} {described(model, recipe, images[recipe.data.fit], device)}.")
    if not resume and processes.is_first():
        write_atomically(folder.recipe, recipe.to_toml())
    fitted, held_out = images[recipe.data.fit], images.get("validation") or images["test"]
    with (
        tracked(track, recipe, folder.path, len(fitted), held_out, resume) as tracking,
        progress_shown(recipe) as on_progress,
    ):

        def on_all(update: Update) -> None:
            on_progress(update)
            if on_update is not None:
                on_update(update)
            if tracking is not None:
                tracking.on_update(update)

        progress, interrupted = fit_recipe(
            model,
            recipe,
            images,
            device=device,
            checkpoint=folder.checkpoint,
            resume=resumed,
            on_progress=on_all,
            on_epoch=tracking and tracking.on_epoch,
            history=History(folder.history),
            data=data,
        )
    ended = training_record(recipe, progress, interrupted, about)
    run = _finish(model, interrupted, images, recipe, folder, ended)
    if not interrupted and processes.is_first():
        folder.checkpoint.unlink(missing_ok=True)  # last: its absence marks the run as finished
    return run


def precision_warning(recipe: Recipe, device: torch.device) -> str:
    """A warning if bf16 is emulated on this device; else empty."""
    cost = bf16_cost(device) if recipe.training.precision == "bf16" else 0.0
    if cost < EMULATED:
        return ""
    published = recipe.name is not None and not recipe.changed
    return (
        f"bf16 is emulated on this {'CPU' if device.type == 'cpu' else device}: matrix products are "
        f"{cost:.0f}x slower than in float32. Override it with precision=float32"
        f"{', which changes the weights from the published ones' * published}."
    )


def plan(recipe: Recipe) -> str:
    """A sentence on what would be trained. Opens the data; raises as `train`."""
    images = _images(recipe)[recipe.data.fit]
    images.first(1)  # checks that a stream's examples fit
    parameters = families.get(recipe.family).parameters(recipe.spec)
    return f"Would train {work_of(recipe, images, parameters)}."


def _images(recipe: Recipe, dataset: Dataset | None = None) -> dict[str, AnyExamples]:
    """The splits to train on and to measure."""
    settings = recipe.data
    splits = (settings.fit, "validation" if settings.fit == "train" else "test")
    try:
        images = open_dataset(
            settings.dataset if dataset is None else dataset,
            splits,
            shape=recipe.spec.input_shape,
            transform=settings.transform,
            column=settings.column,
            max_damaged=settings.max_damaged,
            has_missing=accepts_missing(recipe.spec),
        )
    except (DataError, UnknownNameError) as missing:
        name = settings.dataset
        if dataset is None and not os.path.exists(name) and name[:1] not in ("/", "~"):
            where = f"Paths in a recipe are relative to the working directory, {os.getcwd()!r}."
            missing.args = (f"{missing} {where}",)
        raise
    shape = images[recipe.data.fit].shape
    if shape != recipe.spec.input_shape:
        raise RecipeError(
            f"model.input_shape is {recipe.spec.input_shape}; the images of {recipe.data.dataset} "
            f"are {shape}."
        )
    if dataset is None:
        return images
    return {split: replace(part, dataset=settings.dataset) for split, part in images.items()}


def _check_shared(images: dict[str, AnyExamples]) -> None:
    """Raises DataError if the processes have different data, as on machines with their own disks."""
    own = [(split, len(one), one.key(0), one.key(len(one) - 1)) for split, one in images.items()]
    if any(other != own for other in processes.gathered(own)):
        raise DataError(
            "The processes have different data: provide the same files on every machine."
        )


def _finish(
    model: Autoencoder,
    interrupted: bool,
    images: dict[str, AnyExamples],
    recipe: Recipe,
    folder: RunFolder,
    ended: dict[str, Any],
) -> Run:
    """Measures, draws and saves the model; an interrupted one is saved without metrics."""

    def save(measured: Metrics | None, figures: dict[str, bytes]) -> None:
        if not processes.is_first():
            return
        model.info = store.save_folder(
            model,
            folder.model,
            recipe=recipe.to_toml(),
            metrics=record_of([measured] if measured else [], training=ended),
            figures=figures,
            card=render_card,
        )

    save(None, {})  # first: measuring or drawing may fail
    held_out = images.get("validation") or images["test"]
    measured = None
    # overrides must not be selected on the test split
    may_measure = recipe.data.fit == "train" or not recipe.changed
    if may_measure and not interrupted:
        measured = evaluate_model(model, held_out, protocol=recipe.data.protocol)
    figures = draw_all(model, held_out.first(256)) if processes.is_first() else {}
    if model.info and not store.has_weights_of(model, model.info):
        title = families.title_of(model)
        raise PluginError(f"{title} changes its weights when it is measured or drawn.")
    save(measured, figures)
    return Run(model, measured, folder.path, interrupted)
