"""A recipe trained with several seeds, each measured on the test split; nothing is chosen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from zoo.cards.record import environment
from zoo.data import AnyExamples
from zoo.errors import TrainingError
from zoo.evaluation.evaluate import evaluate_model, protocols_of
from zoo.evaluation.examples import examples_for
from zoo.models import Autoencoder
from zoo.runtime.devices import find_device
from zoo.specs.record import SeedRun, SeedRuns, spreads_of
from zoo.training.folder import RunFolder
from zoo.training.recipe import Recipe, load_recipe
from zoo.training.run import train


def train_with_seeds(
    name: str,
    count: int,
    folder: Path,
    *,
    nll_samples: int = 0,
    limit: int | None = None,
    device: str = "auto",
    say: Callable[[str], None],
) -> SeedRuns:
    """Trains a recipe with its own seed, the next one, and so on; measures each on the test split.

    Args:
        name: of a published recipe, or a TOML file.
        count: of seeds, 2 or more.
        folder: holds the runs; what was trained there is not trained again, what was stopped goes on.
        nll_samples: K of the importance-weighted bound; 0 leaves it out.
        limit: measure on the first so many images only.
        device: where it computes.
        say: called with a line before each training, and with how long the rest takes.

    Raises:
        RecipeError: for a recipe with mistakes, or a folder that holds a run of another one.
        TrainingError: for a run that was interrupted.
        DataError, OfflineError: for data that are missing or damaged.
    """
    recipe = load_recipe(name)
    where = find_device(device)
    title = recipe.name or Path(name).name.removesuffix(".toml")
    first = recipe.training.seed
    images: AnyExamples | None = None
    runs = []
    for place in range(count):
        seed = first + place
        say(f"{title}, seed {seed}: {place + 1} of {count} ...")
        began = time.monotonic()
        target = folder / f"{title}-seed-{seed}"
        model = _trained(recipe.with_overrides({"seed": seed} if place else {}), target, device)
        images = images or examples_for(model, recipe.data.dataset, "test")
        measured = tuple(
            evaluate_model(
                model,
                images,
                protocol=protocol,
                nll_samples=nll_samples,
                limit=limit,
                device=where,
            )
            for protocol in protocols_of(model, recipe.data.protocol)
        )
        assert model.info is not None
        runs.append(SeedRun(seed=seed, weights_sha256=model.info.sha256, measured=measured))
        took = time.monotonic() - began
        if place + 1 < count:
            say(
                f"It took {_duration(took)}; the rest takes about {_duration(took * (count - 1 - place))}."
            )
    return SeedRuns(
        recipe=title,
        recipe_toml=recipe.to_toml(),
        environment=environment(),
        runs=tuple(runs),
        seeds=spreads_of(tuple(runs)),
    )


def _trained(recipe: Recipe, target: Path, device: str) -> Autoencoder:
    """The model of a run that is finished in a folder, or is now."""
    run = train(recipe, out=target, device=device, resume=RunFolder(target).recipe.exists())
    if run.interrupted:
        raise TrainingError(
            f"Interrupted with seed {recipe.training.seed}: nothing was measured. With --runs FOLDER "
            "what is trained is kept, and the same command goes on."
        )
    return run.model


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
