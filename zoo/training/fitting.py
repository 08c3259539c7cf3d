"""`fit_recipe`: trains a recipe's new model on examples, without a run's folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from zoo.data import AnyExamples, Fingerprint
from zoo.data.moments import moments
from zoo.errors import TrainingError
from zoo.evaluation.evaluate import validation_loss
from zoo.models import Autoencoder
from zoo.plugins.guards import cause, is_out_of_memory
from zoo.runtime import processes
from zoo.runtime.devices import fork_rng, name_of
from zoo.training.checkpoint import RunProgress
from zoo.training.folder import History
from zoo.training.loop import Update, fit
from zoo.training.recipe import Recipe
from zoo.training.start import check_kept, encoding


def described(
    model: Autoencoder, recipe: Recipe, examples: AnyExamples, device: torch.device
) -> str:
    """What is trained, on what and where."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    where = (
        name_of(device) if processes.count() == 1 else f"{processes.count()} x {name_of(device)}"
    )
    return f"{work_of(recipe, examples, trained)}, in {recipe.training.precision} on {where}"


def fit_recipe(
    model: Autoencoder,
    recipe: Recipe,
    images: Mapping[str, AnyExamples],
    *,
    device: torch.device,
    checkpoint: Path,
    resume: bool = False,
    on_progress: Callable[[Update], None],
    on_epoch: Callable[[Autoencoder], None] | None = None,
    history: History | None = None,
    data: Mapping[str, Fingerprint] | None = None,
) -> tuple[RunProgress, bool]:
    """Trains a recipe's new model on its splits, in place; it ends on the CPU.

    Arguments, results and errors as of `loop.fit`.
    """
    kept = encoding(model) if recipe.training.trains == "decoder" else {}
    if model.standardization is not None and recipe.training.init == "off":
        model.standardization.set(*processes.from_first(lambda: moments(images[recipe.data.fit])))
    if recipe.training.output_bias == "training-mean":
        model.set_output_mean(model.standardized(images[recipe.data.fit].mean()[None])[0])
    validate = None
    if "validation" in images:
        validate = functools.partial(
            validation_loss,
            images=images["validation"],
            protocol=recipe.data.protocol,
            corruption=recipe.training.corruption,
        )
    with fork_rng(device), _memory_errors(recipe, device):
        torch.manual_seed(_seed_of_process(recipe))
        progress, interrupted = fit(
            model,
            images[recipe.data.fit],
            recipe,
            device=device,
            checkpoint=checkpoint,
            resume=resume,
            validate=validate,
            on_progress=on_progress,
            on_epoch=on_epoch,
            history=history,
            data=data,
        )
    check_kept(model, kept)
    model.to("cpu")
    return progress, interrupted


@contextmanager
def _memory_errors(recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Raises TrainingError when out of memory."""
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
    """Seed of torch's global generator in this process, for families that use it."""
    return (recipe.training.seed * 1_000_003 + processes.index() + 1) % 2**63


def work_of(recipe: Recipe, images: AnyExamples, parameters: int) -> str:
    steps = -(-len(images) // recipe.training.batch_size) * recipe.training.epochs
    return (
        f"{parameters:,} parameters on {len(images):,} {images.domain.nouns} of {images.dataset} ({images.split}) "
        f"for {steps:,} steps"
    )


def training_record(
    recipe: Recipe, progress: RunProgress, interrupted: bool, about: Mapping[str, str]
) -> dict[str, Any]:
    """What a model's folder records about its training.

    `about` is the device, and what the weights were initialized from.
    """
    return {
        "recipe": recipe.name,
        "overrides": recipe.changed,
        "epochs": progress.epoch,
        "max_epochs": recipe.training.epochs,
        "interrupted": interrupted,
        "best_epoch": progress.best_epoch or None,
        "threads": torch.get_num_threads(),
        **about,
    }
