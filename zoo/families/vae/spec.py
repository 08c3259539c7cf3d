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
        description="one layer for both mean and log-variance, or one layer each",
    )
    log_variance_bound: Literal["off"] | Annotated[float, Field(ge=1.0, le=30.0)] = Field(
        default=10.0, description="soft clamp of log-variances v to b tanh(v / b)"
    )

    prior: Prior = Field(
        default=NormalPrior(),
        description="distribution of codes: normal, or vamp, which is learned",
    )


class VAESpec(PosteriorSpec):
    """A variational autoencoder; a beta-VAE unless `beta` is 1 (Higgins et al. 2017)."""

    beta: Weight = Field(default=1.0, description="weight of the KL in the loss; 1 is a plain VAE")

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
    """A VAE that penalizes the total correlation of its codes, estimated by a discriminator."""

    parts: ClassVar = (*PosteriorSpec.parts, "discriminator")
    objective: ClassVar = TotalCorrelation(estimator="discriminator")

    gamma: Weight = Field(default=10.0, description="weight of the total correlation in the loss")
    discriminator: tuple[Width, ...] = Field(
        default=(256, 256, 256),
        min_length=1,
        max_length=32,
        description="units of the discriminator's hidden layers",
    )

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"total_correlation": self.gamma}
