"""The Specs of `vae`, `beta-tc-vae` and `factor-vae`. No torch here."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from zoo.families.ae.spec import VectorSpec
from zoo.specs.objectives import TotalCorrelation
from zoo.specs.parts import NormalPrior, Prior, Width

Weight = Annotated[float, Field(gt=0.0, le=1000.0)]


class PosteriorSpec(VectorSpec):
    """A variational autoencoder with a diagonal Gaussian posterior (Kingma & Welling 2014)."""

    parts: ClassVar = ("code", "likelihood", "posterior", "prior", "ungrouped posterior")

    heads: Literal["joint", "separate"] = Field(
        default="joint",
        description="one last layer split into mean and log-variance, or a layer for each",
    )
    log_variance_bound: Literal["off"] | Annotated[float, Field(ge=1.0, le=30.0)] = Field(
        default=10.0, description="log-variances stay within plus or minus this b, as b tanh(v / b)"
    )

    prior: Prior = Field(
        default=NormalPrior(),
        description="what codes are drawn from: a standard normal, or learned",
    )


class VAESpec(PosteriorSpec):
    """A variational autoencoder; with another `beta` than 1, a beta-VAE (Higgins et al. 2017)."""

    beta: Weight = Field(
        default=1.0, description="weight of the KL term in the loss; 1 is a plain VAE"
    )

    @property
    def loss_weights(self) -> dict[str, float]:
        return {} if self.beta == 1 else {"kl": self.beta}


class BetaTCVAESpec(PosteriorSpec):
    """A VAE whose loss weights the total correlation of its codes (Chen et al. 2018)."""

    objective: ClassVar = TotalCorrelation(estimator="minibatch")

    beta: Weight = Field(
        default=6.0, description="weight of the total correlation in the loss; 1 is a plain VAE"
    )

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"total_correlation": self.beta}


class FactorVAESpec(PosteriorSpec):
    """A VAE with a penalty on the total correlation of its codes, which a discriminator measures."""

    parts: ClassVar = (*PosteriorSpec.parts, "discriminator")
    objective: ClassVar = TotalCorrelation(estimator="discriminator")

    gamma: Weight = Field(default=10.0, description="weight of the total correlation in the loss")
    discriminator: tuple[Width, ...] = Field(
        default=(256, 256, 256),
        min_length=1,
        max_length=32,
        description="units of the hidden layers that tell codes from shuffled ones",
    )

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"total_correlation": self.gamma}
