"""`train`: a recipe -> a run's folder, with the trained model in it."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo.cards.card import render_card
from zoo.cards.record import record_of
from zoo.data import AnyExamples, fingerprint, open_dataset
from zoo.data.moments import moments
from zoo.data.open import Dataset
from zoo.errors import DataError, PluginError, RecipeError, TrainingError, UnknownNameError
from zoo.evaluation.evaluate import evaluate_model, validation_loss
from zoo.evaluation.figures import draw_all
from zoo.folder import store
from zoo.io.files import write_atomically
from zoo.models import Autoencoder
from zoo.plugins.guards import cause, is_out_of_memory
from zoo.registry import families
from zoo.registry.sources import Source
from zoo.runtime import processes
from zoo.runtime.devices import bf16_cost, find_rank_device, fork_rng, name_of
from zoo.specs.metrics import Metrics
from zoo.training.checkpoint import RunProgress
from zoo.training.folder import History, RunFolder, claimed
from zoo.training.loop import Update, fit
from zoo.training.progress import progress_shown, say
from zoo.training.recipe import Recipe, load_recipe
from zoo.training.start import begin, check_kept, encoding
from zoo.training.tracking import check_tracker, tracked

log = logging.getLogger("zoo")

IMITATED = 1.5
"""bf16 does not pay where its matrix products take this many times as long as float32's."""


@dataclass(frozen=True)
class Run:
    """A finished or interrupted training."""

    model: Autoencoder
    metrics: Metrics | None
    """On the validation split where the recipe leaves one, else on the test split; None for an
    interrupted run, and for one with overrides that leaves no validation split."""
    folder: Path
    """Holds `model/`, the model's own folder, and `history.jsonl`, a line for each epoch."""
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
    """Trains a model by a recipe and saves it.

    The same recipe, seed, precision, threads and device give the same weights, bit for bit, also
    after a stop at any moment and `resume`.

    Args:
        recipe: a published recipe's name, a TOML file, a `Recipe`, or a mapping of the same shape.
        dataset: images to train on instead of those that the recipe names, such as a
            `torch.utils.data.Dataset`; the recipe's `data.dataset` is then what to call them.
        out: the run's folder, which no other process may have meanwhile; None is `runs/<name>`, by
            the recipe's name or its file's, or the next free `runs/<name>-2`, ...
        overrides: settings to change; dotted keys, a bare one is a field of [training].
        device: `"auto"` is a GPU where there is one.
        resume: continue the run in `out`, or the latest one of that name and this recipe. A finished
            one is returned as it is.
        track: `"tensorboard"`, `"wandb"` or `"trackio"`, which is told losses, learning rate and
            speed, and shown pictures after each epoch.
        on_update: called with what is shown as progress, many times an epoch.

    Raises:
        RecipeError: for a recipe with mistakes, all of them listed.
        DataError, OfflineError: for data that are missing, damaged or do not fit.
        SourceError: for a folder that is in use or not empty, or without a run to resume.
        TrainingError: when a loss is not finite, a checkpoint cannot be used, images have changed
            since the run that is resumed was started, or a tracker is not installed or does not start.
        DeviceError: for a device that is not available.
    """
    check_tracker(track)
    resolved = load_recipe(recipe, overrides)
    where = find_rank_device(device)
    name = Path(recipe).name.removesuffix(".toml") if isinstance(recipe, str | Path) else "run"
    with claimed(resolved, out, resume, name) as folder:
        if resume and processes.from_first(lambda: folder.is_finished):
            log.warning("The run in %r is finished: nothing is left to resume.", str(folder.path))
            return _as_it_ended(folder)
        return _train(resolved, dataset, folder, where, resume, track, on_update)


def _as_it_ended(folder: RunFolder) -> Run:
    """A finished run."""
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
    """Trains, from the checkpoint where there is one to resume from."""
    for said in processes.about_launcher(), about_precision(recipe, device):
        if said:
            log.warning(said)
    images = _images(recipe, dataset)
    _check_shared(images)
    data = processes.from_first(lambda: {name: fingerprint(one) for name, one in images.items()})
    model = families.get(recipe.family).build(recipe.spec, recipe.training.seed)
    began = begin(model, recipe.training)
    resumed = resume and processes.from_first(folder.checkpoint.exists)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    where = (
        name_of(device) if processes.count() == 1 else f"{processes.count()} x {name_of(device)}"
    )
    say(
        f"{'Resuming the training of' if resumed else 'Training'} "
        f"{_work(recipe, images[recipe.data.fit], trained)}, in {recipe.training.precision} on {where}."
    )
    kept = encoding(model) if recipe.training.trains == "decoder" else {}
    if model.standardization is not None and recipe.training.init == "off":
        model.standardization.set(*processes.from_first(lambda: moments(images[recipe.data.fit])))
    if recipe.training.output_bias == "training-mean":
        is_image = model.spec.domain.is_image  # of standardized values the mean is 0
        shape = model.spec.input_shape
        model.set_output_mean(images[recipe.data.fit].mean() if is_image else torch.zeros(shape))
    validate = None
    if "validation" in images:
        validate = functools.partial(
            validation_loss, images=images["validation"], protocol=recipe.data.protocol
        )
    if not resume and processes.is_first():
        write_atomically(folder.recipe, recipe.to_toml())
    fitted, held_out = images[recipe.data.fit], images.get("validation") or images["test"]
    with (
        fork_rng(device),
        tracked(track, recipe, folder.path, len(fitted), held_out, resume) as tracking,
        progress_shown(recipe) as on_progress,
    ):
        torch.manual_seed(_seed_of_process(recipe))

        def on_all(update: Update) -> None:
            on_progress(update)
            if on_update is not None:
                on_update(update)
            if tracking is not None:
                tracking.on_update(update)

        with _room_for(recipe, device):
            progress, interrupted = fit(
                model,
                fitted,
                recipe,
                device=device,
                checkpoint=folder.checkpoint,
                resume=resumed,
                validate=validate,
                on_progress=on_all,
                on_epoch=tracking and tracking.on_epoch,
                history=History(folder.history),
                data=data,
            )
    check_kept(model, kept)
    noted = {"device": name_of(device), **began}
    run = _finish(model.to("cpu"), progress, interrupted, images, recipe, folder, noted)
    if not interrupted and processes.is_first():
        folder.checkpoint.unlink(missing_ok=True)  # last: without it the run is finished
    return run


@contextmanager
def _room_for(recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Raises TrainingError where a step needs more memory than there is."""
    try:
        yield
    except (MemoryError, RuntimeError) as failure:
        if not is_out_of_memory(failure):
            raise
        size, parts = recipe.training.batch_size, recipe.training.accumulate
        less = f", or accumulate={2 * parts}, which computes the same batch in {2 * parts} parts"
        raise TrainingError(
            f"Out of memory on {name_of(device)} with batch_size = {size:,} and accumulate = {parts} "
            f"({cause(failure)}). Try a smaller batch_size"
            f"{less if recipe.training.exact_shards == 'off' else ''}."
        ) from failure


def _seed_of_process(recipe: Recipe) -> int:
    """Of torch's global generator, for families that draw by themselves: their own in every process."""
    return (recipe.training.seed * 1_000_003 + processes.index() + 1) % 2**63


def about_precision(recipe: Recipe, device: torch.device) -> str:
    """A line on a precision that this device only imitates, and what to do; or nothing."""
    cost = bf16_cost(device) if recipe.training.precision == "bf16" else 0.0
    if cost < IMITATED:
        return ""
    published = recipe.name is not None and not recipe.changed
    return (
        f"precision = 'bf16' is only imitated on this {'processor' if device.type == 'cpu' else device}: "
        f"its matrix products take {cost:.0f} times as long as in float32. The override is "
        f"precision=float32{', which gives other weights than the published ones' * published}."
    )


def plan(recipe: Recipe) -> str:
    """What a training would do, in a sentence. Reads the data; errors as `train`."""
    images = _images(recipe)[recipe.data.fit]
    images.first(1)  # does it fit? A stream has not been read
    parameters = families.get(recipe.family).parameters(recipe.spec)
    return f"Would train {_work(recipe, images, parameters)}."


def _work(recipe: Recipe, images: AnyExamples, parameters: int) -> str:
    steps = -(-len(images) // recipe.training.batch_size) * recipe.training.epochs
    return (
        f"{parameters:,} parameters on {len(images):,} {images.domain.nouns} of {images.dataset} ({images.split}) "
        f"for {steps:,} steps"
    )


def _images(recipe: Recipe, dataset: Dataset | None = None) -> dict[str, AnyExamples]:
    """The splits that the run needs: what it fits, and what it is measured on."""
    splits = (recipe.data.fit, "validation" if recipe.data.fit == "train" else "test")
    said = recipe.data
    try:
        images = open_dataset(
            said.dataset if dataset is None else dataset,
            splits,
            shape=recipe.spec.input_shape,
            transform=said.transform,
            column=said.column,
            max_damaged=said.max_damaged,
        )
    except (DataError, UnknownNameError) as missing:
        if (
            dataset is None
            and not os.path.exists(said.dataset)
            and said.dataset[:1] not in ("/", "~")
        ):
            where = f"Paths in a recipe start at the working folder, {os.getcwd()!r}."
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
    return {split: replace(part, dataset=said.dataset) for split, part in images.items()}


def _check_shared(images: dict[str, AnyExamples]) -> None:
    """Raises DataError where processes have different images, as on machines with disks of their own."""
    seen = [(split, len(one), one.key(0), one.key(len(one) - 1)) for split, one in images.items()]
    if any(other != seen for other in processes.gathered(seen)):
        raise DataError("The processes have different images: give every machine the same ones.")


def _finish(
    model: Autoencoder,
    progress: RunProgress,
    interrupted: bool,
    images: dict[str, AnyExamples],
    recipe: Recipe,
    folder: RunFolder,
    noted: dict[str, str],
) -> Run:
    """Measures, draws and saves the model; an interrupted one is saved unmeasured."""
    ended = {
        "recipe": recipe.name,
        "overrides": recipe.changed,
        "epochs": progress.epoch,
        "max_epochs": recipe.training.epochs,
        "interrupted": interrupted,
        "best_epoch": progress.best_epoch or None,
        "threads": torch.get_num_threads(),
        **noted,
    }

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

    save(None, {})  # whatever a family does when it is measured and drawn, the weights are kept
    held_out = images.get("validation") or images["test"]
    measured = None
    may_measure = (
        recipe.data.fit == "train" or not recipe.changed
    )  # else overrides could be chosen on test
    if may_measure and not interrupted:
        measured = evaluate_model(model, held_out, protocol=recipe.data.protocol)
    figures = draw_all(model, held_out.first(256)) if processes.is_first() else {}
    if model.info and not store.has_weights_of(model, model.info):
        title = families.title_of(model)
        raise PluginError(f"{title} changes its weights when it is measured or drawn.")
    save(measured, figures)
    return Run(model, measured, folder.path, interrupted)
