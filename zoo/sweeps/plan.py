"""sweep.toml -> its trials, every one of them checked before any is run. No torch here."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import RecipeError
from zoo.io.files import read_regular, with_home
from zoo.registry import families, published
from zoo.specs.metrics import METRICS
from zoo.specs.validation import listed, validated
from zoo.sweeps.settings import SEED, Sweep, draw
from zoo.training.recipe import MAX_BYTES, SECTIONS, Recipe, load_recipe

SSIM_FROM = 11
"""Least height and width of images that have an SSIM."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One training of a sweep."""

    number: int
    settings: dict[str, Any]
    """What it has of its own, by the names that sweep.toml gives, the seed apart."""
    seed: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """Its folder's name, such as `007`."""
        return f"{self.number:03}"


@dataclass(frozen=True)
class Plan:
    """A sweep and its trials."""

    sweep: Sweep
    base: Recipe
    """The sweep's recipe as it stands."""
    trials: tuple[Trial, ...]


def load_plan(file: str | Path) -> Plan:
    """The trials of a sweep's file.

    Raises RecipeError with every problem at once, each with the nearest right name;
    UnknownNameError for a recipe that does not exist.
    """
    path = with_home(file, RecipeError)
    what = f"The sweep {str(path)!r}"
    _check_is_file(path)
    sweep = read_sweep(path)
    is_file = sweep.recipe.endswith(".toml") or "/" in sweep.recipe
    base = load_recipe(path.parent / with_home(sweep.recipe) if is_file else sweep.recipe)
    problems, impossible = sweep.contradictions(), sweep.impossible()
    trials, wrong = ([], []) if impossible else _trials(sweep, base)
    problems += impossible + wrong
    if not problems:
        problems = _disagreements(sweep, trials)
    if problems:
        raise RecipeError(listed(what, problems), problems=problems)
    return Plan(sweep, base, tuple(trials))


def read_sweep(path: Path) -> Sweep:
    """What a sweep's file says, by itself. Raises RecipeError with every problem of its form."""
    data = read_regular(path, MAX_BYTES, RecipeError)
    try:
        fields = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as broken:
        raise RecipeError(f"{str(path)!r} is not TOML: {broken}.") from None
    if {*SECTIONS} & fields.keys() and "recipe" not in fields:
        raise RecipeError(
            f"{str(path)!r} is a recipe, not a sweep: `zoo train` trains it. A sweep is a file that names "
            f"it, recipe = {path.name!r}, and what to vary: `zoo sweep --help` has one."
        )
    return validated(Sweep, fields, RecipeError, f"The sweep {str(path)!r}")


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        has_one = (path / "sweep.toml").exists()
        hint = (
            f" zoo sweep {path}/sweep.toml --out {path} resumes the sweep in it." if has_one else ""
        )
        raise RecipeError(f"{str(path)!r} is a folder; a sweep is a TOML file.{hint}")
    if not path.exists() and str(path) in published.list_recipes():
        raise RecipeError(
            f"{str(path)!r} is a recipe. A sweep is a file that names it and what to vary: "
            "`zoo sweep --help` has one."
        )


def _trials(sweep: Sweep, base: Recipe) -> tuple[list[Trial], list[str]]:
    """All trials that can be made, and a line for everything that is wrong in the others."""
    trials: list[Trial] = []
    problems: dict[str, None] = {}  # in order, each once
    choices = itertools.product(_settings(sweep), sweep.seeds)
    for number, (settings, seed) in enumerate(choices):
        try:
            recipe = base.with_overrides({**sweep.overrides, **settings, SEED: seed})
        except RecipeError as wrong:
            first, *lines = str(wrong).split("\n  ")
            problems |= dict.fromkeys(lines or [first])
        else:
            trials.append(Trial(number, settings, seed, recipe))
    return trials, list(problems)


def _settings(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """What each draw, or each point of the grid, sets."""
    if random := sweep.random:
        for number in range(random.trials):
            drawn = random.settings.items()
            yield {key: draw(random.seed, number, key, how) for key, how in drawn}
        return
    for values in itertools.product(*sweep.grid.values()):
        yield dict(zip(sweep.grid, values, strict=True))


def _disagreements(sweep: Sweep, trials: Sequence[Trial]) -> list[str]:
    """What is wrong with trials of which each is right by itself."""
    recipes = [trial.recipe for trial in trials]
    problems = []
    if any(recipe.data.fit != "train" for recipe in recipes):
        problems.append(
            "data.fit: a sweep chooses on the validation split, which this recipe trains on: "
            "write \"data.fit\" = 'train' into [overrides]"
        )
    if len(set(map(_validated_on, recipes))) > 1:
        problems.append("data: trials on other images or by another protocol do not compare")
    if any(sweep.metric not in _measured(recipe) for recipe in recipes):
        known = set.intersection(*map(_measured, recipes))
        problems.append(
            f"metric: {sweep.metric} is not measured of all these trials; "
            f"what is: {', '.join(sorted(known))}"
        )
    if sweep.asha and len({getattr(recipe.spec, "beta", 1.0) for recipe in recipes}) > 1:
        problems.append(
            "asha: trials of different model.beta have validation losses that do not compare"
        )
    if sweep.grid:
        seen: dict[str, int] = {}
        for trial in trials:
            first = seen.setdefault(json.dumps(trial.recipe.sections()), trial.number)
            if first != trial.number:
                problems.append(f"trials {first} and {trial.number} are the same training")
    return problems


def _validated_on(recipe: Recipe) -> tuple[Any, ...]:
    """What the validation split depends on; a random crop is one in the center there."""
    said, done = recipe.data, recipe.data.transform
    crop = recipe.spec.input_shape if done.crop != "off" else "off"
    return said.dataset, said.protocol, said.column, said.max_damaged, done.resize, crop


def _measured(recipe: Recipe) -> set[str]:
    """The zoo's metrics that a training by this recipe ends with."""
    domain = recipe.spec.domain
    found = {"mse", "psnr", "ssim", "reconstruction"}
    if domain.is_image and min(domain.shape[1:]) < SSIM_FROM:
        found.remove("ssim")
    if families.get(recipe.family).is_variational:
        gray = recipe.data.protocol == "gray"
        found |= {"kl", "active_units"}
        found |= {"bce_plus_kl"} if gray else {"neg_elbo", "bits_per_dim"}
    return {name for name in found if domain.kind in METRICS[name].domains}
