"""`Recipe`: how a model is trained, as validated, immutable data. No torch here."""

from __future__ import annotations

import copy
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from zoo.errors import InputError, RecipeError, UnknownNameError, ZooError, did_you_mean
from zoo.io.files import read_regular, with_home
from zoo.likelihoods.fitting import check_protocol
from zoo.registry import families, published
from zoo.specs.base import Spec, likelihood_kind
from zoo.specs.data import DataSettings, Transform, parsed
from zoo.specs.objectives import (
    ELBO,
    ObjectiveSettings,
    Pixels,
    default_objective,
    incompatibility,
)
from zoo.specs.validation import checked, listed
from zoo.training.hints import hinted
from zoo.training.settings import TrainingSettings

log = logging.getLogger("zoo")

SECTIONS = ("model", "data", "training")
MAX_BYTES = 1_000_000
"""Largest recipe that is read."""


@dataclass(frozen=True)
class Recipe:
    """A family and its Spec, the data, and the training; `name` is the published one or None."""

    family: str
    spec: Spec
    data: DataSettings
    training: TrainingSettings
    name: str | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    """The overrides with which it differs from the recipe of that name."""

    @classmethod
    def parse(cls, sections: Mapping[str, Any], name: str | None = None) -> Recipe:
        """A recipe from plain sections. Raises RecipeError with every problem at once."""
        problems = [
            f"{str(key)[:60]}: unknown section.{did_you_mean(str(key).lower(), SECTIONS)}"
            for key in sections
            if key not in SECTIONS
        ]
        plain = {}
        for key in SECTIONS:
            plain[key] = sections.get(key, {})
            if not isinstance(plain[key], Mapping):
                problems.append(f"{key}: a section, [{key}], not {type(plain[key]).__name__}")
                plain[key] = {}
        family, spec, wrong = _model(dict(plain["model"]))
        data, wrong_data = checked(DataSettings, plain["data"], "data")
        training, wrong_training = checked(TrainingSettings, plain["training"], "training")
        problems += hinted(
            wrong + wrong_data + wrong_training,
            {"training": TrainingSettings, "data": DataSettings, "model": _spec_class(family)},
        )
        if spec and data and training:
            problems += _disagreements(family, spec, data, training)
        if problems or not (spec and data and training):
            what = f"The recipe {name!r}" if name else "This recipe"
            raise RecipeError(listed(what, problems), problems=problems)
        return cls(family, spec, data, training, name)

    def sections(self) -> dict[str, dict[str, Any]]:
        """The recipe with every field, defaults included, as plain TOML data."""
        return {
            "model": {"family": self.family, **families.get(self.family).plain_fields(self.spec)},
            "data": self.data.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json"),
        }

    def to_toml(self) -> str:
        """The recipe as it is run, every field written out."""
        import tomli_w

        return tomli_w.dumps(self.sections())

    def is_said_by(self, text: str) -> bool:
        """Whether recipe.toml says this recipe; what an earlier version did not write is the default.

        Raises RecipeError for a text that is not a recipe.
        """
        return Recipe.parse(parsed(text.encode(), "The recipe")).sections() == self.sections()

    def with_overrides(self, overrides: Mapping[str, Any]) -> Recipe:
        """The recipe with some settings changed.

        Keys are dotted (`model.latent_dim`); a bare key is a field of [training]. Another `kind` of
        something (`objective.kind`) brings its own other fields; another `model.family`, those whose
        defaults are others there, and what it does not know goes: `changed` has these too. Raises
        RecipeError for unknown settings and for values that do not fit.
        """
        if not isinstance(overrides, Mapping) or not all(isinstance(key, str) for key in overrides):
            raise RecipeError("Overrides are a mapping from a setting's name to its value.")
        if not overrides:
            return self
        sections: dict[str, Any] = self.sections()
        kept, brought = _for_family(sections["model"], overrides.get("model.family"))
        sections["model"] = kept | brought
        _set_all(sections, overrides)
        own = {f"model.{name}": value for name, value in brought.items()}
        changed = {**self.changed, **own, **overrides}
        return replace(Recipe.parse(sections, self.name), changed=changed)


def load_recipe(
    recipe: str | Path | Recipe | Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """A recipe from a published name, a TOML file's path, a mapping, or itself.

    Args:
        recipe: what to load.
        overrides: settings to change, as `with_overrides` takes them. They may complete a recipe that
            lacks something, and mend what is wrong in it.

    Raises UnknownNameError for a name without a recipe, RecipeError for one with mistakes.
    """
    if isinstance(recipe, Recipe):
        return recipe.with_overrides(overrides or {})
    name, sections = _read(recipe)
    try:
        found = Recipe.parse(sections, name)
    except RecipeError:
        if not overrides:
            raise
        mended = copy.deepcopy(dict(sections))
        _set_all(mended, overrides)
        found = Recipe.parse(mended, name)
    resolved = found.with_overrides(overrides or {})
    before, now = found.sections()["model"], resolved.sections()["model"]
    gone = [name for name in before if name not in now]
    own = [
        name for name in now if f"model.{name}" in resolved.changed.keys() - dict(overrides or {})
    ]
    if gone or own:
        said = [f"its own {', '.join(own)} in place of the recipe's"] * bool(own)
        said += [f"{', '.join(gone)} left out, as it has none"] * bool(gone)
        name = (overrides or {}).get("model.family", resolved.family)
        log.warning("model.family = %r: %s.", name, " and ".join(said))
    return resolved


def _read(recipe: str | Path | Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """The name of a recipe, where it is a published one, and its plain sections."""
    if isinstance(recipe, Mapping):
        return None, recipe
    if not isinstance(recipe, str | Path):
        raise RecipeError(
            "A recipe is a name, the path of a TOML file, a Recipe or a mapping with [model], "
            f"[data] and [training]; got {type(recipe).__name__}."
        )
    name = None
    if isinstance(recipe, str) and "/" not in recipe and not recipe.endswith(".toml"):
        name, path = recipe, published.recipe_path(recipe)
        if path is None:
            names = published.list_recipes()
            raise UnknownNameError(
                f"No recipe named {recipe!r}.{did_you_mean(recipe, names)} "
                f"Recipes: {', '.join(names)}; or the path of a .toml file.",
                name=recipe,
                known=names,
            )
    else:
        path = with_home(recipe, RecipeError)
    data = read_regular(path, MAX_BYTES, RecipeError)
    return name, parsed(data, repr(str(path)))


def _spec_class(family: object) -> type[Spec] | None:
    """The type of a family's Specs, where there is such a family."""
    with suppress(ZooError):
        return families.expanded(family)[0].spec_class  # pyright: ignore[reportArgumentType]  # it raises
    return None


def _for_family(fields: dict[str, Any], name: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stays of a [model] that becomes one of another family or preset, and what that brings."""
    here, there = _spec_class(fields["family"]), _spec_class(name)
    if here is None or there is None:
        return fields, {}
    known = {"family": fields["family"]}
    brought = {}
    for key, value in fields.items():
        if key in there.model_fields:
            defaults = [one.model_fields[key].get_default() for one in (here, there)]
            known[key] = value
            if defaults[0] != defaults[1]:
                brought[key] = to_jsonable_python(defaults[1])
    _, preset = families.expanded(str(name))
    for key, value in preset.items():
        is_so = isinstance(value, dict) and value.items() <= fields.get(key, {}).items()
        if not is_so and fields.get(key) != value:
            brought[key] = value
    return known, brought


def _model(fields: dict[str, Any]) -> tuple[str, Spec | None, list[str]]:
    if "family" not in fields:
        known = ", ".join(families.list_families())
        return "", None, [f"model.family: missing; families here: {known}"]
    family = fields.pop("family")
    try:
        found, fields = families.expanded(family, fields)
        return found.name, *found.parse(fields, "model")
    except ZooError as unknown:
        return family, None, [f"model.family: {unknown}"]


def _disagreements(
    family: str, spec: Spec, data: DataSettings, training: TrainingSettings
) -> list[str]:
    """Settings that are each valid and contradict each other."""
    problems, kind = [], likelihood_kind(spec)
    try:
        check_protocol(data.protocol, spec)
    except InputError as wrong:
        said = str(wrong)
        if kind == "bernoulli" and spec.input_shape[0] == 3:  # black and white is no advice
            said = (
                f"{data.protocol!r} does not fit a bernoulli likelihood, and color images fit others: set "
                f"model.likelihood = {{kind = {_fitting(data.protocol)!r}}}."
            )
        problems.append(f"data.protocol: {said}")
    for name, of_images in (
        ("data.transform", data.transform != Transform()),
        ("training.shift", bool(training.shift)),
    ):
        if of_images and spec.domain.is_real:
            problems.append(f"{name}: for images; this model takes {spec.domain}")
    if training.early_stopping != "off" and data.fit != "train":
        problems.append("training.early_stopping: needs the validation split: data.fit = 'train'")
    if training.exact_shards != "off":
        if training.exact_shards.bit_count() != 1:
            problems.append(
                f"training.exact_shards: 1, 2, 4, 8, ..., not {training.exact_shards}: parts are "
                "summed in pairs"
            )
        if training.accumulate > 1:
            problems.append("training.accumulate: exact_shards says into how many parts already")
    objective = objective_of(spec, families.get(family).parts, training)
    for name in ("accumulate", "exact_shards"):
        if getattr(training, name) not in ("off", 1) and (why := mixing(objective)):
            problems.append(
                f"training.{name}: {why}, so in parts it is another loss. For less memory, lower batch_size"
            )
    return problems + _about_objective(family, spec, training)


def _fitting(protocol: str) -> str:
    """The likelihood of color images that a protocol fits."""
    return "gaussian" if protocol == "dequantized" else "discretized-logistic"


def mixing(objective: ObjectiveSettings) -> str:
    """Why the loss of a batch is not the mean of its parts' losses; nothing where it is."""
    if not objective.mixes_examples():
        return ""
    if isinstance(objective, ELBO):
        return "free bits are of the mean KL of a whole batch"
    return f"{objective.kind!r} compares the examples of a batch with one another"


def _about_objective(family: str, spec: Spec, training: TrainingSettings) -> list[str]:
    """What an objective asks of a family that it has not, or of itself."""
    parts = families.get(family).parts
    objective = objective_of(spec, parts, training)
    if isinstance(objective, Pixels) and bool(objective.perceptual) != (
        objective.extractor != "off"
    ):
        return ["training.objective: perceptual and extractor are given together"]
    if wrong := incompatibility(objective, parts, spec.loss_weights, training.gradient):
        place = "gradient" if training.gradient not in objective.gradients else "objective"
        return [f"training.{place}: {family!r} does not support this objective: {wrong}"]
    return []


def objective_of(
    spec: Spec, parts: Collection[str], training: TrainingSettings
) -> ObjectiveSettings:
    """What a recipe's training minimizes, the family's default filled in."""
    if training.objective != "default":
        return training.objective
    return spec.objective or default_objective(parts)


def _set_all(sections: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Sets every key, kinds first: what belongs to one is set after it."""
    for key in sorted(overrides, key=lambda key: not key.endswith(".kind")):
        _set(sections, key, overrides[key])


def _set(sections: dict[str, Any], key: str, value: Any) -> None:
    """Sets one dotted key; a table given as a whole replaces the old one, and so does another kind."""
    first, *rest = key.split(".")
    is_section = first in SECTIONS or (rest and did_you_mean(first.lower(), SECTIONS))
    *path, last = (first, *rest) if is_section else ("training", first, *rest)
    table = sections
    for step in path:
        if not isinstance(table.get(step), dict):
            table[step] = {}  # what cannot stand there is said with all other problems
        table = table[step]
    if last == "kind" and table.get(last) != value:
        table.clear()
    table[last] = value
