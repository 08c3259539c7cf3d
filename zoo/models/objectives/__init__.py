"""Training objectives, written once over the parts of a family.

Training, the validation loss, `evaluate`, `elbo` and `log_likelihood` all use these classes.
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
    """The default objective of a model's family."""
    return model.spec.objective or default_objective(parts_of(type(model)))


def objective_for(
    model: Primitives,
    chosen: ObjectiveSettings | None = None,
    gradient: Gradient = "reparameterized",
    distance: Distance | None = None,
) -> Objective:
    """The chosen objective for a model, or its family's default.

    Args:
        model: the model to train or measure.
        chosen: None is the family's default.
        gradient: the gradient estimator.
        distance: perceptual distance, for objectives with a perceptual term.

    Raises InputError for an objective or a gradient that the family does not support.
    """
    if chosen is not None and not isinstance(chosen, ObjectiveSettings):
        raise InputError(f"objective must be ELBO(), IWAE(samples=K), ...; got {chosen!r}.")
    one = default_of(model) if chosen is None else chosen
    if wrong := incompatibility(one, parts_of(type(model)), model.loss_weights, gradient):
        end = "" if wrong.endswith(("?", ".")) else "."
        raise InputError(f"{type(model).__name__} does not support this objective: {wrong}{end}")
    if distance is None and isinstance(one, settings.Pixels) and one.perceptual:
        raise InputError("A perceptual term is trained by recipes only: use zoo.train.")
    return build(one, gradient, distance)


def build(
    one: ObjectiveSettings,
    gradient: Gradient = "reparameterized",
    distance: Distance | None = None,
) -> Objective:
    """The objective with these settings, for a family that supports it."""
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
    raise InputError(f"Unknown objective {one.kind!r}.")
