"""What is measured of a model: the metrics by name, one split's `Metrics`, and all of metrics.json. No torch here."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from zoo.specs.protocols import Protocol
from zoo.specs.validation import Strict

SUBSET = 500
"""Images that `zoo verify` measures again by default."""
MAX_UNIT = 60
"""Characters of the unit of a family's own number."""
PICTURES = ("reconstructions", "samples", "traversals")
"""Names of the pictures that the zoo draws of a model."""


class Metric(NamedTuple):
    """What there is to know of a number besides its value."""

    unit: str
    tolerance: float
    """How far it may be off when it is measured again with the same noise, in its own unit."""
    of_gray_images: bool = False
    """Whether it is taken on `decode(encode(x))` of gray images, under any protocol."""
    of_factors: bool = False
    """Whether it needs the factors behind the images; under any protocol too."""


METRICS = {
    "neg_elbo": Metric("nats", 0.01),
    "nll": Metric("nats", 0.01),
    "bce_plus_kl": Metric("nats", 0.01),
    "reconstruction": Metric("nats", 0.01),
    "kl": Metric("nats", 0.01),
    "bits_per_dim": Metric("bits", 3e-4),  # 0.01 nats of 48 pixels
    "active_units": Metric("", 1),
    "mse": Metric("per pixel", 1e-4, of_gray_images=True),  # relative
    "psnr": Metric("dB", 1e-3, of_gray_images=True),
    "ssim": Metric("", 1e-4, of_gray_images=True),
    "mig": Metric("", 1e-3, of_factors=True),
    "dci_disentanglement": Metric("", 0.02, of_factors=True),  # another scikit-learn's forest
    "dci_completeness": Metric("", 0.02, of_factors=True),
    "dci_informativeness": Metric("", 0.02, of_factors=True),
    "sap": Metric("", 2e-3, of_factors=True),
    "factor_vae_score": Metric("", 5e-3, of_factors=True),
}
"""The zoo's metrics, in the order in which they are shown."""
OF_FACTORS = tuple(name for name, metric in METRICS.items() if metric.of_factors)


class OwnNumber(Strict):
    """A number that a family adds to the zoo's own."""

    value: float
    unit: str = Field(max_length=MAX_UNIT, pattern=r"^[^\x00-\x1f\x7f]*$")


OwnNumbers = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], OwnNumber]


class Metrics(Strict):
    """Means over images; `<name>_se` is a mean's standard error. None: not defined or not asked.

    Nats are per image, summed over pixels and latents. Lower is better, but for psnr, ssim,
    active_units, and the scores against factors, which are taken on codes of gray images.
    """

    dataset: str = Field(description="the dataset's name")
    split: str = Field(description="train, validation or test")
    protocol: Protocol = Field(description="what the model was shown: see zoo.specs.protocols")
    protocol_id: str | None = Field(
        default=None, description="its identity, in eight hex digits: all that it settles"
    )
    reconstruction_id: str | None = Field(
        default=None,
        description="identity of the reconstruction protocol, `native`, that mse, psnr and ssim are taken under",
    )
    n_examples: int = Field(description="images behind every mean but the nll's")
    dataset_sha256: str = Field(
        description="of the whole split's uint8 pixels; under a limit, of those read where they are streamed"
    )
    seed: int = Field(description="of the posterior's draws")

    neg_elbo: float | None = Field(
        default=None, description="nats: closed-form KL plus reconstruction"
    )
    neg_elbo_se: float | None = None
    reconstruction: float | None = Field(
        default=None, description="nats: -log p(x | z), z drawn once"
    )
    reconstruction_se: float | None = None
    kl: float | None = Field(default=None, description="nats: KL of the posterior to the prior")
    kl_se: float | None = None
    nll: float | None = Field(default=None, description="nats: minus the importance-weighted bound")
    nll_se: float | None = None
    nll_samples: int | None = Field(default=None, description="K of that bound")
    nll_n_examples: int | None = Field(
        default=None, description="images behind the nll: the first ones"
    )
    bits_per_dim: float | None = Field(default=None, description="neg_elbo in bits per pixel value")
    bits_per_dim_se: float | None = None
    active_units: int | None = Field(
        default=None,
        description="latents whose posterior mean varies by more than 0.01 (Burda et al. 2016)",
    )
    mse: float | None = Field(
        default=None,
        description="squared error per pixel value, of gray images, rounded to 256 levels as a file is",
    )
    mse_se: float | None = None
    psnr: float | None = Field(default=None, description="dB, per image, at most 100")
    psnr_se: float | None = None
    ssim: float | None = Field(
        default=None, description="11x11 Gaussian window, sigma 1.5, within the image"
    )
    ssim_se: float | None = None
    bce_plus_kl: float | None = Field(
        default=None,
        description="nats: cross-entropy against gray levels plus KL; not a likelihood",
    )
    bce_plus_kl_se: float | None = None
    mig: float | None = Field(
        default=None, description="mutual information gap, 20 bins (Chen et al. 2018)"
    )
    dci_disentanglement: float | None = Field(
        default=None, description="of random forests' importances (Eastwood & Williams 2018)"
    )
    dci_completeness: float | None = None
    dci_informativeness: float | None = Field(
        default=None, description="accuracy of those forests on other images"
    )
    sap: float | None = Field(
        default=None, description="separated attribute predictability (Kumar et al. 2018)"
    )
    factor_vae_score: float | None = Field(
        default=None, description="accuracy of a majority vote (Kim & Mnih 2018)"
    )
    factors: tuple[str, ...] | None = Field(
        default=None, description="names of the factors behind those scores"
    )
    factors_n_examples: int | None = Field(default=None, description="images behind those scores")
    factors_sha256: str | None = Field(
        default=None, description="of the whole split's factors, int64, row by row"
    )
    own: OwnNumbers = Field(default={}, description="the family's own, each with its unit")

    def value_of(self, name: str) -> float | None:
        """A number by its name, the zoo's or the family's own, or None."""
        own = self.own.get(name)
        return own.value if own else getattr(self, name) if name in METRICS else None

    def error_of(self, name: str) -> float | None:
        """The standard error of a number, or None."""
        return getattr(self, f"{name}_se", None)

    def without_factors(self) -> Metrics:
        """The same as if nothing had been measured against factors."""
        about = ("factors", "factors_n_examples", "factors_sha256")
        return self.model_copy(update=dict.fromkeys((*OF_FACTORS, *about)))


def is_taken(name: str) -> bool:
    """Whether a name stands for something else among the metrics."""
    return name in METRICS or name in Metrics.model_fields or name.endswith("_se")


class Measured(Metrics):
    """One entry of metrics.json, which another version may have written: more may stand there."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]  # pyright: ignore[reportIncompatibleVariableOverride]  # how pydantic types the rest

    protocol: str = ""  # pyright: ignore[reportIncompatibleVariableOverride]  # another version may have more of them
    dataset_sha256: str = ""

    @field_validator("own")
    @classmethod
    def _own_has_names_of_its_own(cls, own: OwnNumbers) -> OwnNumbers:
        if taken := sorted(filter(is_taken, own)):
            raise ValueError(f"{taken[0]} is a number of the zoo's")
        return own

    @model_validator(mode="after")
    def _nll_says_of_what(self):
        if self.nll is not None and None in (self.nll_samples, self.nll_n_examples):
            raise ValueError("an nll needs nll_samples and nll_n_examples")
        return self


class Spread(Strict):
    """A number of trainings that differ in the seed alone."""

    mean: float = Field(description="over the seeds")
    std: float = Field(description="standard deviation over the seeds")
    error: float | None = Field(
        default=None, description="standard error over the images, the mean of the seeds'"
    )


class Seeds(BaseModel):
    """The numbers of trainings with several seeds on one split and protocol; more may stand there."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    dataset: str
    split: str
    protocol: str
    protocol_id: str | None = None
    reconstruction_id: str | None = None
    n_examples: int
    dataset_sha256: str = ""
    seed: int = 0
    """Of the draws in measuring: the same for all."""
    nll_samples: int | None = None
    nll_n_examples: int | None = None
    seeds: tuple[int, ...]
    """Of the trainings."""
    numbers: dict[str, Spread]


HOW_COMPUTED = frozenset({"compile", "training.compile"})
"""Overrides of how a training is computed, not of what is computed."""


class Ending(BaseModel):
    """How a training ended, in metrics.json."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    recipe: str | None = None
    """Name of the published recipe that was run."""
    changed: dict[str, Any] = {}
    """The overrides with which it was run."""
    epochs: int | None = None
    of_epochs: int | None = None
    interrupted: bool = False
    best_epoch: int | None = None
    device: str | None = None
    """What it was trained on: `cpu`, or a GPU's name."""
    threads: int | None = None
    """The processor's threads that it was trained on."""

    @property
    def unchanged_recipe(self) -> str | None:
        """Name of the published recipe that was run as it stands, compiled or not; or None."""
        return None if self.changed.keys() - HOW_COMPUTED else self.recipe


class Record(BaseModel):
    """All of metrics.json; more may stand there."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", populate_by_name=True)

    format: str = ""
    measured: tuple[Measured, ...] = ()
    """The model's numbers, one entry for a split and protocol."""
    subset: tuple[Measured, ...] = ()
    """The same on the first images only, for a quick `zoo verify`."""
    beside: dict[str, Measured] = {}
    """Numbers of other models measured for comparison, by what they are."""
    seeds: tuple[Seeds, ...] = ()
    """How far the numbers of its recipe spread over seeds."""
    training: Ending = Ending()
    versions: dict[str, Any] = Field(default={}, alias="with")

    def as_json(self) -> dict[str, Any]:
        """Plain data, as it was written: what was not there is not added."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
