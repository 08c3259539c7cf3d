"""`train`: a recipe -> a run's folder with `model/`, `history.jsonl` and, until it ends, a checkpoint."""

from __future__ import annotations

import functools
import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo import processes
from zoo.data import AnyImages, open_dataset
from zoo.data.load import Dataset
from zoo.devices import bf16_cost, find_device, name_of
from zoo.errors import DataError, PluginError, RecipeError, SourceError
from zoo.evaluation.evaluate import evaluate_model, validation_loss
from zoo.evaluation.figures import draw_all
from zoo.folder import layout, store
from zoo.folder.card import render_card
from zoo.folder.config import read_text
from zoo.folder.record import record_of
from zoo.io.files import with_home, write_atomically
from zoo.models import Autoencoder
from zoo.registry import families
from zoo.specs.metrics import Metrics
from zoo.training.checkpoint import RunProgress
from zoo.training.loop import Update, fit
from zoo.training.progress import progress_shown
from zoo.training.recipe import Recipe, load_recipe
from zoo.training.start import begin, check_kept, encoding
from zoo.training.tracking import check_tracker, tracked

log = logging.getLogger("zoo")

IMITATED = 1.5
"""bf16 does not pay where its matrix products take this many times as long as float32's."""
CHECKPOINT, HISTORY, MODEL = "checkpoint.safetensors", "history.jsonl", "model"


@dataclass(frozen=True)
class Run:
    """A finished or interrupted training."""

    model: Autoencoder
    metrics: Metrics | None
    """On the validation split where the recipe leaves one, else on the test split; None for an
    interrupted run, and for one with overrides that leaves no validation split."""
    folder: Path
    """Holds `model/`, the model's own folder, and `history.jsonl`."""
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
        out: the run's folder; None is `runs/<name>`, by the recipe's name or its file's, or the next
            free `runs/<name>-2`, ...
        overrides: settings to change; dotted keys, a bare one is a field of [training].
        device: `"auto"` is a GPU where there is one.
        resume: continue the run in `out`, or the latest one of that name.
        track: `"tensorboard"`, `"wandb"` or `"trackio"`, which is told losses, learning rate and
            speed, and shown pictures after each epoch.
        on_update: called with what is shown as progress, many times an epoch.

    Raises:
        RecipeError: for a recipe with mistakes, all of them listed.
        DataError, OfflineError: for data that are missing, damaged or do not fit.
        TrainingError: when a loss is not finite, a checkpoint cannot be used, or a tracker is not
            installed or does not start.
        DeviceError: for a device that is not available.
    """
    check_tracker(track)
    resolved = load_recipe(recipe).with_overrides(overrides or {})
    where = find_device(device)
    if said := about_precision(resolved, where):
        log.warning(said)
    images = _images(resolved, dataset)
    _check_shared(images)
    name = Path(recipe).name.removesuffix(".toml") if isinstance(recipe, str | Path) else "run"
    target = processes.from_first(lambda: _target(resolved, out, resume, name))
    model = families.get(resolved.family).build(resolved.spec, resolved.training.seed)
    began = begin(model, resolved.training)
    kept = encoding(model) if resolved.training.trains == "decoder" else {}
    if resolved.training.output_bias == "training-mean":
        model.set_output_mean(images[resolved.data.fit].mean())
    validate = None
    if "validation" in images:
        validate = functools.partial(
            validation_loss, images=images["validation"], protocol=resolved.data.protocol
        )
    checkpoint = target / CHECKPOINT
    if not resume and processes.is_first():
        write_atomically(target / layout.RECIPE, resolved.to_toml())
    fitted, held_out = images[resolved.data.fit], images.get("validation") or images["test"]
    with (
        torch.random.fork_rng([where] if where.type == "cuda" else []),
        tracked(track, resolved, target, len(fitted), held_out, resume) as tracking,
        progress_shown(resolved) as on_progress,
    ):
        torch.manual_seed(_seed_of_process(resolved))

        def on_all(update: Update) -> None:
            on_progress(update)
            if on_update is not None:
                on_update(update)
            if tracking is not None:
                tracking.on_update(update)

        progress, interrupted = fit(
            model,
            fitted,
            resolved,
            device=where,
            checkpoint=checkpoint,
            resume=resume and processes.from_first(checkpoint.exists),
            validate=validate,
            on_progress=on_all,
            on_epoch=tracking and tracking.on_epoch,
        )
    check_kept(model, kept)
    noted = {"device": name_of(where), **began}
    run = _finish(model.to("cpu"), progress, interrupted, images, resolved, target, noted)
    if not interrupted and processes.is_first():
        checkpoint.unlink(missing_ok=True)
    return run


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
    steps = -(-len(images) // recipe.training.batch_size) * recipe.training.epochs
    parameters = families.get(recipe.family).parameters(recipe.spec)
    return (
        f"Would train {parameters:,} parameters on {len(images):,} images of "
        f"{images.dataset} ({images.split}) for {steps:,} steps."
    )


def next_free(folder: Path) -> Path:
    """The folder if it is not there yet, else the first free of `folder-2`, `folder-3`, ..."""
    return next(place for place in _numbered(folder) if not place.exists())


def _latest(folder: Path) -> Path:
    """The last of the folder, `folder-2`, `folder-3`, ... that is there; the folder if none is."""
    there = list(itertools.takewhile(Path.exists, _numbered(folder)))
    return there[-1] if there else folder


def _numbered(folder: Path) -> Iterator[Path]:
    yield folder
    yield from (folder.with_name(f"{folder.name}-{n}") for n in itertools.count(2))


def _target(recipe: Recipe, out: str | Path | None, resume: bool, name: str) -> Path:
    """The run's folder: new or empty, or that of a run of this very recipe to resume."""
    first = Path("runs") / name
    default = _latest(first) if resume else next_free(first)
    target = with_home(out) if out is not None else default
    if target.exists() and not target.is_dir():
        raise SourceError(f"{str(target)!r} is a file; a run needs a folder.")
    if not resume and target.is_dir() and any(target.iterdir()):
        raise SourceError(
            f"{str(target)!r} is not empty. Choose another --out, or --resume the run that is there."
        )
    if resume:
        text = read_text(target / layout.RECIPE)
        if text is None:
            raise SourceError(f"There is no run to resume in {str(target)!r}.")
        if not recipe.is_said_by(text):
            raise RecipeError(
                f"The run in {str(target)!r} has another recipe than this one; see its "
                f"{layout.RECIPE}. Resume it with the same settings, or choose another --out."
            )
        if (target / HISTORY).exists() and not (target / CHECKPOINT).exists():
            raise SourceError(f"The run in {str(target)!r} is finished: nothing is left to resume.")
    return target


def _images(recipe: Recipe, dataset: Dataset | None = None) -> dict[str, AnyImages]:
    """The splits that the run needs: what it fits, and what it is measured on."""
    splits = (recipe.data.fit, "validation" if recipe.data.fit == "train" else "test")
    said = recipe.data
    images = open_dataset(
        said.dataset if dataset is None else dataset,
        splits,
        shape=recipe.spec.image_shape,
        transform=said.transform,
        column=said.column,
        max_damaged=said.max_damaged,
    )
    shape = images[recipe.data.fit].shape
    if shape != recipe.spec.image_shape:
        raise RecipeError(
            f"model.image_shape is {recipe.spec.image_shape}; the images of {recipe.data.dataset} "
            f"are {shape}."
        )
    if dataset is None:
        return images
    return {split: replace(part, dataset=said.dataset) for split, part in images.items()}


def _check_shared(images: dict[str, AnyImages]) -> None:
    """Raises DataError where processes have different images, as on machines with disks of their own."""
    seen = [(split, len(one), one.key(0), one.key(len(one) - 1)) for split, one in images.items()]
    if any(other != seen for other in processes.gathered(seen)):
        raise DataError("The processes have different images: give every machine the same ones.")


def _finish(
    model: Autoencoder,
    progress: RunProgress,
    interrupted: bool,
    images: dict[str, AnyImages],
    recipe: Recipe,
    target: Path,
    noted: dict[str, str],
) -> Run:
    """Measures, draws and saves the model; an interrupted one is saved unmeasured."""
    ended = {
        "recipe": recipe.name,
        "changed": recipe.changed,
        "epochs": progress.epoch,
        "of_epochs": recipe.training.epochs,
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
            target / MODEL,
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
    if processes.is_first():
        history = "".join(json.dumps(record) + "\n" for record in progress.history)
        write_atomically(target / HISTORY, history)  # last: without a checkpoint it means finished
    return Run(model, measured, target, interrupted)
