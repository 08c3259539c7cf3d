"""`release`: puts a trained run into a registry under its recipe's name."""

from __future__ import annotations

import math
import re
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from zoo.api.models import load
from zoo.cards.card import render_card
from zoo.cards.record import record_of
from zoo.data import AnyExamples
from zoo.data.factors import factors_known
from zoo.detection.defaults import default_score
from zoo.detection.detector import AnomalyDetector
from zoo.detection.fit import calibrate
from zoo.errors import InputError, RecipeError
from zoo.evaluation.evaluate import evaluate_model, protocols_of
from zoo.evaluation.examples import examples_for
from zoo.evaluation.figures import draw_all
from zoo.folder import layout, store
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.registry import index, published
from zoo.release.index_lines import hashes_of, render_cards, write_line
from zoo.runtime.devices import find_device
from zoo.specs.metrics import SUBSET, Metrics
from zoo.specs.protocols import Protocol
from zoo.specs.record import HOW_COMPUTED, Ending
from zoo.training.folder import MODEL
from zoo.training.recipe import Recipe, load_recipe

NLL_SAMPLES = 1000
LICENSE = "apache-2.0"
"""Of the models that ship with the zoo."""


def release(
    run: Path,
    beside: dict[str, Path],
    license: str | None = None,
    device: str = "cpu",
    nll_examples: int | None = None,
    false_alarm_rate: float | None = None,
) -> Path:
    """Puts a finished run into the registry.

    Args:
        run: a run's folder, trained by a published recipe without overrides to its end.
        beside: folders of runs to measure for comparison, by what the card calls them.
        license: of the weights, as the Hub calls it; None is the one of the registry's package.
        device: where it is measured.
        nll_examples: measure the bound on the first N test images only; None is all.
        false_alarm_rate: with a detector for this rate, calibrated on the validation split; None is
            without one.

    Returns:
        The model's folder.

    Raises:
        RecipeError: for a run that is interrupted, changed, or of no published recipe.
        InputError: where the name is taken by other weights, and for a detector of a model that was
            trained on the validation split.
    """
    model = load(run / MODEL, device=find_device(device))
    recipe = finished_recipe(model)
    assert recipe.name is not None
    registry = published.registry_with(recipe.name)
    assert registry is not None
    assert model.info is not None
    assert model.info.metrics is not None
    taken = index.read_index(registry).get(recipe.name)
    if taken and taken.weights_sha256 != model.info.sha256:
        raise InputError(
            f"{recipe.name} is released with other weights, which never change. Give these a new "
            f"tag: a recipe called {recipe.name}.2."
        )
    license = license or _license_of(registry)
    images = examples_for(model, recipe.data.dataset, "test")
    known = factors_known(recipe.data.dataset, "test")
    factors = known if math.prod(model.latent_shape) > 1 else None  # a single latent has no score
    own, how = recipe.data.protocol, {"factors": factors, "nll_examples": nll_examples}
    measured = _measure(model, images, own, **how)
    subset = []
    if len(images) > SUBSET:
        subset = _measure(model, images, own, limit=SUBSET)
    others = {}
    for what, other in beside.items():
        compared = load(other / MODEL, device=model.device)
        others[what] = evaluate_model(
            compared, images, protocol=own, nll_samples=_samples(compared), **how
        )
    training = {**model.info.metrics.training.model_dump(), "recipe": recipe.name}
    detector = None if false_alarm_rate is None else _detector(model, recipe, false_alarm_rate)
    target = registry.models / recipe.name
    info = store.save_folder(
        model,
        target,
        recipe=recipe.to_toml(),
        metrics=record_of(measured, subset=subset, baselines=others, training=training),
        figures=draw_all(model, images.first(256)),
        license=license,
        detector=detector.text if detector else None,
        card=render_card,
    )
    fields = {
        "family": info.family,
        "license": license,
        "bytes": (target / layout.WEIGHTS).stat().st_size,
        "parameters": info.parameters,
        index.HASHES: hashes_of(target),
    }
    write_line(registry, recipe.name, fields)
    render_cards(registry)  # the card says how to load it once its name is in the index
    return target


def _detector(model: Autoencoder, recipe: Recipe, rate: float) -> AnomalyDetector:
    """The model with its default score, calibrated on the validation split."""
    if recipe.data.fit != "train" or recipe.training.early_stopping != "off":
        raise InputError(
            f"{recipe.name} has seen the validation split, on which its detector would be calibrated."
        )
    train, held_out = (
        examples_for(model, recipe.data.dataset, split) for split in ("train", "validation")
    )
    score = default_score(model)
    return calibrate(model, score, held_out, method="conformal", rate=rate, reference=train)


def finished_recipe(model: Autoencoder) -> Recipe:
    """The published recipe by which a model was trained to its end, unchanged.

    A run of a file counts as one of the published recipe with the same settings.
    """
    info = model.info
    training = info.metrics.training if info and info.metrics else Ending()
    text = info.recipe if info else None
    unpublished = "Only a run of a published recipe without overrides is released."
    if text is None or training.overrides.keys() - HOW_COMPUTED:
        raise RecipeError(unpublished)
    names = published.list_recipes() if training.recipe is None else [training.recipe]
    runs = {name: load_recipe(name).with_overrides(training.overrides) for name in names}
    name = next((name for name, run in runs.items() if run.matches(text)), None)
    if name is None and training.recipe:
        raise RecipeError(
            f"The recipe {training.recipe} has changed since this run: train it again."
        )
    if name is None:
        raise RecipeError(unpublished)
    if training.interrupted or training.epochs != training.max_epochs:
        raise RecipeError(f"{name} was not trained to the end of its recipe.")
    return load_recipe(name)


def _samples(model: Autoencoder) -> int:
    return NLL_SAMPLES if isinstance(model, VariationalAutoencoder) else 0


def _measure(model: Autoencoder, images: AnyExamples, own: Protocol, **how: Any) -> list[Metrics]:
    """The recipe's own protocol, and for a Bernoulli model the tutorials' gray one beside it."""
    return [
        evaluate_model(model, images, protocol=protocol, nll_samples=_samples(model), **how)
        for protocol in protocols_of(model, own)
    ]


def _license_of(registry: index.Registry) -> str:
    """The license of a registry's package. Raises InputError where it names none."""
    if registry == index.own_registry():
        return LICENSE
    said = metadata(registry.distribution).json.get("license_expression", "")
    if not re.fullmatch(r"[A-Za-z0-9.-]+", str(said)):
        raise InputError(
            f"{registry.distribution} names no license for its models: give one, such as "
            "--license mit, or write `license = ...` into its pyproject.toml and install it again."
        )
    return str(said).lower()
