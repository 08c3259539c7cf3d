"""`Recipe`: a model, its data and its training, as validated, immutable data. No torch here."""

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
"""Largest recipe file."""


@dataclass(frozen=True)
class Recipe:
    """A family and its Spec, data and training settings; `name` is None unless it is published."""

    family: str
    spec: Spec
    data: DataSettings
    training: TrainingSettings
    name: str | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    """Its differences from the recipe of that name, as overrides."""

    @classmethod
    def parse(cls, sections: Mapping[str, Any], name: str | None = None) -> Recipe:
        """A recipe from plain sections. Raises RecipeError listing every problem."""
        problems = [
            f"{str(key)[:60]}: unknown section.{did_you_mean(str(key).lower(), SECTIONS)}"
            for key in sections
            if key not in SECTIONS
        ]
        plain = {}
        for key in SECTIONS:
            plain[key] = sections.get(key, {})
            if not isinstance(plain[key], Mapping):
                problems.append(
                    f"{key}: must be a section, [{key}], not {type(plain[key]).__name__}"
                )
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
        """The recipe as TOML, with every field written out."""
        import tomli_w

        return tomli_w.dumps(self.sections())

    def matches(self, text: str) -> bool:
        """Whether a recipe.toml is equal to this recipe; missing fields are defaults.

        Raises RecipeError for an invalid recipe.
        """
        return Recipe.parse(parsed(text.encode(), "The recipe")).sections() == self.sections()

    def with_overrides(self, overrides: Mapping[str, Any]) -> Recipe:
        """The recipe with some settings changed.

        Keys are dotted (`model.latent_dim`); a bare key is a field of [training]. Changing a `kind`
        (`objective.kind`) resets the other fields of its table. Changing `model.family` drops fields
        that the new family lacks and resets those with another default there; `changed` includes
        these. Raises RecipeError for unknown settings and invalid values.
        """
        if not isinstance(overrides, Mapping) or not all(isinstance(key, str) for key in overrides):
            raise RecipeError("Overrides must be a mapping from setting names to values.")
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
        recipe: the recipe to load.
        overrides: settings to change, as for `with_overrides`; they may complete or correct an
            invalid recipe.

    Raises UnknownNameError for an unknown name, RecipeError for an invalid recipe.
    """
    if isinstance(recipe, Recipe):
        return recipe.with_overrides(overrides or {})
    name, sections = _read(recipe)
    try:
        found = Recipe.parse(sections, name)
    except RecipeError:
        if not overrides:
            raise
        corrected = copy.deepcopy(dict(sections))
        _set_all(corrected, overrides)
        found = Recipe.parse(corrected, name)
    resolved = found.with_overrides(overrides or {})
    before, now = found.sections()["model"], resolved.sections()["model"]
    gone = [name for name in before if name not in now]
    own = [
        name for name in now if f"model.{name}" in resolved.changed.keys() - dict(overrides or {})
    ]
    if gone or own:
        changes = [f"reset {', '.join(own)} to its defaults"] * bool(own)
        changes += [f"dropped {', '.join(gone)}, which it does not have"] * bool(gone)
        name = (overrides or {}).get("model.family", resolved.family)
        log.warning("model.family = %r: %s.", name, " and ".join(changes))
    return resolved


def _read(recipe: str | Path | Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """The name of a published recipe, else None, and the plain sections."""
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
    """The Spec class of a family; None if it is unknown."""
    with suppress(ZooError):
        return families.expanded(family)[0].spec_class  # pyright: ignore[reportArgumentType]  # it raises
    return None


def _for_family(fields: dict[str, Any], name: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a [model] that another family or preset keeps, and those that it sets."""
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
        return "", None, [f"model.family: missing; available: {known}"]
    family = fields.pop("family")
    try:
        found, fields = families.expanded(family, fields)
        return found.name, *found.parse(fields, "model")
    except ZooError as unknown:
        return family, None, [f"model.family: {unknown}"]


def _disagreements(
    family: str, spec: Spec, data: DataSettings, training: TrainingSettings
) -> list[str]:
    """Settings that are valid alone but contradict each other."""
    problems, kind = [], likelihood_kind(spec)
    try:
        check_protocol(data.protocol, spec)
    except InputError as wrong:
        problem = str(wrong)
        if kind == "bernoulli" and spec.input_shape[0] == 3:  # do not suggest binarizing color
            problem = (
                f"{data.protocol!r} does not fit a bernoulli likelihood, and color images fit others: set "
                f"model.likelihood = {{kind = {_fitting(data.protocol)!r}}}."
            )
        problems.append(f"data.protocol: {problem}")
    for name, of_images in (
        ("data.transform", data.transform != Transform()),
        ("training.shift", bool(training.shift)),
        ("training.corruption", bool(training.corruption)),
    ):
        if of_images and spec.domain.is_real:
            problems.append(f"{name}: for images only; this model takes {spec.domain}")
    if training.early_stopping != "off" and data.fit != "train":
        problems.append("training.early_stopping: needs the validation split: data.fit = 'train'")
    if training.exact_shards != "off":
        if training.exact_shards.bit_count() != 1:
            problems.append(
                f"training.exact_shards: 1, 2, 4, 8, ..., not {training.exact_shards}: parts are "
                "summed in pairs"
            )
        if training.accumulate > 1:
            problems.append("training.accumulate: exact_shards already sets the number of parts")
    objective = objective_of(spec, families.get(family).parts, training)
    for name in ("accumulate", "exact_shards"):
        if getattr(training, name) not in ("off", 1) and (why := objective.coupling()):
            problems.append(
                f"training.{name}: {why}, so splitting it changes the loss. To save memory, lower batch_size"
            )
    return problems + _objective_problems(family, spec, training)


def _fitting(protocol: str) -> str:
    """The likelihood of color images that fits a protocol."""
    return "gaussian" if protocol == "dequantized" else "discretized-logistic"


def _objective_problems(family: str, spec: Spec, training: TrainingSettings) -> list[str]:
    """Problems of an objective's settings, alone or with this family."""
    parts = families.get(family).parts
    objective = objective_of(spec, parts, training)
    if isinstance(objective, Pixels) and bool(objective.perceptual) != (
        objective.extractor != "off"
    ):
        return ["training.objective: perceptual and extractor must be set together"]
    if wrong := incompatibility(objective, parts, spec.loss_weights, training.gradient):
        place = "gradient" if training.gradient not in objective.gradients else "objective"
        return [f"training.{place}: {family!r} does not support this objective: {wrong}"]
    return []


def objective_of(
    spec: Spec, parts: Collection[str], training: TrainingSettings
) -> ObjectiveSettings:
    """The objective of a recipe, with the family's default resolved."""
    if training.objective != "default":
        return training.objective
    return spec.objective or default_objective(parts)


def _set_all(sections: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Sets all keys, kinds first, because setting a kind clears its table."""
    for key in sorted(overrides, key=lambda key: not key.endswith(".kind")):
        _set(sections, key, overrides[key])


def _set(sections: dict[str, Any], key: str, value: Any) -> None:
    """Sets one dotted key; a table value, or another kind, replaces the whole table."""
    first, *rest = key.split(".")
    is_section = first in SECTIONS or (rest and did_you_mean(first.lower(), SECTIONS))
    *path, last = (first, *rest) if is_section else ("training", first, *rest)
    table = sections
    for step in path:
        if not isinstance(table.get(step), dict):
            table[step] = {}  # reported by validation with all other problems
        table = table[step]
    if last == "kind" and table.get(last) != value:
        table.clear()
    table[last] = value
