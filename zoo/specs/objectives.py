"""Settings of the training objectives, and the parts of a family that each requires. No torch here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo.errors import did_you_mean
from zoo.specs.validation import Strict

Gradient = Literal["reparameterized", "stl", "dreg"]
DIVERGENCES = ("kl", "mutual_information", "total_correlation", "dimension_kl")
"""The KL, and the terms of its decomposition."""


class ObjectiveSettings(Strict):
    """Base class of objective settings."""

    kind: str
    needs: ClassVar[tuple[str, ...]] = ()
    """Parts that the family must have: see `zoo.models.primitives.parts_of`."""
    gradients: ClassVar[tuple[Gradient, ...]] = ("reparameterized",)
    """Supported gradient estimators."""
    paper: ClassVar[str] = ""
    """Reference, for model cards."""

    def validated(self) -> ObjectiveSettings:
        """The objective measured on the validation split, which has a value per example."""
        return self

    def coupling(self) -> str:
        """Why the loss of a batch differs from the mean loss of its parts; empty if it does not."""
        return ""

    def has_term(self, name: str) -> bool:
        """Whether a Spec may weight this term: by default, any regularizer of the code except a KL."""
        return name not in DIVERGENCES


class Likelihood(ObjectiveSettings):
    """-log p(x | z) at the code, plus the family's regularizers: maximum likelihood without a prior."""

    kind: Literal["likelihood"] = "likelihood"  # pyright: ignore[reportIncompatibleVariableOverride]
    needs = ("code", "likelihood")


class ELBO(ObjectiveSettings):
    """Negative evidence lower bound: reconstruction plus KL, each weighted by the Spec."""

    kind: Literal["elbo"] = "elbo"  # pyright: ignore[reportIncompatibleVariableOverride]
    free_bits: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="floor in nats of the batch mean of each latent group's KL "
        "(Kingma et al. 2016, eq. 15)",
    )
    needs = ("posterior", "prior", "likelihood")
    gradients = ("reparameterized", "stl")

    def validated(self) -> ELBO:
        return ELBO()

    def coupling(self) -> str:
        return "free bits apply to the mean KL of the whole batch" if self.free_bits else ""

    def has_term(self, name: str) -> bool:
        return name in ("reconstruction", "kl")


class IWAE(ObjectiveSettings):
    """Negative importance-weighted bound (Burda et al. 2016, eq. 8)."""

    kind: Literal["iwae"] = "iwae"  # pyright: ignore[reportIncompatibleVariableOverride]
    samples: int = Field(default=5, ge=1, le=10_000, description="posterior samples K per example")
    resampled: Literal["off"] | Annotated[int, Field(ge=1, le=10_000)] = Field(
        default="off",
        description="backpropagate through this many of the K samples, resampled by importance weight; "
        "the others are only decoded (Burda et al. 2016, section 3)",
    )
    warmup_epochs: float = Field(
        default=0,
        ge=0,
        le=1e6,
        description="initial epochs that use `warmup_samples` samples, which are faster",
    )
    warmup_samples: int = Field(
        default=5,
        ge=1,
        le=10_000,
        description="posterior samples in those epochs; the gradient uses all of them",
    )
    needs = ("ungrouped posterior", "prior", "likelihood")
    gradients = ("reparameterized", "dreg")
    paper = "Burda et al., Importance Weighted Autoencoders, ICLR 2016, arXiv:1509.00519"

    @model_validator(mode="after")
    def _at_most_samples(self):
        if self.resampled != "off" and self.resampled > self.samples:
            raise ValueError(f"resampled: at most samples, which is {self.samples}")
        if self.warmup_epochs and self.warmup_samples > self.samples:
            raise ValueError(f"warmup_samples: at most samples, which is {self.samples}")
        return self

    def validated(self) -> ELBO:
        return ELBO()

    def has_term(self, name: str) -> bool:
        return False

    def after(self, epochs: float) -> IWAE:
        """The bound to train after `epochs` epochs."""
        return self if epochs >= self.warmup_epochs else IWAE(samples=self.warmup_samples)

    @property
    def noises(self) -> int:
        """Standard normal noise vectors per example: one per sample, and one for resampling."""
        return self.samples + (self.resampled != "off")


class TotalCorrelation(ObjectiveSettings):
    """Negative ELBO with the total correlation of the code weighted by the Spec.

    `minibatch`: the KL is decomposed into the index-code mutual information, the total correlation,
    and the dimension-wise KL (Chen et al. 2018, eq. 2). `discriminator`: the KL plus the total
    correlation as estimated by a discriminator (Kim & Mnih 2018, eq. 2).
    """

    kind: Literal["total-correlation"] = "total-correlation"  # pyright: ignore[reportIncompatibleVariableOverride]
    estimator: Literal["minibatch", "discriminator"] = Field(
        default="minibatch",
        description="estimator of the total correlation: minibatch-weighted sampling or the family's discriminator",
    )
    needs = ("ungrouped posterior", "prior", "likelihood")
    gradients = ("reparameterized", "stl")

    def validated(self) -> ELBO:
        return ELBO()

    def coupling(self) -> str:
        return f"{self.kind!r} couples the examples of a batch"

    def has_term(self, name: str) -> bool:
        split = ("mutual_information", "total_correlation", "dimension_kl")
        whole = ("kl", "total_correlation")
        return name in ("reconstruction", *(split if self.estimator == "minibatch" else whole))


class Pixels(ObjectiveSettings):
    """Reconstruction error in pixel space, plus a weighted KL and a perceptual distance.

    The loss of latent diffusion autoencoders without its adversarial term (Rombach et al. 2022,
    appendix G). Errors are summed over an example's values.
    """

    kind: Literal["pixels"] = "pixels"  # pyright: ignore[reportIncompatibleVariableOverride]
    error: Literal["l1", "l2"] = Field(
        default="l1", description="absolute (l1) or squared (l2) error"
    )
    kl: float = Field(
        default=1e-6, ge=0, le=1e3, description="weight of the KL, for families with a posterior"
    )
    perceptual: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="weight of the perceptual distance",
    )
    extractor: str = Field(
        default="off",
        max_length=1000,
        description="network of the perceptual distance: lpips-vgg, lpips-alex or lpips-squeeze, with "
        "=FILE@SHA256 if not fetched; or a zoo model, whose codes are compared",
    )
    needs = ("code",)

    def has_term(self, name: str) -> bool:
        return name != "reconstruction" and super().has_term(name)


class Own(ObjectiveSettings):
    """The loss that a family defines in its `_loss` method."""

    kind: Literal["own"] = "own"  # pyright: ignore[reportIncompatibleVariableOverride]
    needs = ("loss",)

    def has_term(self, name: str) -> bool:
        return True


Objective = Annotated[
    Likelihood | ELBO | IWAE | TotalCorrelation | Pixels | Own, Field(discriminator="kind")
]
AnyObjective = Likelihood | ELBO | IWAE | TotalCorrelation | Pixels | Own
_DEFAULTS = (Own(), ELBO(), Likelihood(), Pixels(error="l2", kl=0.0))
"""What families are trained on where nothing else is said: the first whose needs are met."""


def default_objective(parts: Collection[str]) -> AnyObjective:
    """The default objective of a family with these parts."""
    return next(one for one in _DEFAULTS if set(one.needs) <= set(parts))


def incompatibility(
    objective: ObjectiveSettings,
    parts: Collection[str],
    weights: Mapping[str, float],
    gradient: str,
) -> str:
    """Why a family with these parts and loss weights does not support an objective; empty if it does."""
    kind = objective.kind
    needed = set(objective.needs)
    if isinstance(objective, TotalCorrelation) and objective.estimator == "discriminator":
        needed.add("discriminator")
    if isinstance(objective, Pixels) and "posterior" in parts:  # for its KL
        needed.add("ungrouped posterior")
    if missing := sorted(needed - set(parts)):
        named = [f"{'an' if part[0] in 'aeiou' else 'a'} {part}" for part in missing]
        return f"{kind!r} needs {' and '.join(named)}"
    if lost := [name for name in weights if not objective.has_term(name)]:
        return f"{kind!r} has no term {lost[0]!r}, which the model weights by {weights[lost[0]]}"
    if gradient not in objective.gradients:
        known = " or ".join(map(repr, objective.gradients))
        near = did_you_mean(str(gradient), objective.gradients)
        return f"gradient is {known} for objective {kind!r}; got {gradient!r}.{near}"
    return ""
