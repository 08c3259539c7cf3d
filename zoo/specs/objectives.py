"""What a variational training minimizes, by name. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from zoo.specs.validation import Strict


class ELBO(Strict):
    """The negative evidence lower bound: reconstruction plus KL, each with the Spec's weight."""

    kind: Literal["elbo"] = "elbo"
    free_bits: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="nats below which the KL of a group of latents, as a mean over the batch, is not "
        "lowered further (Kingma et al. 2016, eq. 15)",
    )


class IWAE(Strict):
    """The importance-weighted bound, with its sign turned (Burda et al. 2016, eq. 8)."""

    kind: Literal["iwae"] = "iwae"
    samples: int = Field(
        default=5, ge=1, le=10_000, description="draws K of each image's posterior"
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

    @model_validator(mode="after")
    def _no_more_than_all(self):
        if self.resampled != "off" and self.resampled > self.samples:
            raise ValueError(f"resampled: at most samples, which is {self.samples}")
        if self.warmup_epochs and self.warmup_samples > self.samples:
            raise ValueError(f"warmup_samples: at most samples, which is {self.samples}")
        return self

    def after(self, epochs: float) -> IWAE:
        """The bound that is trained after so many epochs."""
        return self if epochs >= self.warmup_epochs else IWAE(samples=self.warmup_samples)

    @property
    def noises(self) -> int:
        """Standard normal codes that an image takes: one of each draw, and one to choose by."""
        return self.samples + (self.resampled != "off")


class Pixels(Strict):
    """The error of a reconstruction's pixels, with a KL and a distance in an extractor's features.

    What autoencoders behind diffusion models are trained on (Rombach et al. 2022, appendix G), but for
    its adversary. Sums over an image's values.
    """

    kind: Literal["pixels"] = "pixels"
    error: Literal["l1", "l2"] = Field(
        default="l1", description="absolute or squared differences of values in [0, 1]"
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


GRADIENTS = {"elbo": "stl", "iwae": "dreg"}
"""The gradient of lower variance of each objective, besides "reparameterized"."""
Objective = Annotated[ELBO | IWAE | Pixels, Field(discriminator="kind")]
