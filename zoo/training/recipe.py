"""`Recipe`: how a model is trained, as validated, immutable data. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from zoo.errors import InputError, RecipeError, UnknownNameError, ZooError, did_you_mean
from zoo.io.files import read_regular, with_home
from zoo.registry import families, published
from zoo.specs.base import Spec, likelihood_kind
from zoo.specs.data import DataSettings, parsed
from zoo.specs.objectives import ELBO, GRADIENTS, Objective, Pixels
from zoo.specs.optimisers import Adam, AdamW
from zoo.specs.protocols import check_protocol
from zoo.specs.validation import Strict, checked, listed

Off = Literal["off"]


class TrainingSettings(Strict):
    """What is done, for how long, how fast. `off` is a value."""

    epochs: int = Field(ge=1, le=1_000_000, description="passes over the images")
    batch_size: int = Field(default=128, ge=1, le=1_000_000, description="images per step")
    optimiser: Annotated[Adam | AdamW, Field(discriminator="kind")] = Field(
        default=Adam(), description="adam, or adamw with decoupled weight decay"
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=10, description="at its highest")
    warmup_steps: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="steps over which the learning rate rises from 0",
    )
    decay: Literal["cosine", "off"] = Field(
        default="off", description="how the learning rate falls after the warm-up"
    )
    final_learning_rate: float = Field(
        default=0.01, ge=0, le=1, description="where the decay ends, as a fraction of learning_rate"
    )
    term_warmup_epochs: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(
        default={},
        description="epochs over which a loss term's weight rises from 0, by the term's name",
    )
    objective: Objective = Field(
        default=ELBO(),
        description="what a variational family's training minimises: {kind = 'elbo', free_bits = 0.0}, "
        "or for `vae` and `conv-vae` {kind = 'iwae', samples = K, resampled = 'off'}; for diffusers' families "
        "{kind = 'pixels', error = 'l1', kl = 1e-6, perceptual = 0.0, extractor = 'off'}",
    )
    init: str = Field(
        default="off",
        max_length=1000,
        description="a model of the same family and Spec to begin with instead of weights drawn from the "
        "seed: a name, a folder, or a repo on the Hub",
    )
    trains: Literal["all", "decoder"] = Field(
        default="all", description="decoder keeps every code as it is, bit for bit"
    )
    gradient: Literal["reparameterised", "stl", "dreg"] = Field(
        default="reparameterised",
        description="with less variance: stl (sticking the landing) for the ELBO, "
        "dreg (doubly reparameterised) for iwae",
    )
    clip_norm: Off | Annotated[float, Field(gt=0, le=1e6)] = Field(
        default="off", description="largest norm of a step's gradient, over all parameters"
    )
    ema_decay: Off | Annotated[float, Field(gt=0, lt=1)] = Field(
        default="off",
        description="exponential moving average of the weights; the average is what is saved",
    )
    early_stopping: Off | Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default="off",
        description="epochs without a better validation loss before it ends; the best is saved",
    )
    output_bias: Literal["training-mean", "default"] = Field(
        default="default", description="training-mean starts the decoder at the mean training image"
    )
    shift: int = Field(
        default=0,
        ge=0,
        le=64,
        description="pixels by which an image is moved at most, each way and afresh each time, 0 "
        "coming in at the edge: all images at the start, fewer and fewer, and none at the end",
    )
    precision: Literal["float32", "bf16"] = Field(
        default="float32",
        description="of the networks; losses are float32 always. bf16 is faster on GPUs and on "
        "processors with bf16 products (avx512_bf16 or amx_bf16 in lscpu); others imitate it, "
        "many times slower: there, override it with precision=float32",
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="parts into which a process cuts its share of a batch, to need less memory",
    )
    exact_shards: Off | Annotated[int, Field(ge=1, le=1024)] = Field(
        default="off",
        description="a power of two: parts of a batch, whose gradients are summed in a fixed order, "
        "so that every number of processes up to it gives the same bits",
    )
    compile: bool = Field(
        default=False, description="torch.compile of the loss; on a GPU with CUDA graphs"
    )
    checkpoint_minutes: float = Field(
        default=2.0, ge=0, le=10_000, description="between two checkpoints"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="of weights, order and draws")


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
            f"{str(key)[:60]}: there is no such section.{did_you_mean(str(key), SECTIONS)}"
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
        problems += wrong + wrong_data + wrong_training
        if spec and data and training:
            problems += _disagreements(family, spec, data, training)
        if problems or not (spec and data and training):
            what = f"The recipe {name!r}" if name else "This recipe"
            raise RecipeError(listed(what, problems))
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
        something (`objective.kind`) brings its own other fields. Raises
        RecipeError for unknown settings and for values that do not fit.
        """
        if not isinstance(overrides, Mapping) or not all(isinstance(key, str) for key in overrides):
            raise RecipeError("Overrides are a mapping from a setting's name to its value.")
        if not overrides:
            return self
        sections: dict[str, Any] = self.sections()
        for key in sorted(overrides, key=lambda key: not key.endswith(".kind")):
            _set(sections, key, overrides[key])
        changed = {**self.changed, **overrides}
        return replace(Recipe.parse(sections, self.name), changed=changed)


def load_recipe(recipe: str | Path | Recipe | Mapping[str, Any]) -> Recipe:
    """A recipe from a published name, a TOML file's path, a mapping, or itself.

    Raises UnknownNameError for a name without a recipe, RecipeError for one with mistakes.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        return Recipe.parse(recipe)
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
                f"Recipes: {', '.join(names)}; or the path of a .toml file."
            )
    else:
        path = with_home(recipe, RecipeError)
    data = read_regular(path, MAX_BYTES, RecipeError)
    return Recipe.parse(parsed(data, repr(str(path))), name)


def _model(fields: dict[str, Any]) -> tuple[str, Spec | None, list[str]]:
    if "family" not in fields:
        known = ", ".join(families.list_families())
        return "", None, [f"model.family: missing; families here: {known}"]
    family = fields.pop("family")
    try:
        return family, *families.get(family).parse(fields, "model")
    except ZooError as unknown:
        return family, None, [f"model.family: {unknown}"]


def _disagreements(
    family: str, spec: Spec, data: DataSettings, training: TrainingSettings
) -> list[str]:
    """Settings that are each valid and contradict each other."""
    problems = []
    try:
        check_protocol(data.protocol, likelihood_kind(spec))
    except InputError as wrong:
        problems.append(f"data.protocol: {wrong}")
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
    return problems + _about_objective(family, spec, training)


def _about_objective(family: str, spec: Spec, training: TrainingSettings) -> list[str]:
    """What is asked of a family that it cannot do, or of an objective."""
    kind, gradient = training.objective.kind, training.gradient
    if isinstance(training.objective, Pixels):
        if bool(training.objective.perceptual) != (training.objective.extractor != "off"):
            return ["training.objective: perceptual and extractor are given together"]
        if "pixels" in spec.objectives:
            return []
    elif not families.get(family).is_variational:
        asked = {
            "gradient": gradient != "reparameterised",
            "objective": training.objective != ELBO(),
        }
        return [f"training.{name}: for variational families" for name in asked if asked[name]]
    if training.objective != ELBO() and kind not in spec.objectives:
        known = " or ".join(map(repr, spec.objectives))
        said = f"is trained on {known}" if known else "has an objective of its own"
        return [f"training.objective: {family!r} {said}"]
    if gradient not in ("reparameterised", GRADIENTS[kind]):
        return [f"training.gradient: {gradient!r} is not for {kind}; {GRADIENTS[kind]!r} is"]
    return []


def _set(sections: dict[str, Any], key: str, value: Any) -> None:
    """Sets one dotted key; a table given as a whole replaces the old one, and so does another kind."""
    first, *rest = key.split(".")
    is_section = first in SECTIONS or (rest and did_you_mean(first, SECTIONS))
    *path, last = (first, *rest) if is_section else ("training", first, *rest)
    table = sections
    for step in path:
        if not isinstance(table.get(step), dict):
            table[step] = {}  # what cannot stand there is said with all other problems
        table = table[step]
    if last == "kind" and table.get(last) != value:
        table.clear()
    table[last] = value
