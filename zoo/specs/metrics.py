"""The metrics by name, and `Metrics`: those of one model, split and protocol. No torch here."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field

from zoo.specs.domains import KINDS, Kind
from zoo.specs.protocols import Protocol
from zoo.specs.validation import Strict

SUBSET = 500
"""Number of examples that `zoo verify` re-measures by default."""
MAX_UNIT = 60
"""Longest unit of a family's own metric, in characters."""
PICTURES = ("reconstructions", "samples", "traversals")
"""Names of the built-in pictures of a model."""


class Metric(NamedTuple):
    """Unit, reproduction tolerance and scope of a metric."""

    unit: str
    tolerance: float
    """Largest difference allowed when it is re-measured with the same noise, in its unit."""
    of_reconstructions: bool = False
    """Whether it compares `decode(encode(x))` with the unchanged x, whatever the protocol."""
    of_factors: bool = False
    """Whether it needs ground-truth factors; it does not depend on the protocol either."""
    domains: tuple[Kind, ...] = KINDS
    """Domains that it is defined for."""

    def unit_of(self, kind: Kind) -> str:
        """Its unit for a domain: real values are standardized per column."""
        is_real = self.unit == "per pixel" and kind != "image"
        return "per standardized value" if is_real else self.unit


_IMAGES: tuple[Kind, ...] = ("image",)
METRICS = {
    "neg_elbo": Metric("nats", 0.01),
    "nll": Metric("nats", 0.01),
    "bce_plus_kl": Metric("nats", 0.01, domains=_IMAGES),
    "reconstruction": Metric("nats", 0.01),
    "kl": Metric("nats", 0.01),
    "bits_per_dim": Metric("bits", 3e-4, domains=_IMAGES),  # 0.01 nats of 48 pixels
    "active_units": Metric("", 1),
    "mse": Metric("per pixel", 1e-4, of_reconstructions=True),  # relative
    "psnr": Metric("dB", 1e-3, of_reconstructions=True, domains=_IMAGES),
    "ssim": Metric("", 1e-4, of_reconstructions=True, domains=_IMAGES),
    "mig": Metric("", 1e-3, of_factors=True),
    "dci_disentanglement": Metric("", 0.02, of_factors=True),  # another scikit-learn's forest
    "dci_completeness": Metric("", 0.02, of_factors=True),
    "dci_informativeness": Metric("", 0.02, of_factors=True),
    "sap": Metric("", 2e-3, of_factors=True),
    "factor_vae_score": Metric("", 5e-3, of_factors=True),
}
"""The built-in metrics, in display order."""
OF_FACTORS = tuple(name for name, metric in METRICS.items() if metric.of_factors)


class OwnNumber(Strict):
    """A metric that a family adds to the built-in ones."""

    value: float
    unit: str = Field(max_length=MAX_UNIT, pattern=r"^[^\x00-\x1f\x7f]*$")


OwnNumbers = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], OwnNumber]


class Metrics(Strict):
    """Means over examples; `<name>_se` is the standard error of a mean. None: undefined or not measured.

    Nats are per example, summed over values and latents. Lower is better, except for psnr, ssim,
    active_units, and disentanglement scores, which are computed on codes of unchanged examples.
    """

    dataset: str = Field(description="the dataset's name")
    domain: Kind = Field(default="image", description="kind of example: image, vector or series")
    split: str = Field(description="train, validation or test")
    protocol: Protocol = Field(description="how examples were presented: see zoo.specs.protocols")
    protocol_id: str | None = Field(
        default=None, description="eight hex digits that identify the protocol's settings"
    )
    reconstruction_id: str | None = Field(
        default=None,
        description="identity of the reconstruction protocol of mse, psnr and ssim, `native`",
    )
    n_examples: int = Field(description="number of examples, for every mean except nll")
    dataset_sha256: str = Field(
        description="hash of the whole split; with a limit on streamed data, of the examples read"
    )
    seed: int = Field(description="seed of the posterior samples")

    neg_elbo: float | None = Field(
        default=None, description="nats: closed-form KL plus reconstruction"
    )
    neg_elbo_se: float | None = None
    reconstruction: float | None = Field(
        default=None, description="nats: -log p(x | z), one posterior sample z"
    )
    reconstruction_se: float | None = None
    kl: float | None = Field(default=None, description="nats: KL from posterior to prior")
    kl_se: float | None = None
    nll: float | None = Field(default=None, description="nats: negative importance-weighted bound")
    nll_se: float | None = None
    nll_samples: int | None = Field(default=None, description="number of samples K of that bound")
    nll_n_examples: int | None = Field(
        default=None, description="nll is computed on the first N examples"
    )
    bits_per_dim: float | None = Field(default=None, description="neg_elbo in bits per pixel value")
    bits_per_dim_se: float | None = None
    active_units: int | None = Field(
        default=None,
        description="latents whose posterior mean varies by more than 0.01 (Burda et al. 2016)",
    )
    mse: float | None = Field(
        default=None,
        description="squared error per value; images are rounded to 256 levels, as in a file; real values "
        "are in units of each column's standard deviation",
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
        default=None, description="from random forest importances (Eastwood & Williams 2018)"
    )
    dci_completeness: float | None = None
    dci_informativeness: float | None = Field(
        default=None, description="accuracy of those forests on held-out examples"
    )
    sap: float | None = Field(
        default=None, description="separated attribute predictability (Kumar et al. 2018)"
    )
    factor_vae_score: float | None = Field(
        default=None, description="accuracy of a majority vote (Kim & Mnih 2018)"
    )
    factors: tuple[str, ...] | None = Field(
        default=None, description="names of the factors of those scores"
    )
    factors_n_examples: int | None = Field(
        default=None, description="number of examples of those scores"
    )
    factors_sha256: str | None = Field(
        default=None, description="hash of the whole split's factors, int64, row by row"
    )
    own: OwnNumbers = Field(default={}, description="the family's own metrics, with their units")

    def value_of(self, name: str) -> float | None:
        """A metric by name, built-in or the family's own, or None."""
        own = self.own.get(name)
        return own.value if own else getattr(self, name) if name in METRICS else None

    def error_of(self, name: str) -> float | None:
        """The standard error of a metric, or None."""
        return getattr(self, f"{name}_se", None)

    def without_factors(self) -> Metrics:
        """The metrics without the disentanglement scores."""
        about = ("factors", "factors_n_examples", "factors_sha256")
        return self.model_copy(update=dict.fromkeys((*OF_FACTORS, *about)))


def is_reserved(name: str) -> bool:
    """Whether a family's own metric cannot have this name."""
    return name in METRICS or name in Metrics.model_fields or name.endswith("_se")
