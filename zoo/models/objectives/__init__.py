"""What training minimizes, written once over a family's parts.

Training, the validation loss, `evaluate`, `elbo` and `log_likelihood` all come from these classes.
"""

from __future__ import annotations

from zoo.errors import InputError
from zoo.models.objectives.base import Distance, Objective
from zoo.models.objectives.bounds import NegativeBound, NegativeELBO
from zoo.models.objectives.deterministic import NegativeLogLikelihood, OwnLoss, ReconstructionError
from zoo.models.objectives.disentangling import (
    DiscriminatedTotalCorrelation,
    MinibatchTotalCorrelation,
)
from zoo.models.primitives import Primitives, parts_of
from zoo.specs import objectives as settings
from zoo.specs.objectives import Gradient, ObjectiveSettings, default_objective, incompatibility

__all__ = [
    "Distance",
    "NegativeELBO",
    "NegativeLogLikelihood",
    "Objective",
    "build",
    "default_of",
    "objective_for",
]


def default_of(model: Primitives) -> ObjectiveSettings:
    """What a model is trained on where nothing else is said."""
    return model.spec.objective or default_objective(parts_of(type(model)))


def objective_for(
    model: Primitives,
    chosen: ObjectiveSettings | None = None,
    gradient: Gradient = "reparameterized",
    distance: Distance | None = None,
) -> Objective:
    """An objective for a model: the chosen one, or the family's own.

    Args:
        model: what is trained or measured.
        chosen: None is the family's default.
        gradient: the gradient estimator.
        distance: of an extractor, where the objective has a perceptual term.

    Raises InputError for an objective that the family is not fit for, and a gradient that is not its.
    """
    if chosen is not None and not isinstance(chosen, ObjectiveSettings):
        raise InputError(f"objective is ELBO(), IWAE(samples=K), ...; got {chosen!r}.")
    one = default_of(model) if chosen is None else chosen
    if wrong := incompatibility(one, parts_of(type(model)), model.loss_weights, gradient):
        end = "" if wrong.endswith(("?", ".")) else "."
        raise InputError(f"{type(model).__name__} cannot be trained so: {wrong}{end}")
    return build(one, gradient, distance)


def build(
    one: ObjectiveSettings,
    gradient: Gradient = "reparameterized",
    distance: Distance | None = None,
) -> Objective:
    """An objective by its settings, for a family that it fits."""
    match one:
        case settings.Likelihood():
            return NegativeLogLikelihood(one, gradient)
        case settings.ELBO():
            return NegativeELBO(one, gradient)
        case settings.IWAE():
            return NegativeBound(one, gradient)
        case settings.TotalCorrelation(estimator="minibatch"):
            return MinibatchTotalCorrelation(one, gradient)
        case settings.TotalCorrelation():
            return DiscriminatedTotalCorrelation(one, gradient)
        case settings.Pixels():
            return ReconstructionError(one, gradient, distance)
        case settings.Own():
            return OwnLoss(one, gradient)
    raise InputError(f"No objective of kind {one.kind!r} is known.")
