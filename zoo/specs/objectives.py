"""What training minimizes, by name, and what each objective needs of a family. No torch here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from zoo.errors import did_you_mean
from zoo.specs.validation import Strict

Gradient = Literal["reparameterized", "stl", "dreg"]
DIVERGENCES = ("kl", "mutual_information", "total_correlation", "dimension_kl")
"""Terms of a KL, and of what it is split into."""


class ObjectiveSettings(Strict):
    """What objectives share."""

    kind: str
    needs: ClassVar[tuple[str, ...]] = ()
    """Parts that a family must have: see `zoo.models.primitives.parts_of`."""
    gradients: ClassVar[tuple[Gradient, ...]] = ("reparameterized",)
    """Gradient estimators that it has."""
    mixes: ClassVar[bool] = False
    """Whether it compares the examples of a batch with one another."""
    paper: ClassVar[str] = ""

    def validated(self) -> ObjectiveSettings:
        """What is measured on the validation split in its place: it has a value for each example."""
        return self

    def mixes_examples(self) -> bool:
        """Whether the loss of a batch is another than the mean of the losses of its parts."""
        return self.mixes

    def has_term(self, name: str) -> bool:
        """Whether a Spec may weight a term of that name: any regularizer of the code that is not a KL."""
        return name not in DIVERGENCES


class Likelihood(ObjectiveSettings):
    """-log p(x | z) at the code, plus the family's regularizers: maximum likelihood, without a prior."""

    kind: Literal["likelihood"] = "likelihood"  # pyright: ignore[reportIncompatibleVariableOverride]
    needs = ("code", "likelihood")


class ELBO(ObjectiveSettings):
    """The negative evidence lower bound: reconstruction plus KL, each with the Spec's weight."""

    kind: Literal["elbo"] = "elbo"  # pyright: ignore[reportIncompatibleVariableOverride]
    free_bits: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="nats below which the KL of a group of latents, as a mean over the batch, is not "
        "lowered further (Kingma et al. 2016, eq. 15)",
    )
    needs = ("posterior", "prior", "likelihood")
    gradients = ("reparameterized", "stl")

    def validated(self) -> ELBO:
        return ELBO()

    def mixes_examples(self) -> bool:
        return self.free_bits > 0

    def has_term(self, name: str) -> bool:
        return name in ("reconstruction", "kl")


class IWAE(ObjectiveSettings):
    """The negative importance-weighted bound (Burda et al. 2016, eq. 8)."""

    kind: Literal["iwae"] = "iwae"  # pyright: ignore[reportIncompatibleVariableOverride]
    samples: int = Field(
        default=5, ge=1, le=10_000, description="draws K of each example's posterior"
    )
    resampled: Literal["off"] | Annotated[int, Field(ge=1, le=10_000)] = Field(
        default="off",
        description="draws of the K, chosen by their weight, at which the gradient is taken: the others are "
        "only decoded (Burda et al. 2016, section 3)",
    )
    warmup_epochs: float = Field(
        default=0,
        ge=0,
        le=1e6,
        description="epochs at the start that take `warmup_samples` draws: many fast ones before a few slow ones",
    )
    warmup_samples: int = Field(
        default=5,
        ge=1,
        le=10_000,
        description="draws in those epochs; all take part in the gradient",
    )
    needs = ("ungrouped posterior", "prior", "likelihood")
    gradients = ("reparameterized", "dreg")
    paper = "Burda et al., Importance Weighted Autoencoders, ICLR 2016, arXiv:1509.00519"

    @model_validator(mode="after")
    def _no_more_than_all(self):
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
        """The bound that is trained after that many epochs."""
        return self if epochs >= self.warmup_epochs else IWAE(samples=self.warmup_samples)

    @property
    def noises(self) -> int:
        """Standard normal codes per example: one for each draw, and one to choose by."""
        return self.samples + (self.resampled != "off")


class TotalCorrelation(ObjectiveSettings):
    """The negative ELBO with the total correlation of the code weighted by the Spec.

    `minibatch`: the KL is split into the mutual information of example and code, the total
    correlation of the code's numbers, and each number's own KL (Chen et al. 2018, eq. 2).
    `discriminator`: the KL plus the total correlation as a discriminator estimates it (Kim & Mnih
    2018, eq. 2).
    """

    kind: Literal["total-correlation"] = "total-correlation"  # pyright: ignore[reportIncompatibleVariableOverride]
    estimator: Literal["minibatch", "discriminator"] = Field(
        default="minibatch",
        description="how it is estimated: by minibatch-weighted sampling, or by the family's discriminator",
    )
    needs = ("ungrouped posterior", "prior", "likelihood")
    gradients = ("reparameterized", "stl")
    mixes = True

    def validated(self) -> ELBO:
        return ELBO()

    def has_term(self, name: str) -> bool:
        split = ("mutual_information", "total_correlation", "dimension_kl")
        whole = ("kl", "total_correlation")
        return name in ("reconstruction", *(split if self.estimator == "minibatch" else whole))


class Pixels(ObjectiveSettings):
    """The error of a reconstruction's values, with a KL and a distance in an extractor's features.

    What autoencoders behind diffusion models are trained on (Rombach et al. 2022, appendix G), without
    its adversary. Sums over an example's values.
    """

    kind: Literal["pixels"] = "pixels"  # pyright: ignore[reportIncompatibleVariableOverride]
    error: Literal["l1", "l2"] = Field(
        default="l1", description="absolute or squared differences of values"
    )
    kl: float = Field(
        default=1e-6, ge=0, le=1e3, description="weight of the posterior's KL, where there is one"
    )
    perceptual: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="weight of the extractor's distance",
    )
    extractor: str = Field(
        default="off",
        max_length=1000,
        description="lpips-vgg, lpips-alex or lpips-squeeze, with =FILE@SHA256 if not fetched; or a "
        "model of the zoo's, whose codes are compared",
    )
    needs = ("code",)

    def has_term(self, name: str) -> bool:
        return name != "reconstruction" and super().has_term(name)


class Own(ObjectiveSettings):
    """The loss that a family defines itself, by its method `_loss`."""

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
    """What a family with these parts is trained on where nothing else is said."""
    return next(one for one in _DEFAULTS if set(one.needs) <= set(parts))


def misfit(
    objective: ObjectiveSettings,
    parts: Collection[str],
    weights: Mapping[str, float],
    gradient: str,
) -> str:
    """Why a family with these parts and loss weights cannot be trained on an objective, or nothing."""
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
